# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""The verbs of jkbmsctl that change something, against a stand-in daemon: what is sent, what is
asked, what is refused.  With the real daemon they are tested by test_ctl_settings.py and
test_ctl_configure.py."""

import json
import os
import pathlib
import signal
import unittest

import jkbmock
import jkbtest
import test_ctl
from test_ctl import ERROR, ctl

GARAGE_1 = "/io/github/jkbmsd1/bms/garage_1"
OVERVOLTAGE = "cell_voltage_overvoltage_protection"
INTERLOCK = f"cell_voltage_overvoltage_recovery (3.500 V) must stay below {OVERVOLTAGE} (3.400 V)"


class Base(test_ctl.Base):
    def sent(self, *methods):
        return [call for call in self.mock.arguments if call[0] in methods]

    def terminal(self, *arguments, answer):
        """(exit status, what the terminal showed) with that typed."""
        return test_ctl.dialogue(self.bus, *arguments, answer=answer)


class SetTest(Base):
    def test_one(self):
        self.start_mock()
        text = self.ok("set", "Left rack", "balancer=off")
        self.assertEqual(text, "garage_1  balancer  on → off\n")
        self.assertEqual(self.sent("Set", "Apply"),
                         [("Set", "io.github.jkbmsd1.Settings", "Balancer", False)])
        self.assertEqual(self.sent("Validate"), [("Validate", {"balancer": False})])
        self.assertEqual(self.ok("get", "garage_1", "balancer"), "false\n")

    def test_types(self):
        self.start_mock()
        for pair, name, value in (("heating_start_temperature=-5", "HeatingStartTemperature", -5.0),
                                  ("settings.balancer=1", "Balancer", True),
                                  ("smart_sleep_voltage=3.25", "SmartSleepVoltage", 3.25),
                                  (" balancer = on ", "Balancer", True)):
            self.ok("set", "garage_1", pair)
            self.assertEqual(self.sent("Set")[-1][2:], (name, value))
        self.ok("set", "garage_1", "cell_count=16", "--yes")
        self.assertEqual(self.sent("Set")[-1][2:], ("CellCount", 16))

    def test_several(self):
        self.start_mock()
        self.mock.replies["Apply"] = lambda values: {
            "smart_sleep_voltage": jkbmock.double(3.2),
            "balancer": jkbmock.GLib.Variant("b", False)}
        text = self.ok("set", "garage_1", "smart_sleep_voltage=3.2001", "balancer=off")
        self.assertEqual(text, "garage_1  smart_sleep_voltage  3.500 V → 3.200 V\n"
                               "garage_1  balancer  on → off\n")
        self.assertEqual(self.sent("Set", "Apply"),
                         [("Apply", {"smart_sleep_voltage": 3.2, "balancer": False})])

    def test_wrong_usage(self):
        self.start_mock()
        self.fails(2, "did you mean “max_charge_current”", "set", "garage_1", "max_charge_curren=5")
        self.fails(2, "no setting “frob”", "set", "garage_1", "frob=5")
        self.fails(2, "not KEY=VALUE", "set", "garage_1", "balancer")
        self.fails(2, "is on or off", "set", "garage_1", "balancer=perhaps")
        self.fails(2, "needs a number", "set", "garage_1", "smart_sleep_voltage=3,5")
        self.fails(2, "given twice", "set", "garage_1", "balancer=on", "balancer=off")
        self.fails(1, "never written", "set", "garage_1", "device_address=5")
        self.fails(1, "never written", "set", "garage_1", "connection_wire_resistances=1")
        self.fails(3, "no BMS", "set", "nobody", "balancer=on")
        self.fails(1, "have not been heard", "set", "garage_2", "balancer=on")
        self.assertEqual(self.sent("Set", "Apply"), [])

    def test_range(self):
        self.start_mock()
        self.fails(5, "must be from 1.200 V to 4.350 V", "set", "garage_1", f"{OVERVOLTAGE}=5")
        self.fails(5, "must be from", "set", "garage_1", f"{OVERVOLTAGE}=5", "--dry-run")
        self.assertEqual(self.sent("Set", "Apply"), [])

    def test_interlock(self):
        """Refused before anybody is asked, and without --yes."""
        self.start_mock()
        self.mock.replies["Validate"] = lambda values: [
            (OVERVOLTAGE, ERROR + "Interlock", INTERLOCK)]
        for options in ([], ["--dry-run"], ["--yes"]):
            self.fails(5, "3.500 V. must stay below .*3.400 V", "set", "garage_1",
                       f"{OVERVOLTAGE}=3.40", *options)
        self.assertEqual(self.sent("Set", "Apply"), [])

    def test_all_problems(self):
        self.start_mock()
        self.mock.replies["Validate"] = lambda values: [
            ("balancer", ERROR + "ReadOnly", "needs access=basic"),
            (OVERVOLTAGE, ERROR + "Interlock", INTERLOCK)]
        status, out, err = ctl(self.bus, "set", "garage_1", f"{OVERVOLTAGE}=3.40", "balancer=on",
                               "max_charge_current=9000", "--dry-run")
        self.assertEqual((status, out), (5, ""))
        lines = err.splitlines()
        self.assertEqual(len(lines), 3)
        for line, word in zip(lines, ("max_charge_current must be", "balancer: needs access=basic",
                                      "must stay below")):
            self.assertIn(word, line)
        self.mock.replies["Validate"] = lambda values: [
            ("balancer", ERROR + "ReadOnly", "balancer needs access=basic")]
        self.fails(1, "jkbmsctl: balancer needs access", "set", "garage_1", "balancer=on")

    def test_dry_run(self):
        self.start_mock()
        lines = self.ok("set", "garage_1", "max_charge_current=90", "heating_switch=on",
                        "heating_start_temperature=-5", "balancer=off", "--dry-run").splitlines()
        self.assertRegex(lines[0], "^SETTING +NOW +NEW +REGISTER +RAW +REQUEST$")
        self.assertRegex(lines[1], r"^max_charge_current +100.000 A +90.000 A +0x102C +90000 +"
                                   r"01 10 10 2c 00 02 04 00 01 5f 90 [0-9a-f]{2} [0-9a-f]{2}$")
        self.assertRegex(lines[2], "^heating_switch +off +on +0x1114 +1 in bit 0 +the rest of the")
        self.assertRegex(lines[3], "^heating_start_temperature +5 °C +-5 °C +0x1116 +"
                                   "-5 in the high byte +the rest of the register stays")
        self.assertRegex(lines[4], "^balancer +on +off +0x1078 +0 +01 10 10 78 00 02 04 00")
        self.assertEqual(self.sent("Set", "Apply"), [])
        self.assertEqual(len(self.sent("Validate")), 1)

    def test_errors_of_the_write(self):
        self.start_mock()
        for name, status in (("NotAuthorized", 4), ("OutOfRange", 5), ("Interlock", 5), ("Busy", 1),
                             ("VerifyFailed", 1), ("Offline", 1), ("NotFound", 3)):
            self.mock.errors["Set"] = (ERROR + name, "a sentence")
            self.fails(status, "a sentence", "set", "garage_1", "balancer=off")
        self.mock.errors["Apply"] = (ERROR + "NotAuthorized", "ask the admin")
        self.fails(4, "ask the admin", "set", "garage_1", "balancer=off", "smart_sleep_voltage=3.2")
        self.mock.errors["Set"] = ("org.freedesktop.DBus.Error.NoReply", "gone")
        self.fails(1, "did not say .* “jkbmsctl settings garage_1”", "set", "garage_1",
                   "balancer=off")
        self.mock.errors["Validate"] = (ERROR + "Offline", "garage_1 is offline")
        self.fails(1, "garage_1 is offline", "set", "garage_1", "balancer=off")


class DangerTest(Base):
    SET = ("set", "garage_1", f"{OVERVOLTAGE}=3.6")

    def test_nobody_to_ask(self):
        self.start_mock()
        status, out, err = ctl(self.bus, *self.SET)
        self.assertEqual(status, 2)
        self.assertRegex(err, r"\Ajkbmsctl: nothing was written: there is no [^\n]*--yes\n\Z")
        self.assertEqual(self.sent("Set"), [])
        self.assertIn("3.650 V → 3.600 V", self.ok(*self.SET, "--yes"))

    def test_asked(self):
        self.start_mock()
        status, text = self.terminal(*self.SET, answer="garage_1\n")
        self.assertEqual(status, 0, text)
        self.assertIn("Type garage_1 to write it: ", text)
        self.assertIn("harm cells", text)
        self.assertRegex(text, f"{OVERVOLTAGE}.*3.650 V.*3.600 V")
        self.assertEqual(len(self.sent("Set")), 1)
        for answer in ("\n", "y\n", "garage_2\n", "\x04"):
            status, text = self.terminal(*self.SET, answer=answer)
            self.assertEqual(status, 1, text)
            self.assertIn("nothing was written", text)
        self.assertEqual(len(self.sent("Set")), 1)


class ApplyTest(Base):
    def test_export_and_apply(self):
        self.start_mock()
        file = self.path("garage_1.conf")
        self.assertEqual(self.ok("settings", "garage_1", "--export", file),
                         f"The settings of garage_1 are in {file}\n")
        text = pathlib.Path(file).read_text(encoding="utf-8")
        for line in ("# id: garage_1\n", "# name: Left rack\n", "# model: JK_PB2A16S20P\n",
                     "# software: 15.30\n", "\nmax_charge_current=100.000\n", "\nbalancer=true\n",
                     "\n# device_address=1\n", "\n# multiplexed_port_mode=rs485\n"):
            self.assertIn(line, text)
        self.assertRegex(text, r"# time: \d{4}-\d\d-\d\dT[\d:.]{12}Z\n")
        self.assertNotIn("unknown", text)
        self.assertEqual(self.ok("settings", "garage_1", "--export", "-").splitlines()[6:],
                         text.splitlines()[6:])
        self.assertIn("Nothing differs", self.ok("apply", "garage_1", file))
        self.assertEqual(self.sent("Set", "Apply", "Validate"), [])

        file = self.write("changed.conf", text.replace("max_charge_current=100.000",
                                                       "max_charge_current = 80\r")
                          .replace("balancer=true", "balancer=off"))
        status, out, err = ctl(self.bus, "apply", "garage_1", file)
        self.assertEqual(status, 2, err)
        self.assertRegex(out, "max_charge_current +100.000 A +80.000 A\n")
        self.assertRegex(out, "balancer +on +off\n")
        self.assertEqual(len(out.splitlines()), 3)
        self.assertEqual(self.sent("Set", "Apply"), [])
        self.assertIn("0x102C", self.ok("apply", "garage_1", file, "--dry-run"))
        self.assertEqual(self.sent("Set", "Apply"), [])
        out = self.ok("apply", "garage_1", file, "--yes")
        self.assertIn("garage_1  max_charge_current  100.000 A → 80.000 A\n", out)
        self.assertEqual(self.sent("Apply"),
                         [("Apply", {"max_charge_current": 80.0, "balancer": False})])

    def test_asked(self):
        self.start_mock()
        file = self.write("some.conf", "balancer=off\n")
        status, text = self.terminal("apply", "garage_1", file, answer="n\n")
        self.assertEqual(status, 1, text)
        self.assertIn("Write this? [y/N] ", text)
        self.assertEqual(self.sent("Set", "Apply"), [])
        status, text = self.terminal("apply", "garage_1", file, answer="y\n")
        self.assertEqual(status, 0, text)
        self.assertEqual(len(self.sent("Set")), 1)

    def test_progress(self):
        self.start_mock()

        def apply(values):
            for done in (1, 2):
                self.mock._emit(GARAGE_1, "io.github.jkbmsd1.Settings", "WriteProgress",
                                jkbmock.GLib.Variant("(uu)", (done, 2)))
            return jkbmock.USUAL["Apply"](values)
        self.mock.replies["Apply"] = apply
        status, text = self.terminal("set", "garage_1", "balancer=off", "smart_sleep_voltage=3.4",
                                     answer="")
        self.assertEqual(status, 0, text)
        self.assertIn("\rWriting: 1 of 2\rWriting: 2 of 2\r\033[K", text)
        self.assertTrue(text.endswith("smart_sleep_voltage  3.500 V → 3.400 V\n"))

    def test_mistakes(self):
        self.start_mock()
        file = self.write("bad.conf", "# comment\nfrob=1\n\nbalancer\nmax_charge_current=100000\n"
                          "device_address=2\nsmart_sleep_voltage=3.4\nsmart_sleep_voltage=3.4\n")
        status, out, err = ctl(self.bus, "apply", "garage_1", file, "--yes")
        self.assertEqual((status, out), (5, ""))
        lines = err.splitlines()
        for line, number, words in zip(lines, (2, 4, 5, 6, 8), (
                "no setting", "not KEY=VALUE", "must be from", "never written", "given twice"),
                strict=True):
            self.assertTrue(line.startswith(f"jkbmsctl: {file}:{number}: "), line)
            self.assertIn(words, line)
        self.assertEqual(self.sent("Set", "Apply"), [])
        self.fails(1, "cannot read", "apply", "garage_1", self.path("nothing"), "--yes")
        self.fails(1, "cannot read", "apply", "garage_1", os.path.dirname(file), "--yes")
        for data in (b"balancer=\0on\n", b"\xff\xfe"):
            with open(file, "wb") as out:
                out.write(data)
            self.fails(1, "is not a text", "apply", "garage_1", file, "--yes")
        self.fails(1, "too large|too big", "apply", "garage_1",
                   self.write("big", "#" + 70000 * "x"), "--yes")

    def test_a_file_that_speaks_to_the_terminal(self):
        """Whoever wrote the file must not write on the screen of who reads it."""
        self.start_mock()
        file = self.write("some.conf", "\x1b[2J\x1b]0;owned\x07=1\nbalancer=\x1b[31mon\u009b5m\u202e\n")
        status, out, err = ctl(self.bus, "apply", "garage_1", file, "--yes")
        self.assertEqual((status, out), (2, ""))
        self.assertEqual(len(err.splitlines()), 2)
        self.assertIn("[2J", err)
        for character in "\x1b\x07\u009b\u202e":
            self.assertNotIn(character, err)

    def test_stdin(self):
        self.start_mock()
        with open(self.write("some.conf", "balancer=off\n"), "rb") as file:
            self.assertIn("balancer  on → off", self.ok("apply", "garage_1", "-", "--yes",
                                                        stdin=file))


class SettingsTest(Base):
    def test_table_and_json(self):
        self.start_mock()
        text = self.ok("settings", "garage_1")
        self.assertRegex(text, "SETTING +VALUE +ACCESS\n")
        self.assertRegex(text, "max_charge_current +100.000 A +protection\n")
        self.assertRegex(text, "balancer +on +switches\n")
        self.assertRegex(text, "device_address +1 +–\n")
        self.assertRegex(text, "power_off_voltage +– +protection\n")
        value = json.loads(self.ok("settings", "garage_1", "--json"))
        self.assertEqual(value["max_charge_current"], 100)
        self.assertIsNone(value["power_off_voltage"])
        self.fails(1, "have not been heard", "settings", "garage_2")
        self.fails(2, "neither", "settings", "garage_1", "--json", "--export", "x")
        self.fails(1, "nothing/here", "settings", "garage_1", "--export", "/nothing/here")

    def test_difference(self):
        self.start_mock()
        self.assertIn("are the same", self.ok("settings", "garage_1", "--diff", "garage_10"))
        self.mock.change("garage_10", "Settings", {
            "MaxChargeCurrent": jkbmock.double(50), "Balancer": jkbmock.GLib.Variant("b", False),
            "DeviceAddress": jkbmock.GLib.Variant("u", 10)})
        lines = self.ok("settings", "garage_1", "--diff", "garage_10").splitlines()
        self.assertEqual(len(lines), 3)
        self.assertRegex(lines[0], "SETTING +garage_1 +garage_10")
        self.assertRegex(lines[1], "max_charge_current +100.000 A +50.000 A")
        self.assertRegex(lines[2], "balancer +on +off")
        value = json.loads(self.ok("settings", "garage_1", "--diff", "garage_10", "--json"))
        self.assertEqual(value, {"max_charge_current": {"garage_1": 100, "garage_10": 50},
                                 "balancer": {"garage_1": True, "garage_10": False}})
        self.fails(3, "no BMS", "settings", "garage_1", "--diff", "nobody")
        self.fails(1, "have not been heard", "settings", "garage_1", "--diff", "garage_2")


class SnapshotTest(Base):
    NAME = "20261122T081500.000Z"

    def test_snapshots(self):
        self.start_mock()
        self.assertIn("Nothing has been written", self.ok("snapshots", "garage_1"))
        self.assertEqual(json.loads(self.ok("snapshots", "garage_1", "--json")), [])
        self.mock.replies["Snapshots"] = lambda: [(self.NAME, 1795335300)]
        self.assertRegex(self.ok("snapshots", "garage_1"), f"{self.NAME} +2026-11-2")
        self.assertEqual(json.loads(self.ok("snapshots", "garage_1", "--json")),
                         [{"name": self.NAME, "time": "2026-11-22T08:15:00.000Z"}])

    def test_restore(self):
        self.start_mock()
        self.mock.replies["Snapshots"] = lambda: [(self.NAME, 1795335300)]
        self.fails(3, "has no snapshot", "restore", "garage_1", "frob", "--yes")
        self.fails(2, "--yes", "restore", "garage_1", self.NAME)
        self.assertIn("Nothing differs", self.ok("restore", "garage_1", self.NAME, "--yes"))
        self.mock.replies["Restore"] = lambda name: self.mock._set(
            GARAGE_1, "io.github.jkbmsd1.Settings", "MaxChargeCurrent", jkbmock.double(70))
        status, text = self.terminal("restore", "garage_1", self.NAME, answer="garage_1\n")
        self.assertEqual(status, 0, text)
        self.assertIn("garage_1  max_charge_current  100.000 A → 70.000 A\n", text)
        self.assertEqual(self.sent("Restore"), 2 * [("Restore", self.NAME)])
        self.mock.errors["Restore"] = (ERROR + "Interlock", "a sentence")
        self.fails(5, "a sentence", "restore", "garage_1", self.NAME, "--yes")


class ConfigureTest(Base):
    def test_bus(self):
        self.start_mock()
        self.assertEqual(self.ok("bus", "add", "shed", "tcp:10.0.0.7:8899", "mode=listen",
                                 "poll-interval=2.5", "baud=9600", "enabled=false",
                                 "addresses=0,1", "reply-timeout=auto"),
                         "Added the bus shed (kept over restarts)\n")
        self.assertEqual(self.sent("AddBus"), [("AddBus", "shed", "tcp:10.0.0.7:8899", {
            "mode": "listen", "poll-interval": 2.5, "baud": 9600, "enabled": False,
            "addresses": "0,1", "reply-timeout": 0.0})])
        self.ok("bus", "remove", "shed")
        self.assertEqual(self.sent("RemoveBus"), [("RemoveBus", "shed")])
        self.ok("bus", "scan", "garage")
        self.assertIn(("/io/github/jkbmsd1/bus/garage", "Scan"), self.mock.calls)
        self.mock.put("/io/github/jkbmsd1/bus/roof", "Bus", {
            "PollInterval": jkbmock.double(2), "Mode": jkbmock.GLib.Variant("s", "auto")})
        self.ok("bus", "set", "roof", "poll_interval=5", "mode=poll")
        self.assertEqual([call[2:] for call in self.sent("Set")],
                         [("PollInterval", 5.0), ("Mode", "poll")])

    def test_wrong_bus(self):
        self.start_mock()
        self.fails(2, "did you mean “poll-interval”", "bus", "add", "a", "tcp:h:1",
                   "pol-interval=2")
        self.fails(2, "no key “frobnicate”", "bus", "add", "a", "tcp:h:1", "frobnicate=2")
        self.fails(2, "not KEY=VALUE", "bus", "add", "a", "tcp:h:1", "baud")
        self.fails(5, "1200..4000000", "bus", "add", "a", "tcp:h:1", "baud=1")
        self.fails(2, "baud=x", "bus", "add", "a", "tcp:h:1", "baud=x")
        self.fails(2, "usage", "bus", "add", "a")
        self.fails(3, "no bus “nothing”", "bus", "scan", "nothing")
        self.fails(3, "no bus", "bus", "scan", "a b/c")
        self.fails(3, "no bus", "bus", "set", "nothing", "baud=9600")
        for method, verb in (("AddBus", ("add", "a", "tcp:h:1")), ("RemoveBus", ("remove", "a")),
                             ("Scan", ("scan", "garage"))):
            self.mock.errors[method] = (ERROR + "NotAuthorized", "ask the admin")
            self.fails(4, "ask the admin", "bus", *verb)
        self.mock.errors["AddBus"] = (ERROR + "Exists", "there is a bus called 'a'")
        self.fails(1, "there is a bus", "bus", "add", "a", "tcp:h:1")
        self.mock.errors["RemoveBus"] = (ERROR + "NotFound", "no bus a")
        self.fails(3, "no bus a", "bus", "remove", "a")

    def test_mqtt(self):
        self.start_mock()
        self.ok("mqtt", "set", "topic-prefix=home", "enabled=false", "interval=2.5")
        self.assertEqual([call[1:] for call in self.sent("Set")], [
            ("io.github.jkbmsd1.Mqtt", "TopicPrefix", "home"),
            ("io.github.jkbmsd1.Mqtt", "Enabled", False),
            ("io.github.jkbmsd1.Mqtt", "Interval", 2.5)])
        self.fails(1, "configuration file only", "mqtt", "set", "commands=basic")
        self.fails(2, "did you mean “topic-prefix”", "mqtt", "set", "topic-prefx=a")
        self.mock.errors["Set"] = (ERROR + "NotAuthorized", "ask the admin")
        self.fails(4, "ask the admin", "mqtt", "set", "uri=mqtt://broker")

    def test_discovery_prefix(self):
        self.start_mock()
        self.mock.put("/io/github/jkbmsd1/mqtt", "Mqtt",
                      {"DiscoveryPrefix": jkbmock.GLib.Variant("s", "homeassistant")})
        self.mock.stop()
        self.mock.start()
        self.ok("mqtt", "set", "discovery-prefix=ha")
        self.assertEqual(self.sent("Set")[-1][2:], ("DiscoveryPrefix", "ha"))

    def test_password(self):
        self.start_mock()
        self.fails(2, "password=-", "mqtt", "set", "password=s3cret")
        self.fails(1, "no password", "mqtt", "set", "password=-")
        with open(self.write("password", "s3cret\n"), "rb") as file:
            self.assertEqual(self.ok("mqtt", "set", "password=-", "interval=3", stdin=file),
                             "Changed in [mqtt]: password, interval=3 (kept over restarts)\n")
        self.assertEqual(self.sent("SetPassword"), [("SetPassword", "s3cret")])
        status, text = self.terminal("mqtt", "set", "password=-", answer="top s3cret\n")
        self.assertEqual(status, 0, text)
        self.assertNotIn("s3cret", text)
        self.assertEqual(self.sent("SetPassword")[-1], ("SetPassword", "top s3cret"))

    CONFIG = {"mqtt": {"uri": "mqtt://broker", "username": "", "interval": "5"},
              "daemon": {"log-level": "info"},
              "bus garage": {"uri": "tcp:10.0.0.7:8899", "mode": "auto"}}
    ORIGINS = {"mqtt": {"uri": "runtime", "username": "default", "interval": "default"},
               "daemon": {"log-level": "/etc/jkbmsd/jkbmsd.conf:2"},
               "bus garage": {"uri": "/etc/jkbmsd/conf.d/bus.conf:2", "mode": "default"}}

    def test_config_show(self):
        self.start_mock()
        self.mock.replies["GetConfig"] = lambda: self.CONFIG
        self.mock.replies["GetConfigOrigins"] = lambda: self.ORIGINS
        self.assertEqual(self.ok("config", "show"), "[daemon]\nlog-level=info\n\n[bus garage]\n"
                         "uri=tcp:10.0.0.7:8899\nmode=auto\n\n[mqtt]\nuri=mqtt://broker\n"
                         "username=\ninterval=5\n")
        text = self.ok("config", "show", "--origin")
        self.assertRegex(text, r"\[bus garage\]\nKEY +VALUE +ORIGIN\nuri   tcp:10.0.0.7:8899  "
                               r"/etc/jkbmsd/conf.d/bus.conf:2\nmode  auto +default\n")
        self.assertRegex(text, r"uri +mqtt://broker +runtime\n")
        self.assertRegex(text, r"username +– +default\n")
        self.assertEqual(json.loads(self.ok("config", "show", "--json")), self.CONFIG)
        self.assertEqual(json.loads(self.ok("config", "show", "--json", "--origin"))["mqtt"]["uri"],
                         {"value": "mqtt://broker", "origin": "runtime"})

    def test_config_reset(self):
        self.start_mock()
        for arguments, sent in (([], ("", "")), (["mqtt"], ("mqtt", "")),
                                (["mqtt", "uri"], ("mqtt", "uri")),
                                (["bus garage", "baud"], ("bus garage", "baud")),
                                (["bus", "garage", "baud"], ("bus garage", "baud")),
                                (["bus", "garage"], ("bus garage", ""))):
            self.assertEqual(self.ok("config", "reset", *arguments),
                             "Nothing of that was changed at run time\n")
            self.assertEqual(self.sent("ResetConfig")[-1], ("ResetConfig", *sent))
        self.mock.replies["GetConfig"] = lambda: self.CONFIG
        self.mock.replies["GetConfigOrigins"] = lambda: self.ORIGINS
        before = len(self.sent("ResetConfig"))
        self.fails(2, "say --yes", "config", "reset")
        status, text = self.terminal("config", "reset", answer="n\n")
        self.assertEqual((status, len(self.sent("ResetConfig"))), (1, before), text)
        self.assertIn("Drop everything that was changed at run time (mqtt uri)?", text)
        status, text = self.terminal("config", "reset", answer="y\n")
        self.assertEqual((status, self.sent("ResetConfig")[-1]), (0, ("ResetConfig", "", "")))
        self.assertTrue(text.endswith("Dropped: mqtt uri\n"), text)
        self.assertNotIn("Dropped", self.ok("config", "reset", "bus", "garage"))
        self.fails(2, "a group and a key", "config", "reset", "mqtt", "uri", "more")
        self.mock.errors["ResetConfig"] = (ERROR + "NotFound", "there is no group")
        self.fails(3, "no group", "config", "reset", "frob")


class CaptureTest(Base):
    def capture(self, *arguments):
        return self.enter(jkbtest.Process("jkbmsctl", [test_ctl.CTL, "capture", *arguments],
                                          {"JKBMSD_BUS_ADDRESS": self.bus.address}))

    def test_until_interrupted(self):
        self.start_mock()
        file = self.path("garage.bin")
        capture = self.capture("garage", file)
        jkbtest.wait_until(lambda: self.mock.fds)
        os.write(self.mock.fds[0], b"\x55\xaa\xeb\x90")
        self.assertEqual(capture.stop(signal.SIGINT), 0)
        self.assertIn(f"4 bytes in {file}\n", capture.log)
        self.assertIn(("/io/github/jkbmsd1/bus/garage", "StopCapture"), self.mock.calls)
        self.assertEqual(pathlib.Path(file).read_bytes(), b"\x55\xaa\xeb\x90")

        self.fails(1, "--force", "capture", "garage", file, "--time", "1")
        self.assertEqual(os.path.getsize(file), 4)
        self.assertIn("0 bytes", self.ok("capture", "garage", file, "--time", "1", "--force"))
        self.assertEqual(os.path.getsize(file), 0)

    def test_refused(self):
        self.start_mock()
        file = self.path("garage.bin")
        self.fails(3, "no bus", "capture", "nothing", file)
        self.fails(1, "cannot open", "capture", "garage", "/nothing/here")
        self.mock.errors["StartCapture"] = (ERROR + "NotAuthorized", "ask the admin")
        self.fails(4, "ask the admin", "capture", "garage", file)
        self.assertFalse(os.path.exists(file))

    def test_the_end_of_the_daemon(self):
        self.start_mock()
        for end in (lambda: self.mock.remove("/io/github/jkbmsd1/bus/garage"), self.mock.stop):
            del self.mock.fds[:]
            capture = self.capture("garage", self.path("garage.bin"), "--force")
            jkbtest.wait_until(lambda: self.mock.fds)
            end()
            capture.wait_for_log("jkbmsd or the bus is gone")
            jkbtest.wait_until(lambda: not capture.running)
            if self.mock.loop is not None:
                self.mock.add_bus("garage")


if __name__ == "__main__":
    unittest.main()
