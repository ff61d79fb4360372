# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""jkbmsctl against a stand-in daemon: text, JSON, exit codes, restarts.  Any value can be had here;
with the real daemon it is tested by the others."""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import unicodedata
import unittest

import jkbmock
import jkbtest
from jkbmock import double
from jkbtest import FACTOR

CTL = None
ERROR = "io.github.jkbmsd1.Error."


def ctl(bus, *arguments, env=None, stdin=None):
    """Runs it and returns (exit status, stdout, stderr)."""
    environment = {**os.environ, "LC_ALL": "C.UTF-8", **(env or {})}
    environment.pop("JKBMSD_BUS_ADDRESS", None)
    if bus is not None:
        environment["JKBMSD_BUS_ADDRESS"] = bus.address
    done = subprocess.run([CTL, *arguments], capture_output=True, timeout=30 * FACTOR,
                          env=environment, stdin=stdin or subprocess.DEVNULL)
    out, err = done.stdout.decode(), done.stderr.decode()
    for word in jkbtest.BAD_WORDS:
        assert word not in out + err, out + err
    return done.returncode, out, err


def columns(text):
    """Columns of a terminal that the text takes."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
               for c in text)


def on_terminal(bus, *arguments, width=80, env=None):
    """What it prints to a terminal of that width."""
    return dialogue(bus, *arguments, width=width, env=env)[1]


