# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""The MQTT mirror: topics and their order, brokers that misbehave, TLS."""

import os
import random
import re
import time

import jkbtest
from jkbmaster import Master
from jkbtest import Broker, Capture, Certificates, Daemon, Sim, TcpPeer, bus_config, wait_until

PREFIX = "jkbms"
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

LIVE_KEYS = """total_voltage current power charging_power discharging_power state_of_charge
 state_of_health capacity_remaining full_charge_capacity charging_cycles
 total_charging_cycle_capacity total_runtime cell_count min_cell_voltage max_cell_voltage
 average_cell_voltage delta_cell_voltage min_voltage_cell max_voltage_cell mosfet_temperature
 temperature_sensor_1 temperature_sensor_2 temperature_sensor_4 temperature_sensor_5 balancing
 balancing_direction balancing_current charging discharging precharging heating heating_current
 charger_plugged charge_status charge_status_time_elapsed battery_type dry_contact_1 dry_contact_2
 errors errors_bitmask emergency_time smart_sleep_countdown detail_log_entry_count
 discharge_overcurrent_release_time discharge_short_circuit_release_time
 charge_overcurrent_release_time charge_short_circuit_release_time
 cell_undervoltage_release_time cell_overvoltage_release_time""".split()


def topic(bms, leaf):
    return f"{PREFIX}/{bms}/{leaf}"


class Base(jkbtest.Case):
    def sim_and_daemon(self, config, *sim_arguments, **bus_keys):
        sim = self.enter(Sim("--master", "--rate", "4", *sim_arguments))
        daemon = self.enter(Daemon(sim.config("garage", mode="listen", **bus_keys) + config))
        return sim, daemon


