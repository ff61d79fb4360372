#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""Settings written over D-Bus: what is reported against what the simulated BMS holds, with each of
its faults; snapshots; callers that leave; a daemon that is killed."""

import os
import re
import threading
import time

from gi.repository import GLib

import jkbtest
from jkbdbus import NAME, Error, bms_path, bus_path

BUS = bus_path("garage")
BMS = bms_path("garage_1")


def variants(values):
    """{"balancer": True, "cell_count": ("u", 16)} as a{sv}; numbers are doubles."""
    def variant(value):
        if isinstance(value, tuple):
            return GLib.Variant(*value)
        return GLib.Variant("b" if isinstance(value, bool) else
                            "s" if isinstance(value, str) else "d", value)
    return {key: variant(value) for key, value in values.items()}


class Writes(jkbtest.Case):

    def begin(self, *arguments, access="protection", **keys):
        keys = {"listen_before_talk": 1, "addresses": "1", "poll_interval": 0.5, **keys}
        self.bus = self.enter(jkbtest.PrivateBus())
        self.client = self.bus.client()
        self.sim = self.enter(jkbtest.Sim("--bms", "1", *arguments))
        self.daemon = self.enter(jkbtest.Daemon(
            f"[writes]\naccess={access}\n\n" + self.sim.config("garage", **keys), bus=self.bus))
        self.wait_for_settings()

    def wait_for_settings(self):
        jkbtest.wait_until(
            lambda: f"{NAME}.Settings" in self.client.objects().get(BMS, {}), 20,
            lambda: f"no settings: {self.client.objects().get(BMS, {}).keys()}")

    def held(self, register, address=1):
        return int(self.sim.command(f"get {address} {register}").removeprefix("ok "))

    def get(self, key):
        return self.client.get(BMS, "Settings", key)

    def set(self, key, value, signature="d", timeout=15):
        self.client.set(BMS, "Settings", key, (signature, value), timeout=timeout)

    def refused(self, name, function, *arguments, **keys):
        """That the call fails with that error; returns its sentence."""
        with self.assertRaises(Error) as caught:
            function(*arguments, **keys)
        self.assertEqual(caught.exception.name, f"{NAME}.Error.{name}", caught.exception.text)
        self.assertTrue(caught.exception.text)
        return caught.exception.text

    def apply(self, timeout=60, **values):
        return self.client.call(BMS, "Settings", "Apply", "(a{sv})", variants(values),
                                timeout=timeout)

    def validate(self, **values):
        return {key: (name.removeprefix(f"{NAME}.Error."), text) for key, name, text in
                self.client.call(BMS, "Settings", "Validate", "(a{sv})", variants(values))}

    def writes(self):
        return int(re.search(r'"writes":(\d+)', self.sim.command("stats")).group(1))

    # ---- good ----

    def test_good_writes(self):
        self.begin(settings_interval=86400)
        signals = self.client.signals()
        others = self.held("control_mask")

        self.set("Balancer", False, "b")
        self.assertFalse(self.get("Balancer"))
        self.assertEqual(self.held("balancer"), 0)
        changed = [s for s in signals if s.name == "PropertiesChanged" and
                   "Balancer" in s.arguments[1]]
        self.assertEqual(changed[-1].arguments[1]["Balancer"], False)  # told before the answer
        self.assertIn((1, 1), [s.arguments for s in signals if s.name == "WriteProgress"])

        self.set("CellVoltageOvervoltageProtection", 3.64)
        self.assertIn(self.held("cell_voltage_overvoltage_protection"), (3639, 3640))
        self.assertAlmostEqual(self.get("CellVoltageOvervoltageProtection"), 3.64, delta=0.0011)

        bit = not self.get("DisplayAlwaysOn")
        self.set("DisplayAlwaysOn", bit, "b")
        self.assertEqual(self.get("DisplayAlwaysOn"), bit)
        self.assertEqual(self.held("control_mask"), others ^ 1 << 4)

        stop = self.held("heating_stop_temperature")
        start = self.get("HeatingStartTemperature") - 1
        self.set("HeatingStartTemperature", start)
        self.assertEqual(self.get("HeatingStartTemperature"), start)
        self.assertEqual(self.held("heating_start_temperature"), start)
        self.assertEqual(self.held("heating_stop_temperature"), stop)

        sent = self.writes()
        self.set("Balancer", False, "b")  # it is so already
        self.assertEqual(self.writes(), sent)

    def test_apply_and_restore(self):
        self.begin(settings_interval=86400)
        path = os.path.join(self.daemon.state_dir, "snapshots", "garage_1")
        self.assertEqual(self.client.call(BMS, "Settings", "Snapshots"), [])
        before = self.client.get_all(BMS, "Settings")
        signals = self.client.signals()
        up = {"cell_voltage_overvoltage_protection": 3.70,
              "cell_voltage_overvoltage_recovery": 3.66,
              "cell_request_charge_voltage": 3.68, "balancer": not before["Balancer"]}

        result = self.apply(**up)
        self.assertEqual(set(result), set(up))
        for key, value in up.items():
            self.assertAlmostEqual(result[key], value, delta=0.0011)
        progress = [s.arguments for s in signals if s.name == "WriteProgress"]
        self.assertEqual(progress, [(n, 4) for n in range(1, 5)])

        snapshots = self.client.call(BMS, "Settings", "Snapshots")
        self.assertEqual(len(snapshots), 1)
        self.assertAlmostEqual(snapshots[0][1], time.time(), delta=60)
        self.assertEqual(os.listdir(path), [snapshots[0][0] + ".ini"])
        self.assertEqual(os.stat(os.path.join(path, snapshots[0][0] + ".ini")).st_mode & 0o777,
                         0o600)

        self.client.call(BMS, "Settings", "Restore", "(s)", snapshots[0][0], timeout=60)
        after = self.client.get_all(BMS, "Settings")
        for key in ("CellVoltageOvervoltageProtection", "CellVoltageOvervoltageRecovery",
                    "CellRequestChargeVoltage"):
            self.assertAlmostEqual(after[key], before[key], delta=0.0011)
        self.assertEqual(after["Balancer"], before["Balancer"])
        for name in ("nonsense", "../garage_1/" + snapshots[0][0]):
            self.refused("NotFound", self.client.call, BMS, "Settings", "Restore", "(s)", name)

    # ---- refused ----

    def test_refused_without_sending(self):
        self.begin()
        text = self.refused("Interlock", self.set, "CellVoltageOvervoltageProtection", 3.40)
        self.assertRegex(text, r"cell_voltage_overvoltage_recovery \(3\.\d+ V\).*"
                               r"cell_voltage_overvoltage_protection \(3\.400 V\)")
        text = self.refused("OutOfRange", self.set, "MaxChargeCurrent", 5000.0)
        self.assertIn("600", text)
        self.refused("OutOfRange", self.set, "MaxChargeCurrent", -1.0)
        for value in (float("nan"), float("inf")):
            self.refused("InvalidArgument", self.set, "MaxChargeCurrent", value)
        text = self.refused("InvalidArgument", self.set, "MaxChargeCurrent", 20, "u")
        self.assertIn("'d'", text)
        self.refused("InvalidArgument", self.set, "Balancer", 1, "u")
        for key, signature, value in (("DeviceAddress", "u", 2), ("MultiplexedPortMode", "s", "can"),
                                      ("ConnectionWireResistances", "ad", [0.1]),
                                      ("Unavailable", "as", []),
                                      ("DisableTemperatureSensors", "b", True)):
            self.refused("ReadOnly", self.set, key, value, signature)
        self.refused("NotFound", self.set, "NoSuchSetting", 1.0)
        text = self.refused("Interlock", self.set, "CellCount", 8, "u")
        self.assertIn("16", text)
        self.refused("InvalidArgument", self.apply)
        self.refused("InvalidArgument", self.apply, nonsense=1.0)
        self.refused("ReadOnly", self.apply, balancer=False, device_address=("u", 2))
        self.assertEqual(self.writes(), 0)

    def test_validate_lists_everything(self):
        self.begin(access="basic")
        self.assertEqual(self.validate(balancer=False, charging_switch=False), {})
        problems = self.validate(nonsense=1.0, max_charge_current=10.0, device_address=("u", 3),
                                 balance_trigger_voltage=7.0, balancer=1.0,
                                 cell_soc100_voltage=2.0, smart_sleep=True)
        self.assertEqual({key: name for key, (name, _) in problems.items()},
                         {"nonsense": "InvalidArgument", "max_charge_current": "ReadOnly",
                          "device_address": "ReadOnly", "balance_trigger_voltage": "OutOfRange",
                          "balancer": "InvalidArgument", "cell_soc100_voltage": "Interlock"})
        self.assertIn("access=protection", problems["max_charge_current"][1])
        self.assertEqual(self.writes(), 0)

    def test_access_none_is_the_default(self):
        self.begin(access="none")
        text = self.refused("ReadOnly", self.set, "Balancer", False, "b")
        self.assertIn("access=switches", text)
        self.assertEqual(self.held("balancer"), 1)

    def test_only_where_we_poll(self):
        self.begin("--master", "--firmware", "19.31", mode="listen")
        text = self.refused("ReadOnly", self.set, "Balancer", False, "b")
        self.assertIn("RS485-1", text)
        self.assertIn("RS485-1", self.validate(balancer=False)[""][1])
        self.assertEqual(self.writes(), 0)

    def test_beside_a_master(self):
        self.begin("--master", "--firmware", "19.31", addresses="auto")
        text = self.refused("ReadOnly", self.set, "Balancer", False, "b")
        self.assertIn("RS485-1", text)
        self.assertEqual(self.writes(), 0)

    def test_offline(self):
        self.begin(offline_after=1, settings_interval=86400)
        self.sim.command("offline 1")
        jkbtest.wait_until(lambda: not self.client.get(BMS, "Bms", "Online"), 15)
        text = self.refused("Offline", self.set, "Balancer", False, "b")
        self.assertIn("garage_1", text)

    # ---- faults of the BMS ----

    def test_faults(self):
        self.begin(settings_interval=86400)

        self.sim.command("fault ack-lost-after 1")
        self.set("BalanceTriggerVoltage", 0.020)  # done, and seen by reading back
        self.assertIn(self.held("balance_trigger_voltage"), (19, 20))
        self.sim.command("fault none")

        self.sim.command("fault ack-lost-before 1")
        before = self.held("balance_trigger_voltage")
        self.refused("Timeout", self.set, "BalanceTriggerVoltage", 0.050)
        self.assertEqual(self.held("balance_trigger_voltage"), before)
        self.sim.command("fault none")

        self.sim.command("fault ignore-write 1")
        text = self.refused("VerifyFailed", self.set, "BalanceTriggerVoltage", 0.050)
        self.assertIn("balance_trigger_voltage", text)
        self.assertEqual(self.held("balance_trigger_voltage"), before)
        self.sim.command("fault none")

        self.set("MaxChargeCurrent", 80.0)
        self.sim.command("fault clamp 1")
        text = self.refused("VerifyFailed", self.set, "MaxChargeCurrent", 90.3)
        self.sim.command("fault none")
        self.assertAlmostEqual(self.get("MaxChargeCurrent") * 1000,
                               self.held("max_charge_current"), delta=0.5)
        if self.held("max_charge_current") not in (79999, 80000):
            self.assertIn("not put back: max_charge_current", text)

        self.sim.command("fault neighbour-write 1")
        neighbour = self.held("charge_overcurrent_protection_recovery_time")
        delay = self.held("charge_overcurrent_protection_delay")
        text = self.refused("VerifyFailed", self.set, "ChargeOvercurrentProtectionDelay", 33.0)
        self.sim.command("fault none")
        self.assertIn("charge_overcurrent_protection_recovery_time", text)
        for key, register, was in (
                ("ChargeOvercurrentProtectionDelay", "charge_overcurrent_protection_delay", delay),
                ("ChargeOvercurrentProtectionRecoveryTime",
                 "charge_overcurrent_protection_recovery_time", neighbour)):
            self.assertEqual(self.get(key), self.held(register))
            if self.held(register) != was:
                self.assertIn("put back", text)

    def test_apply_is_all_or_nothing(self):
        self.begin(settings_interval=86400)
        trigger, delay = self.held("balance_trigger_voltage"), self.held("discharge_precharge_time")
        start = threading.Timer(1.0, self.sim.command, ["fault ignore-write 1"])
        stop = threading.Timer(3.2, self.sim.command, ["fault none"])
        start.start()
        stop.start()
        values = {"balance_trigger_voltage": 0.033, "discharge_precharge_time": delay + 1.0,
                  "total_battery_capacity": 123.0, "smart_sleep_voltage": 3.41}
        text = self.refused("VerifyFailed", self.apply, **values)
        start.join()
        stop.join()
        self.assertIn("put back", text)
        held = {"balance_trigger_voltage": trigger, "discharge_precharge_time": delay}
        for register, was in held.items():
            if register not in text.partition("changed and not put back")[2]:
                self.assertEqual(self.held(register), was, text)

    def test_deaf_afterwards_is_unknown_and_within_ten_seconds(self):
        self.begin(settings_interval=86400)
        done = {}

        def call():
            begin = time.monotonic()
            try:
                self.bus.client().set(BMS, "Settings", "Balancer", ("b", False), timeout=20)
            except Error as error:
                done.update(name=error.name, text=error.text, took=time.monotonic() - begin)

        thread = threading.Thread(target=call)
        thread.start()
        jkbtest.wait_until(lambda: self.writes() == 1, 10)
        self.sim.command("fault deaf 1")
        thread.join()
        self.assertEqual(done["name"], f"{NAME}.Error.Timeout")
        self.assertIn("unknown", done["text"])
        self.assertLess(done["took"], 11 * jkbtest.FACTOR)
        self.sim.command("fault none")
        jkbtest.wait_until(lambda: self.client.get(BMS, "Bms", "Online"), 20)
        self.set("Balancer", True, "b")  # reads first, then writes
        self.assertEqual(self.held("balancer"), 1)

    # ---- callers and kills ----

    def test_orderly_stop_in_the_middle(self):
        """The caller hears what was changed, not only that nobody is there any more."""
        self.begin(settings_interval=86400)
        heard = []

        def call():
            try:
                self.apply(balancer=False, smart_sleep_voltage=3.41, balance_trigger_voltage=0.02)
            except Error as error:
                heard.append(error)

        thread = threading.Thread(target=call)
        thread.start()
        jkbtest.wait_until(lambda: self.writes() == 2, 10)
        self.daemon.stop()
        thread.join()
        self.assertEqual(heard[0].name, f"{NAME}.Error.Offline")
        self.assertIn("changed and not put back: ", heard[0].text)

    def test_caller_that_leaves(self):
        self.begin(settings_interval=86400)
        leaving = self.bus.client()
        leaving.connection.call(NAME, BMS, f"{NAME}.Settings", "Apply",
                                GLib.Variant("(a{sv})", (variants({"balance_trigger_voltage": 0.044,
                                                                   "balancer": False}),)),
                                None, 0, -1, None, None)
        leaving.connection.flush_sync(None)
        jkbtest.wait_until(lambda: self.writes() >= 1, 10)
        self.refused("Busy", self.set, "SmartSleep", True, "b")
        leaving.connection.close_sync(None)
        jkbtest.wait_until(lambda: self.held("balancer") == 0
                           and self.held("balance_trigger_voltage") in (43, 44), 10)
        jkbtest.wait_until(lambda: not self.get("Balancer"), 5)

    def test_killed_in_the_middle(self):
        self.begin(settings_interval=86400)
        caller = self.bus.client()
        caller.connection.call(NAME, BMS, f"{NAME}.Settings", "Apply",
                               GLib.Variant("(a{sv})", (variants({"balance_trigger_voltage": 0.044,
                                                                  "balancer": False,
                                                                  "smart_sleep_voltage": 3.41}),)),
                               None, 0, -1, None, None)
        jkbtest.wait_until(lambda: self.writes() >= 1, 10)
        self.daemon.kill()
        self.daemon.start()
        self.daemon.wait_for_log("was cut short")
        line = [line for line in self.daemon.log.splitlines() if "was cut short" in line][-1]
        for word in ("garage_1", "balance_trigger_voltage", "snapshot"):
            self.assertIn(word, line)
        self.wait_for_settings()
        self.daemon.restart()
        self.wait_for_settings()
        self.assertEqual(self.daemon.log.count("was cut short"), 1)
        self.assertEqual(len(self.client.call(BMS, "Settings", "Snapshots")), 1)


if __name__ == "__main__":
    jkbtest.main()
