# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""Home Assistant discovery, judged by the strict checker and by what must never change."""

import json
import os
import shutil
import subprocess
import time

import jkbtest
from jkbdbus import ROOT
from jkbmaster import Master
from jkbtest import Broker, Capture, Daemon, Sim, wait_until

CHECKER = ("ha", "ha_check.py")


def config_topic(bms):
    return f"homeassistant/device/jkbmsd_{bms}/config"


class Base(jkbtest.Case):
    def check(self, capture, *options):
        """Runs the checker; returns its summary when it found no error and no warning."""
        path = capture.save(self.path("capture.jsonl"))
        done = subprocess.run(["/usr/bin/python3", jkbtest.shared(*CHECKER), path, "--quiet",
                               *options], capture_output=True, text=True, check=False)
        self.assertIn("0 errors, 0 warnings", done.stdout, done.stdout + done.stderr)
        return done.stdout

    def components(self, capture, bms):
        return capture.wait_for(config_topic(bms)).json["components"]


class Profiles(Base):
    """A 25-cell, a 16-cell and an 8-cell BMS, in every profile."""

    def run_profile(self, profile):
        broker = self.enter(Broker())
        sim = self.enter(Sim("--bms", "0,1,2", "--cells", "25,16,8", tcp=True))
        master = self.enter(Master(sim, [0, 1, 2], pause=0.02))
        capture = self.enter(Capture(broker))
        self.enter(Daemon(master.config("garage") + broker.config(interval=1, cells_interval=1)
                          + f"[homeassistant]\nentities={profile}\n"))
        for bms in range(3):
            capture.wait_for(f"jkbms/garage_{bms}/info")
            capture.wait_for(f"jkbms/garage_{bms}/settings")
            capture.wait_for(f"jkbms/garage_{bms}/cells")
            capture.wait_for(config_topic(f"garage_{bms}"),
                             lambda m: "serial_number" in m.json["device"])
        time.sleep(1)
        return capture

    def cells(self, capture, bms, key="cell_voltage"):
        return [k for k in self.components(capture, f"garage_{bms}")
                if k.startswith(f"{key}_") and k[len(key) + 1:].isdigit()]

    def test_minimal(self):
        capture = self.run_profile("minimal")
        self.check(capture)
        self.assertEqual(self.cells(capture, 1), [])
        self.assertIn("state_of_charge", self.components(capture, "garage_1"))

    def test_standard(self):
        capture = self.run_profile("standard")
        self.check(capture)
        self.assertEqual([len(self.cells(capture, bms)) for bms in range(3)], [25, 16, 8])
        self.assertEqual(self.cells(capture, 1, "cell_resistance"), [])

    def test_full(self):
        capture = self.run_profile("full")
        self.check(capture)
        self.assertEqual([len(self.cells(capture, bms, "cell_resistance")) for bms in range(3)],
                         [25, 16, 8])
        self.assertIn("alarm_cell_overvoltage", self.components(capture, "garage_0"))