class Topics(Base):
    def setUp(self):
        super().setUp()
        self.broker = self.enter(Broker())
        self.capture = self.enter(Capture(self.broker))

    def test_payloads(self):
        self.sim_and_daemon(self.broker.config(interval=1, cells_interval=1), "--bms", "0,1")
        state = self.capture.wait_for(topic("garage_1", "state"))
        self.assertEqual((state.retain, state.qos), (False, 0))
        self.assertEqual(sorted(state.json), sorted(LIVE_KEYS + ["timestamp", "age"]))
        self.assertRegex(state.json["timestamp"], STAMP)
        self.assertLess(state.json["age"], 2)

        cells = self.capture.wait_for(topic("garage_1", "cells"))
        self.assertEqual((cells.retain, cells.qos), (False, 0))
        self.assertEqual(sorted(cells.json), ["cell_resistances", "cell_voltages", "timestamp"])
        self.assertEqual(len(cells.json["cell_voltages"]), 16)

        settings = self.capture.wait_for(topic("garage_1", "settings"))
        self.assertEqual((settings.retain, settings.qos), (True, 1))
        self.assertIn("cell_voltage_overvoltage_protection", settings.json)
        self.assertNotIn("model", settings.json)

        online = self.capture.wait_for(topic("garage_1", "availability"))
        self.assertEqual((online.payload, online.retain, online.qos), ("online", True, 1))
        bridge = self.capture.wait_for(f"{PREFIX}/bridge/state",
                                       lambda m: m.json["buses"]["garage"]["state"] == "up")
        self.assertEqual(bridge.json["buses"]["garage"]["role"], "listening")
        self.assertFalse(bridge.retain)

        # Settings go again only when they change, states every second.
        wait_until(lambda: len(self.capture.messages(topic("garage_1", "state"))) >= 4)
        self.assertEqual(len(self.capture.messages(topic("garage_1", "settings"))), 1)

    def test_info_has_no_serial_number(self):
        sim = self.enter(Sim("--bms", "1", tcp=True))
        master = self.enter(Master(sim, [1]))
        self.enter(Daemon(master.config("garage") + self.broker.config()))
        info = self.capture.wait_for(topic("garage_1", "info"), timeout=20)
        self.assertTrue(info.retain)
        self.assertIn("model", info.json)
        self.assertNotIn("serial_number", info.json)
        config = self.capture.wait_for("homeassistant/device/jkbmsd_garage_1/config",
                                       lambda m: "serial_number" in m.json["device"])
        serial = config.json["device"]["serial_number"]
        for message in self.capture.messages():
            if message.topic.startswith(PREFIX):
                self.assertNotIn(serial, message.payload)

    def test_order(self):
        """Who is there, what it is, how it is: after a connect and after Home Assistant's birth."""
        self.sim_and_daemon(self.broker.config(), "--bms", "0,1,2")
        for bms in ("garage_0", "garage_1", "garage_2"):
            self.capture.wait_for(topic(bms, "settings"))
        rounds = len(self.capture.messages(f"{PREFIX}/bridge/availability"))
        self.broker.publish("homeassistant/status", "online")

        def latest_round():
            order = [m.topic for m in self.capture.messages()]
            if order.count(f"{PREFIX}/bridge/availability") == rounds:
                return []
            return order[len(order) - 1 - order[::-1].index(f"{PREFIX}/bridge/availability"):]

        wait_until(lambda: topic("garage_2", "cells") in latest_round(), 15)
        order = latest_round()

        def places(suffix):
            return [i for i, t in enumerate(order) if t.endswith(suffix)]

        self.assertLess(places("/availability")[3], places("/config")[0])
        self.assertLess(places("/config")[3], places("garage_0/state")[0])
        self.assertLess(places("garage_0/state")[0], places("garage_0/cells")[0])

    def test_states_again_after_two_seconds(self):
        self.sim_and_daemon(self.broker.config(interval=600, cells_interval=600), "--bms", "0,1")
        self.capture.wait_for(topic("garage_1", "cells"))
        self.broker.publish("homeassistant/status", "online")
        wait_until(lambda: len(self.capture.messages(topic("garage_1", "state"))) >= 3, 12)
        wait_until(lambda: len(self.capture.messages(topic("garage_1", "cells"))) >= 3)
        self.assertEqual(len(self.capture.messages(topic("garage_1", "cells"))), 3)

    def test_old_birth_message_is_ignored(self):
        self.broker.publish("homeassistant/status", "online", retain=True)
        self.sim_and_daemon(self.broker.config(), "--bms", "0")
        self.capture.wait_for(topic("garage_0", "state"))
        time.sleep(6)
        self.assertEqual(len(self.capture.messages(f"{PREFIX}/bridge/availability")), 1)

    def test_alarm(self):
        sim, _ = self.sim_and_daemon(self.broker.config(interval=600), "--bms", "0,1")
        self.capture.wait_for(topic("garage_1", "state"))
        sim.command("alarm 1 4 on")
        event = self.capture.wait_for(topic("garage_1", "alarm"))
        self.assertEqual((event.retain, event.qos), (False, 1))
        self.assertEqual((event.json["event_type"], event.json["alarm"], event.json["severity"]),
                         ("raised", "cell_overvoltage", "protect"))
        self.assertRegex(event.json["timestamp"], STAMP)
        state = self.capture.wait_for(topic("garage_1", "state"),
                                      lambda m: "cell_overvoltage" in m.json["errors"], 5)
        self.assertEqual(state.json["errors_bitmask"] & 16, 16)
        sim.command("alarm 1 4 off")
        self.capture.wait_for(topic("garage_1", "alarm"),
                              lambda m: m.json["event_type"] == "cleared")

    def test_bms_goes_and_comes(self):
        sim, _ = self.sim_and_daemon(self.broker.config(), "--bms", "0,1", offline_after=3)
        self.capture.wait_for(topic("garage_1", "availability"), lambda m: m.payload == "online")
        sim.command("offline 1")
        self.capture.wait_for(topic("garage_1", "availability"),
                              lambda m: m.payload == "offline", 30)
        self.assertEqual(self.capture.last(topic("garage_0", "availability")).payload, "online")
        sim.command("online 1")
        self.capture.wait_for(topic("garage_1", "availability"), lambda m: m.payload == "online")

    def test_orderly_stop_and_crash(self):
        _, daemon = self.sim_and_daemon(self.broker.config(), "--bms", "0")
        availability = f"{PREFIX}/bridge/availability"
        self.capture.wait_for(availability, lambda m: m.payload == "online")
        started = time.monotonic()
        daemon.stop()
        self.assertLess(time.monotonic() - started, 2 * jkbtest.FACTOR)
        self.capture.wait_for(availability, lambda m: m.payload == "offline")
        daemon.start()
        self.capture.wait_for(availability, lambda m: m.payload == "online")
        daemon.kill()
        self.capture.wait_for(availability, lambda m: m.payload == "offline")

    def test_forgotten_bms_is_cleared(self):
        bus = self.enter(jkbtest.PrivateBus())
        sim = self.enter(Sim("--master", "--bms", "0,1"))
        self.enter(Daemon(sim.config("garage", mode="listen") + self.broker.config(), bus=bus))
        self.capture.wait_for(topic("garage_1", "settings"))
        sim.command("offline 1")
        time.sleep(1)
        bus.client().call("/io/github/jkbmsd1/bms/garage_1", "Bms", "Forget")
        for cleared in (topic("garage_1", "availability"), topic("garage_1", "settings"),
                        "homeassistant/device/jkbmsd_garage_1/config"):
            self.capture.wait_for(cleared, lambda m: m.payload == "" and m.retain)
        self.assertEqual(self.capture.last(topic("garage_0", "availability")).payload, "online")

    def test_reconnect_and_republish(self):
        bus = self.enter(jkbtest.PrivateBus())
        sim = self.enter(Sim("--master", "--rate", "4", "--bms", "0"))
        self.enter(Daemon(sim.config("garage", mode="listen") + self.broker.config(), bus=bus))
        self.capture.wait_for(topic("garage_0", "settings"))
        client = bus.client()
        availability = f"{PREFIX}/bridge/availability"
        for method in ("Republish", "Reconnect"):
            seen = len(self.capture.messages(availability))
            client.call("/io/github/jkbmsd1/mqtt", "Mqtt", method)
            wait_until(lambda n=seen: len(self.capture.messages(availability)) > n, 5, method)
        self.assertEqual(self.capture.last(availability).payload, "online")
        self.assertTrue(client.get("/io/github/jkbmsd1/mqtt", "Mqtt", "Connected"))
        self.assertGreater(client.get("/io/github/jkbmsd1/mqtt", "Mqtt", "Published"), 5)

    def test_every_frame(self):
        self.sim_and_daemon(self.broker.config(interval=0, cells_interval=0), "--bms", "0,1")
        self.capture.wait_for(topic("garage_0", "state"))
        time.sleep(3)
        stamps = [m.json["timestamp"] for m in self.capture.messages(topic("garage_0", "state"))]
        self.assertGreater(len(stamps), 3)
        self.assertEqual(stamps, sorted(stamps))


