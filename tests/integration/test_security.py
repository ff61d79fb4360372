#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""What docs/security.md promises: secrets stay inside, hostile texts stay texts, and whoever may not
change anything changes nothing."""

import glob
import json
import os
import re
import shutil
import stat
import subprocess
import time

import jkbtest
from jkbdbus import NAME, ROOT, Error, Gio, GLib, bms_path, bus_path
from jkbmaster import INFO, Master
from test_capture_paths import memory_of

BMS_SECRETS = (b"CANARY-PIN", b"CANARY-PW", b"CANARY-BT")
BROKER_PASSWORD = "CANARY-broker-password"
NOBODY = 65534
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
TOPIC = re.compile(r"jkbms/(bridge/(availability|state)"
                   r"|garage_[0-9]+/(availability|state|cells|settings|info|energy|alarm))"
                   r"|homeassistant/device/jkbmsd_(bridge|garage_[0-9]+)/config")


class Secrets(jkbtest.Case):

    def start_polling(self, *sim_arguments):
        """A polled bus, so that the BMS tell their info with the secrets in it, at the most talkative
        log level."""
        self.bus = self.enter(jkbtest.PrivateBus())
        self.client = self.bus.client()
        self.broker = self.enter(jkbtest.Broker("jkbms", BROKER_PASSWORD))
        self.seen = self.enter(jkbtest.Capture(self.broker))
        self.sim = self.enter(jkbtest.Sim("--bms", "1,2", "--rate", "line", *sim_arguments, tcp=True))
        password = self.write("password", BROKER_PASSWORD + "\n", 0o600)
        config = self.sim.config("garage", mode="poll", addresses="1,2", listen_before_talk=1,
                                 info_interval=10, poll_interval=0.5)
        config += self.broker.config(interval=0, username="jkbms", password_file=password)
        self.daemon = self.enter(jkbtest.Daemon("[daemon]\nlog-level=debug\n\n" + config, bus=self.bus))

    def wait_for_info(self, wanted):
        def known():
            return sum(f"{NAME}.Info" in interfaces for interfaces in self.client.objects().values()) >= wanted
        jkbtest.wait_until(known, 60, f"not so many BMS told their info: {wanted}")

    def settle(self):
        """The bus is silent, and what was half received has been given up."""
        self.sim.command("pause")
        time.sleep(3)

    def check_outside(self):
        """Everything that others can see."""
        dump = repr(self.client.objects())
        for path in (ROOT, f"{ROOT}/mqtt", bus_path("garage"), bms_path("garage_1")):
            dump += self.client.introspect(path)
        for path, interface in ((ROOT, "Manager"), (f"{ROOT}/mqtt", "Mqtt"), (bus_path("garage"), "Bus")):
            dump += repr(self.client.get_all(path, interface))
        for method in ("GetConfig", "GetConfigOrigins"):
            try:
                dump += repr(self.client.call(ROOT, "Manager", method))
            except Error as error:
                self.assertIn("UnknownMethod", error.name)
        self.assertNotIn("CANARY", dump)
        self.assertIn("garage_1", dump)
        self.assertNotIn("CANARY", self.seen.log)
        self.assertNotIn("CANARY", self.daemon.log)
        for name in ("cmdline", "environ"):
            with open(f"/proc/{self.daemon.pid}/{name}", "rb") as file:
                self.assertNotIn(b"CANARY", file.read(), name)

    def check_files(self):
        """No secret in a file of the state directory, and nobody else can read them."""
        for directory, _, names in os.walk(self.daemon.state_dir):
            self.assertEqual(stat.S_IMODE(os.stat(directory).st_mode), 0o700, directory)
            for path in (os.path.join(directory, name) for name in names):
                self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600, path)
                with open(path, "rb") as file:
                    self.assertNotIn(b"CANARY", file.read(), path)

    def check_memory(self):
        """The broker's password must be somewhere in it, for the next reconnect; a BMS's never."""
        found_password = False
        for piece in memory_of(self.daemon.pid):
            for secret in BMS_SECRETS:
                at = piece.find(secret)
                self.assertLess(at, 0, f"in memory: {piece[max(0, at - 80):at + 40]!r}")
            found_password |= BROKER_PASSWORD.encode() in piece
        self.assertTrue(found_password)  # or the search does not search

    def check_core(self):
        if not shutil.which("gcore"):
            self.skipTest("gcore is not installed (package gdb); the memory was searched, no core")
        subprocess.run(["gcore", "-o", self.path("core"), str(self.daemon.pid)], check=True,
                       capture_output=True, timeout=60 * jkbtest.FACTOR)
        with open(glob.glob(self.path("core*"))[0], "rb") as file:
            core = file.read()
        for secret in BMS_SECRETS:
            self.assertNotIn(secret, core)

    def test_of_a_polled_bus(self):
        self.start_polling()
        self.wait_for_info(2)
        self.seen.wait_for("jkbms/garage_2/info")
        self.settle()
        self.check_outside()
        self.check_files()
        self.check_memory()
        if jkbtest.FACTOR == 1:
            self.check_core()

    def test_of_a_bad_line(self):
        """Damaged, cut and merged info frames are no way out either."""
        self.start_polling("--fault", "corrupt=0.2", "--fault", "truncate=0.1", "--fault", "merge=0.1",
                           "--fault", "split=0.1", "--fault", "noise=0.2")
        self.wait_for_info(1)
        time.sleep(3)
        self.settle()
        self.check_outside()
        self.check_files()
        self.check_memory()


class Password(jkbtest.Case):

    def test_file_that_all_can_read_is_refused(self):
        bus = self.enter(jkbtest.PrivateBus())
        broker = self.enter(jkbtest.Broker("jkbms", BROKER_PASSWORD))
        password = self.write("password", BROKER_PASSWORD + "\n", 0o644)
        daemon = self.enter(jkbtest.Daemon(
            broker.config(username="jkbms", password_file=password), bus=bus))
        client = bus.client()
        error = jkbtest.wait_until(lambda: client.get(f"{ROOT}/mqtt", "Mqtt", "LastError"), 10)
        self.assertIn("open to every user", error)
        self.assertIn("chmod", error)
        self.assertFalse(client.get(f"{ROOT}/mqtt", "Mqtt", "Connected"))
        status, output = daemon.check_config()
        self.assertEqual(status, 1)
        self.assertIn("open to every user", output)


class HostileMaster(Master):
    """Changes the texts of the info frames on their way to the daemon."""

    texts = {6: b'"}],\n"x":{"/+#', 22: b"\x1b[2J\x1b[H", 30: b"</b>&%s%", 78: b"\xff\xfe\xc0\x80\x00\x01",
             86: b"#/+\r\n\"\\\\'$(id)`", 102: "\u00e4\u6c34\U0001f50b\u202e".encode() + b"\x7f\t\xe4"}

    def _ask(self, bus, address, register):
        record = bytearray(super()._ask(bus, address, register))
        if register == INFO:
            begin = record.index(b"\x55\xaa\xeb\x90")
            for offset, text in self.texts.items():
                record[begin + offset:begin + offset + len(text)] = text
            record[begin + 299] = sum(record[begin:begin + 299]) & 0xFF
        return bytes(record)


class Injection(jkbtest.Case):

    def test_texts_of_a_bms(self):
        """Quotes, line feeds, escapes, topic characters, broken UTF-8: they stay text or go."""
        bus = self.enter(jkbtest.PrivateBus())
        broker = self.enter(jkbtest.Broker())
        seen = self.enter(jkbtest.Capture(broker))
        sim = self.enter(jkbtest.Sim("--bms", "1,2", tcp=True))
        master = self.enter(HostileMaster(sim, [1, 2], pause=0.05))
        config = master.config("garage") + '[bms garage_2]\nname=a/b+c#"d\\\\ <b> \u00e4\n\n'
        daemon = self.enter(jkbtest.Daemon(config + broker.config(interval=0, cells_interval=0), bus=bus))
        client = bus.client()
        for bms in ("garage_1", "garage_2"):
            seen.wait_for(f"jkbms/{bms}/info")
            seen.wait_for(f"homeassistant/device/jkbmsd_{bms}/config",
                          lambda message: "serial_number" in message.json["device"], 15)
        info = client.get_all(bms_path("garage_1"), "Info")
        self.assertIn('"', info["Model"])
        self.check_mqtt(seen)
        self.check_texts(info, daemon.log)
        for arguments in (("list",), ("show", "garage_1"), ("show", "garage_2", "--keyvalue")):
            self.assertIsNone(CONTROL.search(jkbtest.ctl(*arguments, bus=bus)), arguments)
        json.loads(jkbtest.ctl("show", "garage_1", "--json", bus=bus))
        self.check_discovery(seen)

    def check_mqtt(self, seen):
        for message in seen.messages():
            self.assertRegex(message.topic, rf"^({TOPIC.pattern})$")
            if not message.topic.endswith("/availability") and message.payload:
                values = message.json  # every one is whole
                self.assertIsInstance(values, dict)
                self.assertNotIn("x", values)

    def check_texts(self, info, log):
        for key, value in info.items():
            if isinstance(value, str):
                self.assertIsNone(CONTROL.search(value), f"{key}: {value!r}")
        self.assertIsNone(CONTROL.search(log))

    def check_discovery(self, seen):
        path = seen.save(self.path("capture.jsonl"))
        for bms in ("garage_1", "garage_2"):
            document = seen.last(f"homeassistant/device/jkbmsd_{bms}/config").json
            for key, component in document["components"].items():
                self.assertRegex(component["default_entity_id"], r"^[a-z_]+\.[a-z0-9_]+$", key)
                self.assertRegex(component["unique_id"], r"^[a-z0-9_]+$", key)
        done = subprocess.run(["/usr/bin/python3", jkbtest.shared("ha", "ha_check.py"), path, "--quiet"],
                              capture_output=True, text=True, check=False)
        self.assertIn("0 errors, 0 warnings", done.stdout, done.stdout + done.stderr)


class Strangers(jkbtest.Case):

    def start_daemon(self, extra=""):
        self.bus = self.enter(jkbtest.PrivateBus())
        self.broker = self.enter(jkbtest.Broker())
        self.seen = self.enter(jkbtest.Capture(self.broker))
        self.sim = self.enter(jkbtest.Sim("--bms", "1,2", "--rate", "line", tcp=True))
        self.daemon = self.enter(jkbtest.Daemon(
            self.sim.config("garage", mode="poll", addresses="1,2", listen_before_talk=1, poll_interval=0.5)
            + self.broker.config(interval=0) + extra, bus=self.bus))
        self.client = self.bus.client()
        jkbtest.wait_until(lambda: self.client.bms() == ["garage_1", "garage_2"], 20)

    def changeable(self):
        """What only those who may configure can change."""
        skip = ("Health", "Frames", "Bytes", "Requests", "Errors", "Resyncs", "Overruns", "Reconnects",
                "LastError", "Role", "State", "Published", "Dropped", "Queued", "ClockSynchronized",
                "HistoryRecorded", "HistoryDropped", "HistorySize", "HistoryWaiting")
        found = {}
        for path, interfaces in ((ROOT, "Manager"), (f"{ROOT}/mqtt", "Mqtt"), (bus_path("garage"), "Bus")):
            for key, value in self.client.get_all(path, interfaces).items():
                if not any(word in key for word in skip):
                    found[f"{interfaces}.{key}"] = value
        for bms in self.client.bms():
            found[bms] = [self.client.get(bms_path(bms), "Bms", key) for key in ("Id", "Name", "Address")]
        return found

    def settings(self):
        """What is written in the BMS."""
        return [self.sim.command(f"get {bms} {register}") for bms in (1, 2)
                for register in ("charging_switch", "discharging_switch", "max_charge_current")]

    def test_arguments_of_a_user_without_rights(self):
        if os.geteuid() != 0:
            self.skipTest("only root can start a program as another user")
        self.start_daemon("[writes]\naccess=protection\n")
        before, settings = self.changeable(), self.settings()
        memory = self.daemon.resident_kib()
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "dbus_fuzzer.py"),
                  encoding="utf-8") as file:
            script = file.read()
        seconds = 60 if os.environ.get("JKB_TEST_LONG") else 6
        seed = int.from_bytes(os.urandom(4), "little")
        done = subprocess.run(["/usr/bin/python3", "-", self.bus.address, str(seed), str(seconds)],
                              input=script, capture_output=True, text=True, check=False, cwd="/",
                              timeout=(seconds + 40) * jkbtest.FACTOR, user=NOBODY, group=NOBODY,
                              extra_groups=[])
        self.assertEqual(done.returncode, 0, f"seed {seed}: {done.stderr}")
        result = json.loads(done.stdout)
        print(f"seed {seed}: {result['outcomes']}")
        self.assertEqual(result["done"], [], f"seed {seed}")
        self.assertGreater(result["outcomes"][f"{NAME}.Error.NotAuthorized"], 10)
        self.assertEqual(self.changeable(), before, f"seed {seed}")
        self.assertEqual(self.settings(), settings, f"seed {seed}")
        self.assertTrue(self.daemon.running)
        if jkbtest.FACTOR == 1:
            self.assertLess(self.daemon.resident_kib() - memory, 8192)

    def test_arguments_without_end(self):
        """What everybody may call takes no time, however much it is given: the loop turns for others."""
        self.start_daemon()
        entries = {f"no_such_setting_{number}": GLib.Variant("d", 1.0) for number in range(60000)}
        arguments = GLib.Variant("(a{sv})", (entries,))
        begin = time.monotonic()
        with self.assertRaises(GLib.Error) as caught:
            self.bus.client().connection.call_sync(NAME, bms_path("garage_1"), f"{NAME}.Settings",
                                                   "Validate", arguments, None,
                                                   Gio.DBusCallFlags.NONE, 60000, None)
        self.assertIn("longer than 64 KiB", str(caught.exception))
        self.client.get(ROOT, "Manager", "Version")
        print(f"{time.monotonic() - begin:.2f} s for {arguments.get_size() >> 10} KiB")

    def test_message_that_glib_cannot_read(self):
        """GLib 2.74 cuts its connection over this one, which the D-Bus daemon lets pass: the name is
        back in a moment and nothing else notices."""
        self.start_daemon()
        published = len(self.seen.messages())
        odd = GLib.Variant("(aa{yg})", ([{}, {6: "(((ii)))", 106: "a{sv}", 231: ""}, {}],))
        with self.assertRaises(GLib.Error):
            self.bus.client().connection.call_sync(NAME, ROOT, f"{NAME}.Manager", "Reload", odd, None,
                                                   Gio.DBusCallFlags.NONE, 5000, None)
        jkbtest.wait_until(lambda: self.client.has_owner(NAME), 5)
        jkbtest.wait_until(lambda: self.client.bms() == ["garage_1", "garage_2"], 5)
        jkbtest.wait_until(lambda: len(self.seen.messages()) > published, 5)

    def test_another_user_on_a_private_bus(self):
        """Without polkit nobody but root and the daemon's own user may configure."""
        if os.geteuid() != 0:
            self.skipTest("only root can start a program as another user")
        self.start_daemon()
        argv = ["dbus-send", f"--bus={self.bus.address}", f"--dest={NAME}", "--print-reply",
                bms_path("garage_1"), f"{NAME}.Bms.Forget"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd="/", user=NOBODY,
                              group=NOBODY, extra_groups=[])
        self.assertIn(f"{NAME}.Error.NotAuthorized", done.stderr)

    def test_mqtt_commands_are_off(self):
        """Nothing is subscribed to that could write, whatever [writes] allows."""
        self.start_daemon("[writes]\naccess=protection\n")
        settings = self.settings()
        for payload in ("OFF", "0", "false"):
            for key in ("charging_switch", "discharging_switch", "max_charge_current"):
                self.broker.publish(f"jkbms/garage_1/set/{key}", payload)
        time.sleep(2)
        self.assertEqual(self.settings(), settings)
        self.assertEqual([topic for topic in self.seen.topics() if topic.endswith("/result")], [])
        self.assertNotIn("/set/", "".join(re.findall(r"SUBSCRIBE.*", self.broker.log)))

