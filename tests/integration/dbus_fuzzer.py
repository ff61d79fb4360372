# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""A D-Bus client that means harm: random arguments to every method and property of jkbmsd.

test_security.py gives it to a Python of a user without rights, on standard input:

    python3 - ADDRESS SEED SECONDS

Prints a JSON object: how many calls of which outcome, and under "done" every call that should have
been refused and was not."""

import json
import random
import sys
import time
import xml.etree.ElementTree as ElementTree

import gi
gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

NAME = "io.github.jkbmsd1"
ROOT = "/io/github/jkbmsd1"
PROPERTIES = "org.freedesktop.DBus.Properties"
# What may succeed for everybody.
READING = {"GetConfig", "GetConfigOrigins", "Validate", "Snapshots", "Get", "GetAll", "Introspect",
           "GetManagedObjects", "Ping", "GetMachineId", "GetHistory"}
TEXTS = ("", "x", "garage_1", "garage", "..", "/", "%s%n%s", "\"'\\\n\t\x01", "\u00e4\u20ac\U0001f50b",
         "a" * 300, "9" * 400, "mqtt://127.0.0.1", "serial:/dev/null", "replay:/etc/passwd", "-1", "NaN",
         "password-file", "mqtt", "writes", "access", "Name", "ChargingSwitch", "configure")
NUMBERS = (0, 1, -1, 2, 255, 2 ** 15, 2 ** 31 - 1, -2 ** 31, 2 ** 63 - 1)
RANGES = {"y": (0, 255), "n": (-2 ** 15, 2 ** 15 - 1), "q": (0, 2 ** 16 - 1), "i": (-2 ** 31, 2 ** 31 - 1),
          "u": (0, 2 ** 32 - 1), "x": (-2 ** 63, 2 ** 63 - 1), "t": (0, 2 ** 64 - 1)}
DOUBLES = (0.0, -0.0, 1.5, -3.65, 1e308, -1e308, 5e-324, float("nan"), float("inf"), float("-inf"))


def split(signature):
    """The complete types in it."""
    types, depth, begin = [], 0, 0
    for end, character in enumerate(signature, 1):
        depth += (character in "({") - (character in ")}")
        if depth == 0 and character != "a":
            types.append(signature[begin:end])
            begin = end
    return types


def is_understood(arguments):
    """GLib misreads some messages of its own making and then drops the connection; that has a test
    of its own."""
    message = Gio.DBusMessage.new_method_call(NAME, ROOT, NAME, "Method")
    message.set_serial(1)
    message.set_body(arguments)
    try:
        Gio.DBusMessage.new_from_blob(message.to_blob(Gio.DBusCapabilityFlags.NONE),
                                      Gio.DBusCapabilityFlags.NONE)
        return True
    except GLib.Error:
        return False


class Fuzzer:

    def __init__(self, address, seed):
        self.random = random.Random(seed)
        self.connection = Gio.DBusConnection.new_for_address_sync(
            address, Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT
            | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)
        self.outcomes, self.done = {}, []
        self.methods, self.properties = [], []
        self.learn()

    def learn(self):
        """Every method and property of every object."""
        objects = self.call(ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", None)
        for path in [ROOT, *objects[0]]:
            xml = self.call(path, "org.freedesktop.DBus.Introspectable", "Introspect", None)[0]
            for interface in ElementTree.fromstring(xml).iter("interface"):
                name = interface.get("name")
                for method in interface.iter("method"):
                    types = [argument.get("type") for argument in method.iter("arg")
                             if argument.get("direction", "in") == "in"]
                    self.methods.append((path, name, method.get("name"), types))
                for prop in interface.iter("property"):
                    self.properties.append((path, name, prop.get("name"), prop.get("type")))

    def call(self, path, interface, method, arguments, timeout=5000):
        return self.connection.call_sync(NAME, path, interface, method, arguments, None,
                                         Gio.DBusCallFlags.NONE, timeout, None).unpack()

    # Random values

    def text(self):
        if self.random.random() < 0.7:
            return self.random.choice(TEXTS)
        return "".join(chr(self.random.choice((self.random.randrange(1, 127), 0x3042)))
                       for _ in range(self.random.randrange(40)))

    def some_type(self, depth=0):
        kinds = "ybnqiuxtdsog" + ("" if depth > 3 else "aaa(v{")
        kind = self.random.choice(kinds)
        if kind == "a":
            return "a" + self.some_type(depth + 1)
        if kind == "(":
            return "(" + "".join(self.some_type(depth + 1) for _ in range(self.random.randrange(1, 4))) + ")"
        if kind == "{":
            return "a{" + self.random.choice("sutyb") + self.some_type(depth + 1) + "}"
        return kind

    def value(self, kind, depth=0):
        """A random GVariant of the type."""
        first = kind[0]
        if first in RANGES:
            low, high = RANGES[first]
            number = self.random.choice(NUMBERS) if self.random.random() < 0.7 else self.random.randint(low, high)
            return GLib.Variant(first, min(max(number, low), high))
        if first == "b":
            return GLib.Variant("b", self.random.random() < 0.5)
        if first == "d":
            return GLib.Variant("d", self.random.choice(DOUBLES))
        if first == "s":
            return GLib.Variant("s", self.text())
        if first == "o":
            return GLib.Variant("o", self.random.choice((ROOT, "/", "/a/b", f"{ROOT}/bms/garage_1")))
        if first == "g":
            return GLib.Variant("g", self.random.choice(("", "a{sv}", "(((ii)))")))
        if first == "v":
            return GLib.Variant.new_variant(self.value(self.some_type(depth + 1), depth + 1))
        if first == "h":
            return GLib.Variant("h", self.random.choice((0, 1, 7)))  # without a descriptor behind it
        return self.container(kind, depth)

    def container(self, kind, depth):
        if kind[0] == "(":
            return GLib.Variant.new_tuple(*[self.value(item, depth + 1) for item in split(kind[1:-1])])
        count = self.random.choice((0, 1, 2, 5, 40) if depth < 2 else (0, 1, 2))
        item = kind[1:]
        if item[0] != "{":
            items = [self.value(item, depth + 1) for _ in range(count)]
        else:
            key, value = split(item[1:-1])
            items = [GLib.Variant.new_dict_entry(self.value(key, depth + 1), self.value(value, depth + 1))
                     for _ in range(count)]
        return GLib.Variant.new_array(GLib.VariantType.new(item), items)

    # Attacks

    def arguments(self, types):
        """Of the right types two times in three."""
        while True:
            if self.random.random() > 0.67:
                types = [self.some_type() for _ in range(self.random.randrange(5))]
            arguments = GLib.Variant.new_tuple(*[self.value(kind) for kind in types])
            if is_understood(arguments):
                return arguments

    def attempt(self, path, interface, method, arguments):
        try:
            self.call(path, interface, method, arguments)
            outcome = "answered"
            if method not in READING:
                self.done.append(f"{path} {interface}.{method} {arguments.print_(True)[:200]}")
        except GLib.Error as error:
            outcome = Gio.DBusError.get_remote_error(error) or f"{error.domain} {error.code}"
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1

    def call_a_method(self):
        path, interface, method, types = self.random.choice(self.methods)
        if self.random.random() < 0.05:
            path += "/" + self.random.choice(("nothing", "_", "bms", "0"))
        if self.random.random() < 0.05:
            method += "x"
        self.attempt(path, interface, method, self.arguments(types))

    def set_a_property(self):
        path, interface, name, kind = self.random.choice(self.properties)
        if self.random.random() < 0.3:
            kind = self.some_type()
        value = GLib.Variant.new_variant(self.value(kind))
        arguments = GLib.Variant.new_tuple(GLib.Variant("s", interface), GLib.Variant("s", name), value)
        if is_understood(arguments):
            self.attempt(path, PROPERTIES, "Set", arguments)

    def flood(self):
        """Many calls at once, and nobody waits for the answers."""
        for _ in range(300):
            path, interface, method, types = self.random.choice(self.methods)
            self.connection.call(NAME, path, interface, method, self.arguments(types), None,
                                 Gio.DBusCallFlags.NONE, 5000, None, None)
        self.call(ROOT, "org.freedesktop.DBus.Peer", "Ping", None, timeout=20000)

    def run(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for _ in range(100):
                self.random.choice((self.call_a_method, self.set_a_property))()
            self.flood()
        return {"outcomes": self.outcomes, "done": self.done}


print(json.dumps(Fuzzer(sys.argv[1], int(sys.argv[2])).run(float(sys.argv[3]))))