def dialogue(bus, *arguments, answer=None, width=80, env=None):
    """(exit status, what a terminal showed) when the answer is typed to its first question."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    environment = {"LC_ALL": "C.UTF-8", "TERM": "xterm-256color", "PATH": os.environ["PATH"],
                   "JKBMSD_BUS_ADDRESS": bus.address, **jkbtest.SANITIZERS, **(env or {})}
    child = subprocess.Popen([CTL, *arguments], stdin=slave, stdout=slave, stderr=slave,
                             env=environment)
    os.close(slave)
    out = b""
    while True:
        try:
            piece = os.read(master, 4096)
        except OSError:
            break
        if not piece:
            break
        out += piece
        if answer and out.endswith((b": ", b"] ")):
            os.write(master, answer.encode())
            answer = None
    child.wait(30 * FACTOR)
    os.close(master)
    return child.returncode, out.decode().replace("\r\n", "\n")


class Base(jkbtest.Case):
    def setUp(self):
        super().setUp()
        global CTL
        CTL = jkbtest.program("jkbmsctl")
        self.bus = self.enter(jkbtest.PrivateBus())

    def start_mock(self):
        self.mock = jkbmock.Mock(self.bus.address)
        self.mock.add_bus("garage", FramesReceived=1000, ChecksumErrors=2, AckErrors=1)
        self.mock.add_mqtt()
        self.mock.add_bms("garage", 1, name="Left rack", live={
            "errors": ["cell_overvoltage", "password_change_due"], "errors_bitmask": 0x80010})
        self.mock.add_bms("garage", 2, name="右架電池", settings=False, info=False,
                          unavailable=["state_of_charge", "charging", "cell_resistances"],
                          live={"state_of_charge": float("nan"), "charging": False,
                                "cell_resistances": [],
                                "cell_voltages": [3.3, float("nan"), 3.302]})
        self.mock.add_bms("garage", 10, name="garage_10")
        self.enter(self.mock)

    def ok(self, *arguments, **options):
        status, out, err = ctl(self.bus, *arguments, **options)
        self.assertEqual((status, err), (0, ""), out)
        return out

    def fails(self, status, pattern, *arguments, **options):
        result, out, err = ctl(self.bus, *arguments, **options)
        self.assertEqual(result, status, out + err)
        self.assertRegex(err, r"\Ajkbmsctl: [^\n]+\n\Z")
        self.assertRegex(err, pattern)


class HelpTest(Base):
    def verbs(self):
        text = self.ok("--help")
        listed = text.partition("Verbs:\n")[2].partition("\n\n")[0].splitlines()
        return [re.match(r"  ([a-z]+(?: [a-z]+)?)(?=  | [A-Z\[]| |$)", line).group(1)
                for line in listed if not line.startswith("   ")]

    def test_fits(self):
        """Whatever a verb takes, its summary stands in the same column."""
        text = self.ok("--help").partition("Verbs:\n")[2].partition("\n\n")[0]
        self.assertLessEqual(max(map(columns, text.splitlines())), 80)
        self.assertIn("\n  bus add NAME URI [KEY=VALUE…]\n                        Add a bus\n", text)

    def test_every_verb_explains_itself(self):
        verbs = self.verbs()
        for expected in ("list", "show", "get", "monitor", "decode", "health", "bus list",
                         "mqtt show", "forget", "set", "settings", "apply", "bus add",
                         "bus remove", "bus scan", "mqtt set", "capture", "config show",
                         "config reset", "snapshots", "restore", "bus set", "doctor",
                         "ports", "top", "monitor", "history", "help"):
            self.assertIn(expected, verbs)
        for verb in verbs:
            with self.subTest(verb):
                text = self.ok(*verb.split(), "--help")
                self.assertIn(f"jkbmsctl {verb}", text)
                self.assertIn("Example:", text)
                self.assertLessEqual(max(map(columns, text.splitlines())), 80)

    def manual(self, name):
        with open(os.path.join(jkbtest.SOURCE_ROOT, "data", name), encoding="utf-8") as file:
            return file.read()

    def test_every_verb_is_in_the_manual(self):
        manual = self.manual("jkbmsctl.1")
        with open(os.path.join(jkbtest.SOURCE_ROOT, "docs", "jkbmsctl.md"), encoding="utf-8") as file:
            chapter = file.read()
        for verb in self.verbs():
            with self.subTest(verb):
                entry = re.search(rf"(?m)^\.It Cm {verb}(?: .*|\\?$)(?:\n(?!\.It ).*)*", manual)
                self.assertTrue(entry, "no entry in jkbmsctl.1")
                own = self.ok(*verb.split(), "--help").partition("Application Options:")[2]
                for option in re.findall(r"(?m)^ .*?--([a-z-]+)", own):
                    if option not in ("system", "session", "bus-address", "no-color"):
                        self.assertIn(f"Fl -{option}", entry.group())
                        self.assertIn(f"--{option}", chapter)
                self.assertIn(verb if verb != "mqtt show" else "mqtt [show]", chapter)

    def test_every_option_is_in_the_manual(self):
        for name, page in (("jkbmsd", "jkbmsd.8"), ("jkbms-sim", "jkbms-sim.1")):
            done = subprocess.run([jkbtest.program(name), "--help"], capture_output=True, text=True,
                                  check=True, env={**os.environ, "LANGUAGE": "en"})
            options = re.findall(r"(?m)^  --([a-z-]+)", done.stdout)
            self.assertGreater(len(options), 6)
            for option in options:
                self.assertIn(f".It Fl -{option}", self.manual(page))

    def test_groups_explain_themselves(self):
        self.assertIn("bus list", self.ok("bus", "--help"))

    def test_help_is_a_word_too(self):
        for words in ([], ["list"], ["bus"], ["bus", "list"]):
            self.assertEqual(self.ok("help", *words), self.ok(*words, "--help"), words)
        self.assertEqual(self.ok("--no-color", "help", "list"), self.ok("list", "--help"))
        self.fails(2, "did you mean “list”", "help", "lst")
        self.fails(2, "usage: jkbmsctl help \\[VERB\\]", "help", "bus", "list", "x")
        self.fails(2, "did you mean “bus list”", "bus", "lst")
        self.fails(2, "did you mean “config show”", "config", "shw")
        self.fails(2, "needs one of its verbs", "bus", "frobnicate")

    def test_version(self):
        self.assertRegex(self.ok("--version"), r"\Ajkbmsctl \d+\.\d+\.\d+\n\Z")


class UsageTest(Base):
    def test_wrong_usage(self):
        for arguments in ([], ["frob"], ["--frob"], ["show"], ["show", "a", "b"], ["get", "a"],
                          ["list", "--frob"], ["list", "x"], ["bus"], ["bus", "frob"],
                          ["decode"], ["--bus-address"]):
            with self.subTest(arguments):
                self.fails(2, ".", *arguments)

    def test_no_daemon(self):
        self.fails(1, "start it with “jkbmsd --bus-address", "list")
        status, out, err = ctl(None, "list", env={"DBUS_SYSTEM_BUS_ADDRESS": self.bus.address})
        self.assertEqual((status, out), (1, ""))
        self.assertIn("systemctl start jkbmsd", err)
        status, out, err = ctl(None, "--session", "list",
                               env={"DBUS_SESSION_BUS_ADDRESS": self.bus.address})
        self.assertEqual((status, out), (1, ""))
        self.assertIn("jkbmsd --session", err)

    def test_no_dbus(self):
        status, out, err = ctl(None, "--bus-address", "unix:path=/nowhere/at/all", "list")
        self.assertEqual((status, out), (1, ""))
        self.assertIn("cannot reach the D-Bus daemon", err)
        status, out, err = ctl(None, "list",
                               env={"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nowhere/at/all"})
        self.assertEqual((status, out), (1, ""))
        self.assertIn("--bus-address or JKBMSD_BUS_ADDRESS", err)

    def test_nothing_to_decode(self):
        path = self.write("words.txt", "no battery said this\n")
        self.assertEqual(ctl(None, "decode", path),
                         (0, "", f"jkbmsctl: there is no record of a JK BMS in {path}\n"))
        self.assertEqual(ctl(None, "decode", "--json", path), (0, "", ""))

    def test_a_bus_option_may_stand_anywhere(self):
        self.start_mock()
        for arguments in (["--bus-address", self.bus.address, "get", "garage_1", "id"],
                          ["get", "--bus-address", self.bus.address, "garage_1", "id"],
                          ["get", "garage_1", "id", "--bus-address", self.bus.address]):
            self.assertEqual(ctl(None, *arguments), (0, "garage_1\n", ""))

    def test_errors_of_the_daemon(self):
        self.start_mock()
        for name, status in (("NotAuthorized", 4), ("OutOfRange", 5), ("Interlock", 5),
                             ("NotFound", 3), ("InvalidArgument", 2), ("Busy", 1), ("Timeout", 1),
                             ("Offline", 1), ("Io", 1), ("VerifyFailed", 1), ("ReadOnly", 1)):
            with self.subTest(name):
                self.mock.errors["Forget"] = (ERROR + name, "a sentence\nthat says what to do")
                self.fails(status, "a sentence that says what to do", "forget", "garage_1")
        self.mock.errors["Forget"] = ("org.freedesktop.DBus.Error.AccessDenied", "no")
        self.fails(4, "no", "forget", "garage_1")

    def test_a_daemon_that_fails(self):
        self.start_mock()
        self.mock.errors["GetManagedObjects"] = ("org.freedesktop.DBus.Error.Failed", "broken")
        self.fails(1, "broken", "list")


class FindTest(Base):
    def test_names(self):
        self.start_mock()
        for name in ("garage_1", "Left rack", "Left"):
            self.assertEqual(self.ok("get", name, "id"), "garage_1\n")
        self.assertEqual(self.ok("get", "garage_10", "id"), "garage_10\n")
        self.assertEqual(self.ok("get", "右", "id"), "garage_2\n")
        self.fails(3, "garage_1, garage_2, garage_10", "get", "garage", "id")
        self.fails(3, "“jkbmsctl list”", "get", "nobody", "id")
        self.fails(3, "no BMS", "show", "")
        self.fails(3, "no BMS", "forget", "nobody")

    def test_forget(self):
        self.start_mock()
        self.assertEqual(self.ok("forget", "Left rack"),
                         "Forgot garage_1; it comes back when it is heard again\n")
        self.assertIn(("/io/github/jkbmsd1/bms/garage_1", "Forget"), self.mock.calls)


class GetTest(Base):
    def test_values(self):
        self.start_mock()
        for key, value in {
                "total_voltage": "52.630", "current": "-12.300", "state_of_charge": "78",
                "charging_cycles": "41", "total_runtime": "12345678", "charging": "true",
                "balancing_direction": "discharging", "cell_voltage_3": "3.291",
                "temperature_sensor_2": "-0.4", "temperature_sensor_4": "unknown",
                "errors_bitmask": "524304", "cell_count": "16", "settings.cell_count": "15",
                "live.cell_count": "16", "settings.max_charge_current": "100.000",
                "max_charge_current": "100.000", "software_version": "15.30", "online": "true",
                "name": "Left rack", "bus": "garage", "address": "1", "model": "JK_PB2A16S20P",
                "average_cell_voltage": "3.29650", "discharging_switch": "false",
                "power_off_voltage": "unknown", "cell_voltage_17": "unknown"}.items():
            with self.subTest(key):
                self.assertEqual(self.ok("get", "garage_1", key), value + "\n")
        for key in ("state_of_charge", "charging", "max_charge_current", "model",
                    "connection_wire_resistances"):
            self.assertEqual(self.ok("get", "garage_2", key), "unknown\n")
        self.assertEqual(self.ok("get", "garage_2", "cell_voltage_2"), "unknown\n")
        self.fails(2, "did you mean “total_voltage”", "get", "garage_1", "total_voltag")
        for nickname, key in (("soc", "state_of_charge"), ("soh", "state_of_health"),
                              ("voltage", "total_voltage"), ("Temperature", "temperature_sensor_1")):
            self.fails(2, f"did you mean “{key}”", "get", "garage_1", nickname)
        for key in ("frob", "", "settings.current", "live.", "."):
            self.fails(2, "no key", "get", "garage_1", key)


class ShowTest(Base):
    def test_json(self):
        self.start_mock()
        text = self.ok("show", "garage_1", "--json")
        for literal in ('"total_voltage":52.630', '"current":-12.300', '"total_runtime":12345678',
                        '"average_cell_voltage":3.2965', '"temperature_sensor_2":-0.4'):
            self.assertIn(literal, text)
        value = json.loads(text)
        self.assertEqual(list(value), ["id", "name", "online", "last_seen", "bus", "address",
                                       "model", "serial_number", "live", "settings", "info"])
        self.assertEqual(value["live"]["cell_voltages"][2], 3.291)
        self.assertEqual(value["live"]["errors"], ["cell_overvoltage", "password_change_due"])
        self.assertIsNone(value["live"]["temperature_sensor_4"])
        self.assertEqual(value["settings"]["cell_count"], 15)
        self.assertRegex(value["last_seen"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")

    def test_json_of_the_unknown(self):
        self.start_mock()
        value = json.loads(self.ok("show", "garage_2", "--json"))
        self.assertIsNone(value["live"]["state_of_charge"])
        self.assertIsNone(value["live"]["charging"])
        self.assertIsNone(value["live"]["cell_resistances"])
        self.assertEqual(value["live"]["cell_voltages"][:3], [3.3, None, 3.302])
        self.assertIsNone(value["settings"])
        self.assertIsNone(value["info"])
        self.assertIsNone(value["model"])

    def test_keyvalue(self):
        self.start_mock()
        self.fails(2, "--json does not go with --keyvalue", "show", "garage_1", "-JK")
        lines = self.ok("show", "garage_1", "--keyvalue").splitlines()
        pairs = dict(line.split("=", 1) for line in lines)
        self.assertEqual(len(pairs), len(lines))
        self.assertEqual(lines[:2], ["id=garage_1", "name=Left rack"])
        for key, value in {"total_voltage": "52.630", "cell_count": "16",
                           "settings.cell_count": "15", "info.model": "JK_PB2A16S20P",
                           "errors": "cell_overvoltage, password_change_due",
                           "temperature_sensor_4": "unknown", "online": "true"}.items():
            self.assertEqual(pairs[key], value, key)
        self.assertEqual([key for key in pairs if "." in key],
                         ["settings.cell_count", "info.model", "info.serial_number"])

    def test_people(self):
        self.start_mock()
        text = self.ok("show", "garage_1")
        for line in (r"garage_1 \(Left rack\): online, last seen \d", r"Bus garage, address 1",
                     r"  Cell overvoltage \(protect\)", r" *Password change due \(info\)",
                     r"State of charge +78 %", r"Temperature sensor 4 +unknown",
                     r" 1▼3\.289 V 52 mΩ", r"16▲3\.304 V", r"Total run time +142 d 21 h",
                     r"Configured cell count +15", r"Serial number +404092A2380041",
                     r"highest 3\.304 V, average 3\.29[67] V, spread 0\.015 V"):
            self.assertRegex(text, line)
        self.assertNotIn("nan", text)
        text = self.ok("show", "garage_2")
        self.assertRegex(text, r"State of charge +unknown")
        self.assertRegex(text, r"Settings\n  not heard yet\n")
        self.assertRegex(text, r" 2 –")

    def test_eighty_columns(self):
        self.start_mock()
        for name in ("garage_1", "garage_2"):
            text = on_terminal(self.bus, "show", name, "--no-color")
            self.assertLessEqual(max(map(columns, text.splitlines())), 80, text)

    def test_plain_locale(self):
        self.start_mock()
        self.assertIn("24.5 °C", self.ok("show", "garage_1", env={"LC_ALL": "C"}))


class ListTest(Base):
    def test_aligned(self):
        self.start_mock()
        text = self.ok("list")
        rows = [line for line in text.splitlines() if line.startswith("garage_")]
        self.assertEqual([row.split()[0] for row in rows], ["garage_1", "garage_2", "garage_10"])
        self.assertTrue(rows[0].endswith("  cell_overvoltage"))  # the password is no alarm
        # Everything up to the voltage stands at the same column, wide characters or not.
        self.assertEqual(len({columns(row[:row.index("52.63")]) for row in rows}), 1, text)
        self.assertRegex(rows[1], r"右架電池 +yes +–")
        self.assertRegex(text, r"garage +up +listening +100 ")

    def test_terminal(self):
        self.start_mock()
        text = on_terminal(self.bus, "list")
        self.assertIn("\033[", text)
        self.assertLessEqual(max(map(columns, re.sub(r"\033\[[0-9;]*m", "", text).splitlines())), 80)
        self.assertNotIn("\033", on_terminal(self.bus, "list", "--no-color"))
        self.assertNotIn("\033", on_terminal(self.bus, "list", env={"NO_COLOR": "1"}))
        self.assertNotIn("\033", on_terminal(self.bus, "list", env={"TERM": "dumb"}))
        self.assertNotIn("\033", self.ok("list"))

    def test_names_cannot_reach_the_terminal(self):
        self.start_mock()
        self.mock.change("garage_1", "Bms", {"Name": jkbmock.GLib.Variant("s", "a\033[31m\nb\u202e")})
        for arguments in (["list"], ["show", "garage_1"], ["show", "garage_1", "-K"]):
            text = self.ok(*arguments)
            self.assertNotIn("\033", text)
            self.assertNotIn("\u202e", text)
        value = json.loads(self.ok("show", "garage_1", "--json"))
        self.assertEqual(value["name"], "a\033[31m\nb\u202e")

    def test_json(self):
        self.start_mock()
        value = json.loads(self.ok("list", "--json"))
        self.assertEqual([bms["id"] for bms in value["bms"]], ["garage_1", "garage_2", "garage_10"])
        self.assertEqual(value["buses"][0]["frames_received"], 1000)

    def test_nothing_yet(self):
        self.enter(jkbmock.Mock(self.bus.address))
        text = self.ok("list")
        self.assertIn("No bus is configured", text)
        self.assertIn("No BMS has been heard yet", text)
        self.fails(3, "has not heard any", "show", "garage_1")

    def test_buses_and_mqtt(self):
        self.start_mock()
        self.assertRegex(self.ok("bus", "list"), r"garage +up +listening +auto +100 +1000 +3 +0 ")
        self.assertEqual(json.loads(self.ok("bus", "list", "--json"))[0]["checksum_errors"], 2)
        for arguments in (["mqtt"], ["mqtt", "show"]):
            self.assertRegex(self.ok(*arguments), r"connected +true")
        self.assertEqual(json.loads(self.ok("mqtt", "show", "--json"))["interval"], 5)


class CompletionTest(Base):
    SCRIPT = """source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _jkbmsctl; printf '%s\\n' "${COMPREPLY[@]}\""""

    def complete(self, *words):
        script = os.path.join(jkbtest.SOURCE_ROOT, "data/completions/jkbmsctl.bash")
        done = subprocess.run(
            ["bash", "-c", self.SCRIPT, "bash", script, "jkbmsctl", *words], check=True,
            capture_output=True, text=True, env={
                "PATH": os.path.dirname(CTL) + ":" + os.environ["PATH"],
                "JKBMSD_BUS_ADDRESS": self.bus.address, **jkbtest.SANITIZERS})
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    def test_bash(self):
        self.start_mock()
        self.assertIn("list", self.complete(""))
        self.assertNotIn("complete", self.complete(""))
        self.assertEqual(self.complete("mon"), ["monitor"])
        self.assertEqual(self.complete("bus", ""), ["list", "add", "set", "remove", "scan"])
        self.assertEqual(self.complete("config", "r"), ["reset"])
        self.assertEqual(self.complete("show", "garage_1"), ["garage_1", "garage_10"])
        self.assertEqual(self.complete("get", "garage_1", "settings."), ["settings.cell_count"])
        self.assertIn("--keyvalue", self.complete("show", "--"))
        self.assertEqual(self.complete("monitor", "garage_1", "garage_2"), ["garage_2"])
        self.assertEqual(self.complete("monitor", "garage_1", "state_of_c"), ["state_of_charge"])
        self.assertEqual(self.complete("doctor", "g"), ["garage"])
        self.assertEqual(self.complete("--bus-address", ""), [])

    def test_bash_of_what_changes(self):
        self.start_mock()
        self.assertEqual(self.complete("set", "garage_2"), ["garage_2"])
        self.assertEqual(self.complete("set", "garage_1", "balanc"),
                         ["balance_trigger_voltage=", "balancer=", "balancing_start_voltage="])
        self.assertEqual(self.complete("set", "garage_1", "balancer", "="), ["on", "off"])
        self.assertEqual(self.complete("set", "garage_1", "balancer", "=", "of"), ["off"])
        self.assertEqual(self.complete("set", "garage_1", "balancer", "=", "off", "max_ch"),
                         ["max_charge_current="])
        self.assertNotIn("device_address=", self.complete("set", "garage_1", ""))
        self.assertEqual(self.complete("settings", "garage_1", "--diff", "garage_10"),
                         ["garage_10"])
        self.mock.replies["Snapshots"] = lambda: [("20261122T081500.000Z", 1)]
        self.assertEqual(self.complete("restore", "garage_1", ""), ["20261122T081500.000Z"])
        self.assertEqual(self.complete("bus", "scan", ""), ["garage"])
        self.assertEqual(self.complete("bus", "set", "garage", "mode", "="),
                         ["auto", "listen", "poll"])
        self.assertEqual(self.complete("bus", "add", "a", "tcp:h", "poll"), ["poll-interval="])
        self.assertEqual(self.complete("mqtt", "set", "topic"), ["topic-prefix="])
        self.assertEqual(self.complete("capture", ""), ["garage"])

    def test_bash_of_history(self):
        self.start_mock()
        self.assertEqual(self.complete("history", "garage_2"), ["garage_2"])
        keys = self.complete("history", "garage_2", "")
        self.assertIn("balancing", keys)
        self.assertNotIn("battery_type", keys)
        self.assertNotIn("charging_switch", keys)
        self.assertEqual([key for key in keys if re.fullmatch("cell_voltage_[0-9]+", key)],
                         ["cell_voltage_1", "cell_voltage_2", "cell_voltage_3"])
        self.assertEqual(self.complete("history", "garage_2", "--since", "7d", "total_v"),
                         ["total_voltage"])
        self.assertIn("--plot", self.complete("history", "--"))

    def test_no_daemon(self):
        self.assertEqual(self.complete("show", ""), [])
        self.assertIn("show", self.complete(""))


