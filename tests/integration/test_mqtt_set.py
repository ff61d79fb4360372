#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""Settings written over MQTT: what is obeyed, what is refused, and what Home Assistant is offered."""

import subprocess
import time

import jkbtest
from jkbtest import Broker, Capture, Daemon, Sim, wait_until

OVP = "cell_voltage_overvoltage_protection"


def topic(leaf, bms=1):
    return f"jkbms/garage_{bms}/{leaf}"


def config_topic(bms=1):
    return f"homeassistant/device/jkbmsd_garage_{bms}/config"


class Base(jkbtest.Case):
    def begin(self, tier="protection", *sim_arguments, access=None, mode="poll", bms="1,2",
              more="", broker=None):
        self.broker = broker or self.enter(Broker())
        self.sim = self.enter(Sim("--bms", bms, *sim_arguments))
        self.capture = self.enter(Capture(self.broker))
        self.config = (self.sim.config("garage", mode=mode, listen_before_talk=1, poll_interval=0.5,
                                       settings_interval=5, addresses=bms)
                       + self.broker.config(interval=1, commands=tier)
                       + f"[writes]\naccess={access or tier}\n\n" + more)
        self.daemon = self.enter(Daemon(self.config))
        for address in bms.split(","):
            self.capture.wait_for(topic("settings", address), timeout=20)

    def results(self, key, bms=1):
        return self.capture.messages(topic(f"set/{key}/result", bms))

    def command(self, key, value, retain=False, bms=1):
        """Publishes a command and returns the one result of it."""
        before = len(self.results(key, bms))
        self.broker.publish(topic(f"set/{key}", bms), value, retain=retain)
        wait_until(lambda: len(self.results(key, bms)) > before, 20,
                   f"no result for {key}={value}")
        message = self.results(key, bms)[before]
        self.assertEqual((message.retain, message.qos), (False, 1))
        self.assertEqual(sorted(message.json), ["error", "ok", "value"])
        return message.json

    def assert_written(self, key, value, expected, bms=1):
        self.assertEqual(self.command(key, value, bms=bms),
                         {"ok": True, "error": None, "value": expected})
        self.capture.wait_for(topic("settings", bms), lambda m: m.json[key] == expected)

    def assert_refused(self, key, value, error, **keys):
        """Says why, changes nothing, and tells the old value again."""
        told = len(self.capture.messages(topic("settings")))
        before = self.setting(key)
        result = self.command(key, value, **keys)
        self.assertEqual((result["ok"], result["value"]), (False, None))
        self.assertRegex(result["error"], error)
        wait_until(lambda: len(self.capture.messages(topic("settings"))) > told)
        self.assertEqual(self.setting(key), before)

    def setting(self, key, bms=1):
        return self.capture.last(topic("settings", bms)).json.get(key)

    def assert_cleared(self, key, bms=1):
        """A subscriber of now is given nothing."""
        with Capture(self.broker, topic(f"set/{key}", bms)) as late:
            self.assertEqual(late.messages(), [])
        late.forget()