class Documents(Base):
    def setUp(self):
        super().setUp()
        self.broker = self.enter(Broker())
        self.capture = self.enter(Capture(self.broker))

    def start(self, more="", bms="0,1", bus=None, **mqtt):
        sim = self.enter(Sim("--master", "--rate", "4", "--bms", bms))
        config = sim.config("garage", mode="listen") + self.broker.config(interval=1, **mqtt)
        daemon = self.enter(Daemon(config + more, bus=bus))
        return sim, daemon, config

    def wait_for_all(self, prefix):
        for bms in ("garage_0", "garage_1"):
            for leaf in ("cells", "settings"):
                self.capture.wait_for(f"{prefix}/{bms}/{leaf}", timeout=20)
        self.capture.sync()

    def test_listened_only(self):
        """Nobody told model and version: they are left out, not invented."""
        self.start()
        device = self.capture.wait_for(config_topic("garage_1")).json["device"]
        self.assertEqual(sorted(device), ["identifiers", "manufacturer", "name", "via_device"])
        self.wait_for_all("jkbms")
        self.check(self.capture, "--ignore", "device-info")

    def test_identity(self):
        self.start("[bms garage_1]\nname=Küche links\n")
        message = self.capture.wait_for(config_topic("garage_1"))
        self.assertEqual((message.retain, message.qos), (True, 1))
        document = message.json
        self.assertEqual(document["device"]["identifiers"], ["jkbmsd_garage_1"])
        self.assertEqual(document["device"]["via_device"], "jkbmsd_bridge")
        self.assertEqual(document["device"]["name"], "Küche links")
        self.assertEqual(document["availability"], [{"topic": "jkbms/bridge/availability"},
                                                    {"topic": "jkbms/garage_1/availability"}])
        self.assertEqual(document["availability_mode"], "all")
        soc = document["components"]["state_of_charge"]
        self.assertEqual(soc["unique_id"], "jkbmsd_garage_1_state_of_charge")
        self.assertEqual(soc["default_entity_id"], "sensor.kuche_links_state_of_charge")
        connection = document["components"]["connection"]
        self.assertEqual(connection["availability"], [{"topic": "jkbms/bridge/availability"}])

    def test_instance_and_prefixes(self):
        self.start("[daemon]\ninstance=attic\n[homeassistant]\nprefix=ha\nstatus-topic=ha/status\n",
                   topic_prefix="site/jk")
        document = self.capture.wait_for("ha/device/jkbmsd_attic_garage_1/config").json
        self.assertEqual(document["components"]["current"]["unique_id"],
                         "jkbmsd_attic_garage_1_current")
        self.assertEqual(document["device"]["via_device"], "jkbmsd_attic_bridge")
        self.assertEqual(document["state_topic"], "site/jk/garage_1/state")
        self.wait_for_all("site/jk")
        self.check(self.capture, "--ignore", "device-info", "--prefix", "ha")

    def test_no_discovery(self):
        self.start("[homeassistant]\ndiscovery=false\n")
        self.capture.wait_for("jkbms/garage_1/state")
        self.assertFalse([t for t in self.capture.topics() if t.startswith("homeassistant/")])

    def test_nothing_changes_nothing_is_sent(self):
        self.start()
        self.capture.wait_for("jkbms/garage_1/settings")
        wait_until(lambda: len(self.capture.messages("jkbms/garage_1/state")) >= 6, 20)
        self.assertLessEqual(len(self.capture.messages(config_topic("garage_1"))), 2)

    def test_smaller_profile_removes(self):
        """What an earlier run offered is removed once, then left out."""
        _, daemon, config = self.start("[homeassistant]\nentities=full\n")
        self.capture.wait_for(config_topic("garage_1"),
                              lambda m: "smart_sleep_voltage" in m.json["components"])
        daemon.stop()
        daemon.write_config(config + "[homeassistant]\nentities=minimal\n")
        seen = len(self.capture.messages(config_topic("garage_1")))
        daemon.start()

        def later():
            return self.capture.messages(config_topic("garage_1"))[seen:]

        wait_until(lambda: any("cell_voltage_1" in m.json["components"] for m in later()), 15)
        gone = [m for m in later() if "cell_voltage_1" in m.json["components"]]
        self.assertEqual(gone[0].json["components"]["cell_voltage_1"], {"platform": "sensor"})
        self.assertEqual(gone[0].json["components"]["alarm_event"], {"platform": "event"})
        wait_until(lambda: "cell_voltage_1" not in later()[-1].json["components"])
        self.assertIn("state_of_charge", later()[-1].json["components"])
        self.assertEqual(len(gone), 1)

    def test_ignored_since(self):
        """A BMS that the owner ignores now is cleared, although it was told of by an earlier run."""
        _, daemon, config = self.start()
        self.capture.wait_for("jkbms/garage_1/settings")
        daemon.stop()
        daemon.write_config(config + "[bms garage_1]\nignore=true\n")
        daemon.start()
        for topic in (config_topic("garage_1"), "jkbms/garage_1/availability",
                      "jkbms/garage_1/settings"):
            self.capture.wait_for(topic, lambda m: m.payload == "", 15)
        self.assertNotEqual(self.capture.last(config_topic("garage_0")).payload, "")

    def test_not_heard_since(self):
        """The state directory was lost and the BMS is silent: it is offline, not removed."""
        sim, daemon, _ = self.start()
        self.capture.wait_for("jkbms/garage_1/settings")
        daemon.stop()
        sim.command("offline 1")
        shutil.rmtree(daemon.state_dir)
        os.mkdir(daemon.state_dir)
        daemon.start()
        self.capture.wait_for("jkbms/garage_1/availability", lambda m: m.payload == "offline", 15)
        self.assertNotEqual(self.capture.last(config_topic("garage_1")).payload, "")

    def test_language(self):
        """Another language: each document once more with other names, and nothing else is other."""
        bus = self.enter(jkbtest.PrivateBus())
        self.start("[homeassistant]\nentities=full\n", bus=bus)
        topics = [config_topic(bms) for bms in ("garage_0", "garage_1", "bridge")]
        self.wait_for_all("jkbms")
        for topic in topics[:2]:
            self.capture.wait_for(topic, lambda m: "smart_sleep" in m.json["components"])
        before = [self.capture.last(topic).json for topic in topics]
        seen = [len(self.capture.messages(topic)) for topic in topics]
        bus.client().set(ROOT, "Manager", "Language", ("s", "de"))
        for topic, message in zip(topics, before):
            self.capture.wait_for(topic, lambda m, old=message: m.json != old)
        self.capture.wait_for("jkbms/garage_1/state")
        self.capture.sync()
        after = [self.capture.last(topic).json for topic in topics]
        self.assertEqual([len(self.capture.messages(topic)) for topic in topics],
                         [n + 1 for n in seen])
        self.assertEqual(after[1]["components"]["state_of_health"]["name"], "Gesundheitszustand")
        self.assertEqual(after[1]["components"]["cell_voltage_16"]["name"], "Zelle 16 Spannung")
        self.assertEqual(after[2]["components"]["bus_garage_health"]["name"], "Bus garage Güte")
        # The checker guesses classes from English names: not asked in another language.
        self.check(self.capture, "--ignore", "device-info,no-device-class")
        for document in before + after:
            for part in [document["device"], *document["components"].values()]:
                part.pop("name", None)
        self.assertEqual(before, after)

    def test_bridge(self):
        self.start()
        document = self.capture.wait_for("homeassistant/device/jkbmsd_bridge/config").json
        self.assertEqual(document["device"]["identifiers"], ["jkbmsd_bridge"])
        self.assertIn("bus_garage_health", document["components"])
        self.assertNotIn("availability", document["components"]["connection"])
        json.dumps(document)


if __name__ == "__main__":
    jkbtest.main()