class Links(jkbtest.Case):

    def test_links_in_the_state_directory(self):
        """Whoever could put a link there cannot make the daemon write, or open, what it points to."""
        victim = self.write("victim", "precious")
        state = self.path("state")
        os.mkdir(state, 0o700)
        names = ("overrides.conf", "mqtt-password", "known-bms.ini", "history.sqlite", "history.journal")
        for name in names:
            os.symlink(victim, os.path.join(state, name))
        bus = self.enter(jkbtest.PrivateBus())
        sim = self.enter(jkbtest.Sim("--bms", "0,1", "--master", "--rate", "line", tcp=True))
        daemon = self.enter(jkbtest.Daemon(sim.config("garage"), bus=bus, state_dir=state))
        client = bus.client()
        jkbtest.wait_until(lambda: client.bms() == ["garage_0", "garage_1"], 20)
        client.set(ROOT, "Manager", "LogLevel", ("s", "debug"))
        client.call(f"{ROOT}/mqtt", "Mqtt", "SetPassword", "(s)", "secret")
        daemon.stop()
        with open(victim, encoding="utf-8") as file:
            self.assertEqual(file.read(), "precious")
        for name in names[:3]:
            self.assertFalse(os.path.islink(os.path.join(state, name)), name)
        self.assertIn("history", daemon.log)
        self.assertNotIn("precious", daemon.log)


if __name__ == "__main__":
    jkbtest.main()