class Troubles(Base):
    """Each trouble has a sentence that says what to do, and ends when its cause does."""

    def daemon_with(self, mqtt, bus=None):
        pty = self.enter(jkbtest.Pty())
        return self.enter(Daemon(bus_config("garage", pty.uri) + mqtt, bus=bus))

    def test_wrong_password(self):
        bus = self.enter(jkbtest.PrivateBus())
        broker = self.enter(Broker(username="daemon", password="right"))
        secret = self.write("password", "wrong\n")
        daemon = self.daemon_with(broker.config(username="daemon", password_file=secret), bus=bus)
        daemon.wait_for_log("check username")
        client = bus.client()
        error = client.get("/io/github/jkbmsd1/mqtt", "Mqtt", "LastError")
        self.assertIn("password-file", error)
        self.assertFalse(client.get("/io/github/jkbmsd1/mqtt", "Mqtt", "Connected"))
        self.write("password", "right\n")  # read anew for every attempt
        daemon.wait_for_log("MQTT: connected", 20)
        wait_until(lambda: client.get("/io/github/jkbmsd1/mqtt", "Mqtt", "Connected"))
        self.assertEqual(client.get("/io/github/jkbmsd1/mqtt", "Mqtt", "LastError"), "")
        self.assertNotIn("wrong", daemon.log)

    def test_password_file_is_missing(self):
        broker = self.enter(Broker(username="daemon", password="right"))
        daemon = self.daemon_with(broker.config(username="daemon",
                                                password_file=self.path("nothing")))
        daemon.wait_for_log("MQTT: password-file")

    def test_nobody_listens(self):
        daemon = self.daemon_with(f"[mqtt]\nuri=mqtt://127.0.0.1:{jkbtest.free_port()}\n")
        daemon.wait_for_log("Nothing listens on port")

    def test_unknown_name(self):
        daemon = self.daemon_with("[mqtt]\nuri=mqtt://no-such-host.invalid\n")
        daemon.wait_for_log("'no-such-host.invalid' cannot be found", 30)

    def test_closes_at_once(self):
        peer = self.enter(TcpPeer(lambda connection, number: connection.close()))
        daemon = self.daemon_with(f"[mqtt]\nuri=mqtt://127.0.0.1:{peer.port}\n")
        daemon.wait_for_log("does not answer as an MQTT broker")
        time.sleep(5)
        self.assertLess(peer.connections, 16)

    def test_never_answers(self):
        peer = self.enter(TcpPeer(lambda connection, number: time.sleep(3600)))
        daemon = self.daemon_with(f"[mqtt]\nuri=mqtt://127.0.0.1:{peer.port}\n")
        daemon.wait_for_log("does not answer as an MQTT broker", 20)
        daemon.stop()  # within 2 s

    def test_speaks_something_else(self):
        def web_server(connection, number):
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10)
            connection.recv(1000)
            connection.close()
        peer = self.enter(TcpPeer(web_server))
        daemon = self.daemon_with(f"[mqtt]\nuri=mqtt://127.0.0.1:{peer.port}\n")
        daemon.wait_for_log("does not answer as an MQTT broker", 20)

    def test_client_id_is_taken(self):
        broker = self.enter(Broker())
        one = self.daemon_with(broker.config(client_id="same"))
        one.wait_for_log("MQTT: connected")
        two = self.daemon_with(broker.config(client_id="same", topic_prefix="two"))
        wait_until(lambda: "using the client id 'same'" in one.log + two.log, 30)