class Commands(Base):
    def test_obeyed(self):
        self.begin()
        self.assertTrue(self.setting("balancer"))
        self.assert_written("balancer", "OFF", False)
        self.assertTrue(self.setting("balancer", bms=2))
        self.assert_written("balancer", "ON", True)
        self.assert_written("balancing_start_voltage", "3.41", 3.41, bms=2)
        self.assert_written(OVP, "3.66", 3.66)
        cleared = self.capture.messages(topic("set/balancer"))
        self.assertEqual([m.payload for m in cleared], ["OFF", "", "ON", ""])
        self.assertEqual([m.retain for m in cleared], [False, True, False, True])

    def test_refused(self):
        self.begin()
        self.assert_refused(OVP, "4.4", r"OutOfRange: .* 1\.200 V to 4\.350 V")
        self.assert_refused(OVP, "3.40", r"Interlock: .*3\.\d+ V.*3\.400 V")
        self.assert_refused(OVP, "3.6 V", "InvalidArgument: ")
        self.assert_refused(OVP, "9" * 1000, "InvalidArgument: .*64")
        self.assert_refused("balancer", "perhaps", "InvalidArgument: ")
        self.assert_refused("device_address", "5", "ReadOnly: ")
        self.assert_refused("nothing", "1", "InvalidArgument: There is no setting")
        result = self.command("balancer", "ON", bms=9)
        self.assertIn("NotFound: There is no BMS called 'garage_9'", result["error"])
        self.assert_cleared(OVP)

    def test_tiers(self):
        self.begin("switches", access="protection")
        self.assert_written("balancer", "OFF", False)
        self.assert_refused("discharging_switch", "OFF", "ReadOnly: .*commands=protection")
        self.assert_refused("balancing_start_voltage", "3.41", "ReadOnly: .*commands=basic")
        self.assert_refused(OVP, "3.66", "ReadOnly: .*commands=protection")

    def test_nothing_by_default(self):
        """No subscription, no reaction, also to what is retained."""
        broker = self.enter(Broker())
        broker.publish(topic("set/balancer"), "OFF", retain=True)
        self.begin("none", access="protection", broker=broker)
        broker.publish(topic("set/balancer"), "OFF")
        broker.publish(topic("set/charging_switch"), "OFF", retain=True)
        time.sleep(3)
        self.assertTrue(self.setting("balancer") and self.setting("charging_switch"))
        self.assertEqual(self.results("balancer") + self.results("charging_switch"), [])
        self.assertNotIn("", [m.payload for m in self.capture.messages(topic("set/balancer"))])
        self.assertNotIn("command_topic", self.capture.last(config_topic()).payload)

    def test_retained_before(self):
        """What was retained before the daemon came changes nothing and is cleared."""
        broker = self.enter(Broker())
        for key, value in (("balancer", "OFF"), ("charging_switch", "OFF"), (OVP, "3.7")):
            broker.publish(topic(f"set/{key}"), value, retain=True)
        self.begin(broker=broker)
        for key in ("balancer", "charging_switch", OVP):
            result = self.capture.wait_for(topic(f"set/{key}/result")).json
            self.assertFalse(result["ok"])
            self.assertIn("InvalidArgument: A retained command is never obeyed", result["error"])
            self.assert_cleared(key)
        time.sleep(2)
        self.assertTrue(self.setting("balancer") and self.setting("charging_switch"))
        self.assertNotEqual(self.setting(OVP), 3.7)
        self.assertNotIn("writing", self.daemon.log)
        self.assert_written("balancer", "OFF", False)

    def test_retained_while_there(self):
        """The broker hands it on as any other; it must not come again after the next start."""
        self.begin()
        self.assertTrue(self.command("balancer", "OFF", retain=True)["ok"])
        self.assert_cleared("balancer")
        self.assert_written("balancer", "ON", True)
        self.daemon.restart()
        time.sleep(3)
        self.assertTrue(self.setting("balancer"))
        self.assertEqual(len(self.results("balancer")), 2)

    def test_burst(self):
        """In order; what is too much is refused, and every command is answered once."""
        self.begin(bms="1")
        with subprocess.Popen(["mosquitto_pub", *self.broker.client_options(), "-q", "1", "-t",
                               topic("set/balancer"), "-l"], stdin=subprocess.PIPE) as many:
            many.communicate(b"OFF\nON\n" * 20)
        wait_until(lambda: len(self.results("balancer")) == 40, 60,
                   lambda: f"{len(self.results('balancer'))} results")
        results = [m.json for m in self.results("balancer")]
        good = [r["value"] for r in results if r["ok"]]
        self.assertEqual(good, ([False, True] * 20)[:len(good)])
        self.assertTrue(1 <= len(good) <= 16, good)
        for result in results:
            if not result["ok"]:
                self.assertIn("Busy: ", result["error"])
        self.assertEqual(self.setting("balancer"), good[-1])
        self.assert_written("balancer", "OFF", False)

    def test_two_bms_do_not_wait_for_each_other(self):
        self.begin()
        self.broker.publish(topic("set/balancer", 1), "OFF")
        self.broker.publish(topic("set/balancer", 2), "OFF")
        for bms in (1, 2):
            result = self.capture.wait_for(topic("set/balancer/result", bms), timeout=20)
            self.assertEqual(result.json, {"ok": True, "error": None, "value": False})

    def test_broker_comes_back(self):
        """A result that could not be told is told later; commands are heard again."""
        self.begin(bms="1")
        self.broker.publish(topic("set/balancer"), "OFF")
        self.daemon.wait_for_log("writing balancer")
        self.broker.kill()
        self.daemon.wait_for_log("wrote balancer")
        time.sleep(1)
        self.broker.start()
        result = self.capture.wait_for(topic("set/balancer/result"), timeout=20)
        self.assertTrue(result.json["ok"])
        self.capture.wait_for(topic("settings"), lambda m: not m.json["balancer"])
        self.assert_written("balancer", "ON", True)
        self.assert_cleared("balancer")

    def test_not_confirmed(self):
        """A BMS that says yes and does nothing: the state stays what it is."""
        self.begin("protection", "--fault", "ignore-write=1", bms="1")
        self.assert_refused("balancer", "OFF", "VerifyFailed: ")
        self.sim.command("fault none")
        self.assert_written("balancer", "OFF", False)

    def test_listened_bus(self):
        broker = self.enter(Broker())
        sim = self.enter(Sim("--master", "--rate", "4", "--bms", "0,1"))
        self.capture = self.enter(Capture(broker))
        self.broker = broker
        self.enter(Daemon(sim.config("garage", mode="listen") + broker.config(commands="basic")
                          + "[writes]\naccess=basic\n"))
        self.capture.wait_for(topic("settings"), timeout=20)
        self.assert_refused("balancer", "OFF", "ReadOnly: .*RS485-1")
        self.assertNotIn("command_topic", self.capture.wait_for(config_topic()).payload)

    def test_hostile(self):
        """Rubbish on every level: refused or ignored, and the next command is obeyed."""
        self.begin(bms="1")
        for leaf in ("x", "set/" + "k" * 300, "balancer/set/x", "a/b"):
            self.broker.publish(f"jkbms/{leaf}", "1", retain=True)
        for name in ("garage_1 ", "Ä" * 20, "..", "%s%n", '"};', "i" * 300):
            self.broker.publish(f"jkbms/{name}/set/balancer", "OFF")
            self.broker.publish(f"jkbms/garage_1/set/{name}", "OFF")
        with subprocess.Popen(["mosquitto_pub", *self.broker.client_options(), "-q", "1", "-t",
                               topic("set/charging_switch"), "-s"],
                              stdin=subprocess.PIPE) as binary:
            binary.communicate(bytes(range(256)) * 1000)
        self.assert_refused("smart_sleep", "\x01\x02", "InvalidArgument: ")
        self.assertEqual(len(self.results("charging_switch")), 1)
        self.assert_written("balancer", "OFF", False)
        for message in self.capture.messages():
            if message.topic.endswith("/result"):
                self.assertIn("ok", message.json)

    def test_flood(self):
        """More than anybody can answer: memory stays, what is lost is counted."""
        self.begin(bms="1")
        before = self.daemon.resident_kib()
        with subprocess.Popen(["mosquitto_pub", *self.broker.client_options(), "-q", "0", "-t",
                               topic("set/nothing"), "-l"], stdin=subprocess.PIPE) as flood:
            flood.communicate(b"1\n" * int(20000 / jkbtest.FACTOR))  # a sanitizer works them off more slowly
        wait_until(lambda: self.results("nothing"), 30)
        time.sleep(3)  # for the answers to go
        self.assert_written("balancer", "OFF", False)
        if jkbtest.FACTOR == 1:
            self.assertLess(self.daemon.resident_kib() - before, 12 * 1024)
        self.assertLess(self.daemon.log.count("was refused"), 60)


