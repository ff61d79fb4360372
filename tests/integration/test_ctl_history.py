# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""jkbmsctl history against a stand-in daemon; with the real one it is tested by test_history."""

import json
import time
import unittest

import jkbtest
import test_ctl
from test_ctl import columns, on_terminal

# 2026-03-01T12:00:00.250Z
START = 1772366400_250000


def samples(_key, _since, _until, _points):
    return [(START + n * 1000000, 52.0 + n / 1000) for n in range(3)]


class HistoryTest(test_ctl.Base):
    def setUp(self):
        super().setUp()
        self.start_mock()
        self.mock.replies["GetHistory"] = samples

    def asked(self):
        """What the daemon was asked last."""
        return [call for call in self.mock.arguments if call[0] == "GetHistory"][-1][1:]

    def test_table(self):
        out = self.ok("history", "Left", "total_voltage", env={"TZ": "UTC"})
        self.assertEqual(out.splitlines(), ["TIME                        VALUE",
                                            "2026-03-01 12:00:00.250  52.000 V",
                                            "2026-03-01 12:00:01.250  52.001 V",
                                            "2026-03-01 12:00:02.250  52.002 V"])
        key, since, until, points = self.asked()
        self.assertEqual((key, points), ("total_voltage", 0))
        self.assertEqual(until - since, 86400 * 1000000)
        self.assertLess(abs(until / 1e6 - time.time()), 60)

    def test_time(self):
        self.ok("history", "garage_1", "cell_voltage_3", "--since", "2026-02-01",
                "--until=2026-03-01T01:00:00+01:00", "--points", "7", env={"TZ": "UTC"})
        self.assertEqual(self.asked(), ("cell_voltage_3", 1769904000 * 1000000,
                                        1772323200 * 1000000, 7))

    def test_json(self):
        answer = json.loads(self.ok("history", "garage_1", "total_voltage", "--json"))
        self.assertEqual(answer, {"id": "garage_1", "key": "total_voltage", "unit": "V", "points": [
            {"time": f"2026-03-01T12:00:0{n}.250Z", "value": 52 + n / 1000} for n in range(3)]})
        self.mock.replies["GetHistory"] = lambda *unused: [(START, 1.0), (START + 1, 0.0)]
        answer = json.loads(self.ok("history", "garage_1", "balancing", "--json"))
        self.assertIsNone(answer["unit"])
        self.assertEqual([point["value"] for point in answer["points"]], [True, False])
        self.mock.replies["GetHistory"] = lambda *unused: []
        answer = json.loads(self.ok("history", "garage_1", "balancing", "--json"))
        self.assertEqual(answer["points"], [])

    def test_nothing(self):
        self.mock.replies["GetHistory"] = lambda *unused: []
        for option in ([], ["--plot"]):
            self.assertEqual(self.ok("history", "garage_1", "current", *option),
                             "Nothing is kept of current in that time.\n")

    def test_plot(self):
        now = int(time.time() * 1000000)
        self.mock.replies["GetHistory"] = lambda *unused: [
            (now - 86400 * 1000000 + n * 864 * 1000000, 50.0 + n % 10) for n in range(100)]
        for width in (40, 80, 132):
            out = on_terminal(self.bus, "history", "garage_2", "total_voltage", "--plot",
                              width=width, env={"NO_COLOR": "1"})
            lines = out.splitlines()
            self.assertEqual(lines[0], "右架電池: total_voltage")
            self.assertEqual(max(columns(line) for line in lines[1:14]), width)
            self.assertRegex(out, "[\u2801-\u28ff]")
            self.assertEqual(lines[-1], "min 50.000 V   max 59.000 V   last 59.000 V")
            self.assertGreaterEqual(self.asked()[3], 2 * width)

    def test_plot_without_unicode(self):
        for env in ({"CHARSET": "ISO-8859-1"}, {"TERM": "dumb"}, {"TERM": "linux"}):
            out = self.ok("history", "garage_1", "total_voltage", "--plot", env=env)
            self.assertTrue(out.isascii(), out)
            self.assertRegex(out, r"(?m)^52\.002 V \+.*\*$")

    def test_wrong_usage(self):
        for pattern, *arguments in (
                ("did you mean “total_voltage”", "garage_1", "total_voltag"),
                ("did you mean “state_of_charge”", "garage_1", "soc"),
                ("there is no key “smart_sleep_voltag”; “jkbmsctl", "garage_1", "smart_sleep_voltag"),
                ("there is no key", "garage_1", "cell_voltage_33"),
                ("not a live value", "garage_1", "charging_switch"),
                ("such as cell_voltage_1", "garage_1", "cell_voltages"),
                ("neither a number nor a switch", "garage_1", "battery_type"),
                ("neither a number nor a switch", "garage_1", "errors"),
                ("say how long ago", "garage_1", "current", "--since", "24"),
                ("not in the past", "garage_1", "current", "--until", "2999-01-01"),
                ("must be before", "garage_1", "current", "--since", "1h", "--until", "2h"),
                ("must not be negative", "garage_1", "current", "--points=-1"),
                ("does not go with", "garage_1", "current", "--plot", "--json"),
                ("usage:", "garage_1")):
            with self.subTest(arguments):
                self.fails(2, pattern, "history", *arguments)
        self.assertEqual([call for call in self.mock.arguments if call[0] == "GetHistory"], [])

    def test_errors(self):
        self.fails(3, "nosuch", "history", "nosuch", "current")
        for name, status in (("Io", 1), ("Busy", 1), ("InvalidArgument", 2), ("NotFound", 3)):
            self.mock.errors["GetHistory"] = (test_ctl.ERROR + name, "a sentence")
            self.fails(status, "a sentence", "history", "garage_1", "current")

    def test_no_daemon(self):
        status, _out, err = test_ctl.ctl(self.enter(jkbtest.PrivateBus()), "history", "a", "current")
        self.assertEqual(status, 1)
        self.assertIn("no jkbmsd on this bus", err)


if __name__ == "__main__":
    unittest.main()
