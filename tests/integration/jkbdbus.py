# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""A D-Bus client for the integration tests, in plain Python values."""

import threading
import time

import gi
gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

NAME = "io.github.jkbmsd1"
ROOT = "/io/github/jkbmsd1"
PROPERTIES = "org.freedesktop.DBus.Properties"


class Error(Exception):
    """A D-Bus error: .name is what the service sent, .text its sentence."""

    def __init__(self, error):
        self.name = Gio.DBusError.get_remote_error(error) or error.domain
        Gio.DBusError.strip_remote_error(error)
        self.text = error.message
        super().__init__(f"{self.name}: {self.text}")


class Signal:
    def __init__(self, path, interface, name, arguments):
        self.path, self.interface, self.name, self.arguments = path, interface, name, arguments
        self.time = time.monotonic()

    def __repr__(self):
        return f"{self.interface}.{self.name} {self.path} {self.arguments}"


def bms_path(bms):
    return f"{ROOT}/bms/{bms}"


def bus_path(name):
    return f"{ROOT}/bus/{name}"


def _full(interface):
    """'Bms' stands for io.github.jkbmsd1.Bms."""
    return interface if "." in interface else f"{NAME}.{interface}"


class Client:
    """One connection.  Paths and interfaces are jkbmsd's unless given in full."""

    def __init__(self, address, name=NAME):
        self.name = name
        self.connection = Gio.DBusConnection.new_for_address_sync(
            address, Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT
            | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)
        self.connection.set_exit_on_close(False)
        self._loops = []

    def close(self):
        for loop in self._loops:
            loop.quit()
        if not self.connection.is_closed():
            try:
                self.connection.close_sync(None)
            except GLib.Error:
                pass

    def call(self, path, interface, method, signature="()", *arguments, timeout=30, name=None):
        """Calls a method and returns its results as Python values: None, one, or a tuple."""
        try:
            reply = self.connection.call_sync(
                name or self.name, path, _full(interface), method,
                GLib.Variant(signature, arguments), None, Gio.DBusCallFlags.NONE,
                int(timeout * 1000), None).unpack()
        except GLib.Error as error:
            raise Error(error) from None
        return None if len(reply) == 0 else reply[0] if len(reply) == 1 else reply

    def get(self, path, interface, key):
        return self.call(path, PROPERTIES, "Get", "(ss)", _full(interface), key)

    def get_all(self, path, interface):
        return self.call(path, PROPERTIES, "GetAll", "(s)", _full(interface))

    def set(self, path, interface, key, variant, timeout=30):
        """variant: a GLib.Variant, or a (signature, value) pair."""
        if isinstance(variant, tuple):
            variant = GLib.Variant(*variant)
        self.call(path, PROPERTIES, "Set", "(ssv)", _full(interface), key, variant, timeout=timeout)

    def objects(self):
        """{path: {interface: {property: value}}} of the object manager."""
        return self.call(ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")

    def bms(self):
        """The ids of the BMS that exist, sorted."""
        prefix = f"{ROOT}/bms/"
        return sorted(path[len(prefix):] for path in self.objects() if path.startswith(prefix))

    def introspect(self, path):
        return self.call(path, "org.freedesktop.DBus.Introspectable", "Introspect")

    def has_owner(self, name):
        return self.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "NameHasOwner", "(s)", name,
                         name="org.freedesktop.DBus")

    def signals(self):
        """A list that grows with every signal of the service, from now on."""
        seen = []
        ready = threading.Event()
        context = GLib.MainContext()
        loop = GLib.MainLoop(context)
        self._loops.append(loop)

        def on_signal(_connection, _sender, path, interface, member, arguments, *unused):
            seen.append(Signal(path, interface.removeprefix(NAME + "."), member, arguments.unpack()))

        def run():
            context.push_thread_default()
            self.connection.signal_subscribe(self.name, None, None, None, None,
                                             Gio.DBusSignalFlags.NONE, on_signal)
            ready.set()
            loop.run()

        threading.Thread(target=run, daemon=True).start()
        ready.wait()
        self.has_owner(self.name)  # a round trip: the match rule is in place
        return seen