class HealthTest(Base):
    def health(self, *arguments):
        return ctl(self.bus, "health", *arguments)

    def test_no_daemon(self):
        status, out, err = self.health()
        self.assertEqual((status, out), (1, "down\n"))
        self.assertIn("start it with", err)

    def test_good(self):
        self.start_mock()
        self.assertEqual(self.health("--strict"), (0, "good\n", ""))

    def test_degraded(self):
        self.start_mock()
        self.mock.change("garage_2", "Bms", {"Online": jkbmock.GLib.Variant("b", False)})
        self.assertEqual(self.health(), (0, "degraded\n", "jkbmsctl: BMS garage_2 is offline\n"))
        self.assertEqual(self.health("--strict")[0], 1)
        value = json.loads(self.health("--json")[1])
        self.assertEqual(value, {"health": "degraded", "reasons": ["BMS garage_2 is offline"]})

    def test_down(self):
        self.start_mock()
        self.mock.change("garage", "Bus", {"State": jkbmock.GLib.Variant("s", "down"),
                                           "LastError": jkbmock.GLib.Variant("s", "unplugged")})
        status, out, err = self.health()
        self.assertEqual((status, out), (1, "down\n"))
        self.assertIn("bus garage is down: unplugged", err)


class MonitorTest(Base):
    def monitor(self, *arguments):
        process = jkbtest.Process("jkbmsctl", [CTL, "monitor", *arguments],
                                  {"JKBMSD_BUS_ADDRESS": self.bus.address})
        return self.enter(process)

    def test_changes(self):
        self.start_mock()
        monitor = self.monitor()
        monitor.wait_for_log("jkbmsd is there (buses: 1, BMS: 3)")
        self.mock.change("garage_1", "Telemetry", {"Current": double(1.25)})
        monitor.wait_for_log("garage_1  current  -12.300 → 1.250 A\n")
        self.mock.change("garage_1", "Telemetry", {
            "CellVoltages": jkbmock.GLib.Variant("ad", [3.289, 3.401] + [3.3] * 14)})
        monitor.wait_for_log("garage_1  cell_voltage_2  3.290 → 3.401 V\n")
        self.assertNotIn("cell_voltage_1 ", monitor.log)
        self.mock.change("garage_2", "Telemetry", {
            "StateOfCharge": double(50), "Unavailable": jkbmock.GLib.Variant("as", ["charging", "cell_resistances"])})
        monitor.wait_for_log("garage_2  state_of_charge  – → 50 %\n")
        self.mock.change("garage_2", "Telemetry", {
            "Unavailable": jkbmock.GLib.Variant("as", ["cell_resistances"])})
        monitor.wait_for_log("garage_2  charging  – → false\n")
        self.mock.change("garage_1", "Bms", {"Online": jkbmock.GLib.Variant("b", False)})
        monitor.wait_for_log("garage_1  online  false\n")
        self.mock.alarm("garage_1", "AlarmRaised", "(ss)", "cell_overvoltage", "protect")
        monitor.wait_for_log("garage_1  ALARM cell_overvoltage (protect)\n")
        self.mock.alarm("garage_1", "AlarmCleared", "(s)", "cell_overvoltage")
        monitor.wait_for_log("garage_1  alarm cell_overvoltage is over\n")
        self.mock.change("garage", "Bus", {"State": jkbmock.GLib.Variant("s", "down")})
        monitor.wait_for_log('garage  state  "down"\n')
        self.mock.remove("/io/github/jkbmsd1/bms/garage_10")
        monitor.wait_for_log("garage_10  is gone\n")
        self.assertEqual(monitor.stop(signal.SIGINT), 0)

    def test_only_those_asked_for(self):
        self.start_mock()
        monitor = self.monitor("Left rack", "--json")
        monitor.wait_for_log('"running":true')
        self.mock.change("garage_2", "Telemetry", {"Current": double(1)})
        self.mock.change("garage", "Bus", {"State": jkbmock.GLib.Variant("s", "down")})
        self.mock.change("garage_1", "Telemetry", {"Current": double(1.5),
                                                   "Balancing": jkbmock.GLib.Variant("b", False)})
        monitor.wait_for_log('"balancing"')
        lines = [json.loads(line) for line in monitor.log.splitlines()]
        self.assertEqual([line.get("key") for line in lines], [None, "current", "balancing"])
        del lines[1]["time"]
        self.assertEqual(lines[1], {"event": "changed", "id": "garage_1", "group": "live",
                                    "key": "current", "value": 1.5, "previous": -12.3})

    def test_only_keys_asked_for(self):
        self.start_mock()
        self.mock.change("garage_10", "Bms", {"Name": jkbmock.GLib.Variant("s", "power")})
        monitor = self.monitor("garage_1", "current", "cell_voltage_2", "online", "errors")
        monitor.wait_for_log("jkbmsd is there")
        changes = {"Current": double(1.5), "Power": double(79), "CellVoltages": jkbmock.GLib.Variant(
            "ad", [3.1, 3.401] + [3.3] * 14)}
        every = self.monitor("power", "cell_voltage_2", "--json")  # the name of a BMS wins over a key
        every.wait_for_log('"running":true')
        for name in ("garage_1", "garage_2", "garage_10"):
            self.mock.change(name, "Telemetry", changes)
        self.mock.alarm("garage_1", "AlarmRaised", "(ss)", "cell_overvoltage", "protect")
        self.mock.change("garage", "Bus", {"State": jkbmock.GLib.Variant("s", "down")})
        self.mock.put("/io/github/jkbmsd1/bms/garage_10", "Info",
                      jkbmock.properties(jkbmock.INFO, {}, []))
        self.mock.change("garage_1", "Bms", {"Online": jkbmock.GLib.Variant("b", False)})
        monitor.wait_for_log("online  false")
        self.assertEqual([line[10:] for line in monitor.log.splitlines()[1:]], [
            "garage_1  cell_voltage_2  3.290 → 3.401 V", "garage_1  current  -12.300 → 1.500 A",
            "garage_1  ALARM cell_overvoltage (protect)", "garage_1  online  false"])
        every.wait_for_log("cell_voltage_2")
        lines = [json.loads(line) for line in every.log.splitlines()]
        del lines[1]["time"]
        self.assertEqual(lines[1:], [{"event": "changed", "id": "garage_10", "group": "live",
                                      "key": "cell_voltage_2", "value": 3.401, "previous": 3.29}])

    def test_unknown_id_or_key(self):
        self.start_mock()
        self.fails(3, "no BMS “nobody”", "monitor", "nobody")
        self.fails(3, "garage_1, garage_2, garage_10; say which", "monitor", "gar", "current")
        self.fails(2, "no key “curent”; did you mean “current”", "monitor", "garage_1", "curent")
        self.fails(2, "did you mean “total_voltage”", "monitor", "voltage")

    def test_restart_of_the_daemon(self):
        self.start_mock()
        monitor = self.monitor("garage_1")
        monitor.wait_for_log("jkbmsd is there")
        self.mock.stop()
        monitor.wait_for_log("jkbmsd is gone; waiting for it")
        self.mock.start()
        jkbtest.wait_until(lambda: monitor.log.count("jkbmsd is there") == 2)
        self.mock.change("garage_1", "Telemetry", {"Current": double(7)})
        monitor.wait_for_log("→ 7.000 A")

    def test_restart_of_the_dbus_daemon(self):
        self.start_mock()
        monitor = self.monitor()
        monitor.wait_for_log("jkbmsd is there")
        self.bus.kill()
        monitor.wait_for_log("jkbmsd is gone")
        self.mock.stop()
        self.bus.start()
        self.mock.start()
        jkbtest.wait_until(lambda: monitor.log.count("jkbmsd is there") == 2)

    def test_daemon_comes_later(self):
        monitor = self.monitor()
        monitor.wait_for_log("jkbmsd is gone; waiting for it")
        self.start_mock()
        monitor.wait_for_log("jkbmsd is there")

    def test_new_settings(self):
        self.start_mock()
        monitor = self.monitor()
        monitor.wait_for_log("jkbmsd is there")
        self.mock.put("/io/github/jkbmsd1/bms/garage_2", "Settings",
                      jkbmock.properties(jkbmock.SETTINGS, {}, []))
        monitor.wait_for_log("garage_2  Settings heard for the first time\n")
        self.mock.add_bms("garage", 11)
        monitor.wait_for_log("garage_11  is there\n")


if __name__ == "__main__":
    unittest.main()