class Discovery(Base):
    def check(self):
        path = self.capture.save(self.path("capture.jsonl"))
        done = subprocess.run(["/usr/bin/python3", jkbtest.shared("ha", "ha_check.py"), path,
                               "--quiet"], capture_output=True, text=True, check=False)
        self.assertIn("0 errors, 0 warnings", done.stdout, done.stdout + done.stderr)

    def components(self, tier, entities, **keys):
        self.begin(tier, more=f"[homeassistant]\nentities={entities}\n", **keys)
        for bms in (1, 2):
            self.capture.wait_for(config_topic(bms), lambda m: "serial_number" in m.json["device"],
                                  20)
            self.capture.wait_for(topic("cells", bms))
        time.sleep(1)
        self.check()
        return self.capture.last(config_topic()).json["components"]

    def controls(self, components):
        return {key for key, c in components.items() if "command_topic" in c}

    def test_none(self):
        components = self.components("none", "full")
        self.assertEqual(self.controls(components), set())
        self.assertEqual(components["balancer"]["platform"], "binary_sensor")

    def test_switches(self):
        components = self.components("switches", "standard", access="protection")
        self.assertLessEqual({"charging_switch", "balancer"}, self.controls(components))
        self.assertLessEqual(self.controls(components),
                             {"charging_switch", "balancer", "heating_switch"})
        self.assertEqual(components["discharging_switch"]["platform"], "binary_sensor")

    def test_basic(self):
        components = self.components("basic", "minimal")
        controls = self.controls(components)
        self.assertIn("balancing_start_voltage", controls)
        self.assertNotIn(OVP, controls)
        self.assertFalse([key for key in controls
                          if components[key].get("enabled_by_default") is False])

    def test_protection(self):
        components = self.components("protection", "full")
        controls = self.controls(components)
        self.assertLessEqual({OVP, "discharging_switch", "configured_cell_count"}, controls)
        self.assertFalse(controls & {"device_address", "multiplexed_port_mode",
                                     "connection_wire_resistances"})
        self.assertIs(components[OVP]["enabled_by_default"], False)
        self.assertIs(components["discharging_switch"]["enabled_by_default"], False)
        for key in controls:
            control = components[key]
            self.assertEqual(control["state_topic"], topic("settings"))
            self.assertEqual((control["qos"], control["entity_category"]), (1, "config"))
            self.assertFalse({"optimistic", "retain"} & set(control))
            self.assertEqual(control["unique_id"], f"jkbmsd_garage_1_{key}")
        unique = [c["unique_id"] for c in components.values()]
        self.assertEqual(len(unique), len(set(unique)))

    def test_value_outside_the_range(self):
        """Home Assistant would refuse the state: the range grows, the check stays."""
        self.begin("basic", bms="1")
        number = self.capture.wait_for(config_topic(),
                                       lambda m: "smart_sleep_voltage" in m.json["components"])
        self.assertEqual(number.json["components"]["smart_sleep_voltage"]["min"], 1.2)
        self.sim.command("set 1 smart_sleep_voltage 0")
        self.capture.wait_for(config_topic(), lambda m: m.json["components"]
                              ["smart_sleep_voltage"]["min"] == 0, 90)
        self.capture.wait_for(topic("settings"), lambda m: m.json["smart_sleep_voltage"] == 0)
        self.assert_refused("smart_sleep_voltage", "0.5", "OutOfRange")

    def test_another_tier(self):
        """What becomes a control changes its platform: removed once, then offered; and back."""
        self.begin("switches", bms="1")
        self.capture.wait_for(config_topic(), lambda m: "balancer" in m.json["components"])
        for tier, old, new in (("none", "switch", "binary_sensor"),
                               ("switches", "binary_sensor", "switch")):
            seen = len(self.capture.messages(config_topic()))
            self.daemon.write_config(self.config.replace("commands=switches", f"commands={tier}"))
            if tier == "none":
                self.daemon.send_signal(1)  # at once
            else:
                self.daemon.restart()

            def platforms(at=seen):
                return [m.json["components"].get("balancer", {"platform": "absent"})
                        for m in self.capture.messages(config_topic())[at:]]
            wait_until(lambda: {"platform": old} in platforms()
                       and platforms()[-1]["platform"] == new and len(platforms()[-1]) > 1, 20,
                       lambda: f"{tier}: {platforms()}")
            self.assertEqual(platforms().count({"platform": old}), 1)
            if tier == "none":
                self.broker.publish(topic("set/balancer"), "OFF")
                time.sleep(2)
                self.assertEqual(self.results("balancer"), [])
        self.capture.wait_for(topic("settings"), timeout=20)
        self.daemon.wait_for_log("polling it")
        time.sleep(3)
        self.assert_written("balancer", "OFF", False)


if __name__ == "__main__":
    jkbtest.main()