class Tls(Base):
    def start_with(self, certificates, **keys):
        broker = self.enter(Broker(tls=certificates))
        pty = self.enter(jkbtest.Pty())
        return self.enter(Daemon(bus_config("garage", pty.uri) + broker.config(**keys)))

    def certificates(self, **options):
        directory = self.path(f"tls{random.getrandbits(30)}")
        os.mkdir(directory)
        return Certificates(directory, **options)

    def test_own_authority(self):
        certificates = self.certificates()
        daemon = self.start_with(certificates, ca_file=certificates.ca)
        daemon.wait_for_log("MQTT: connected")

    def test_unknown_authority(self):
        daemon = self.start_with(self.certificates())
        daemon.wait_for_log("signed by nobody we trust")

    def test_wrong_name(self):
        certificates = self.certificates(names="DNS:elsewhere.example")
        daemon = self.start_with(certificates, ca_file=certificates.ca)
        daemon.wait_for_log("is not for the name '127.0.0.1'")

    def test_expired(self):
        certificates = self.certificates(days=-1)
        daemon = self.start_with(certificates, ca_file=certificates.ca)
        daemon.wait_for_log("has expired")

    def test_client_certificate(self):
        certificates = self.certificates()
        broker = Broker(tls=certificates, extra="require_certificate true")
        # The harness's own probe has no certificate; a plain connection is enough to see it listen.
        self.enter(broker)
        pty = self.enter(jkbtest.Pty())
        config = bus_config("garage", pty.uri)
        daemon = self.enter(Daemon(config + broker.config(ca_file=certificates.ca)))
        daemon.wait_for_log("check cert-file and key-file")
        daemon.stop()
        daemon.write_config(config + broker.config(ca_file=certificates.ca,
                                                   cert_file=certificates.client_cert,
                                                   key_file=certificates.client_key))
        daemon.start()
        daemon.wait_for_log("MQTT: connected")

    def test_plain_port(self):
        broker = self.enter(Broker())
        pty = self.enter(jkbtest.Pty())
        daemon = self.enter(Daemon(bus_config("garage", pty.uri)
                                   + f"[mqtt]\nuri=mqtts://127.0.0.1:{broker.port}\n"))
        daemon.wait_for_log("TLS")

    def test_missing_file(self):
        daemon = self.start_with(self.certificates(), ca_file=self.path("no-such.pem"))
        daemon.wait_for_log("ca-file")
        daemon.wait_for_log(" starts,")  # until then SIGTERM ends a process as it always does


if __name__ == "__main__":
    jkbtest.main()
