#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""The workshop itself: what it starts works, comes back, and is gone afterwards."""

import os

import jkbtest


class Harness(jkbtest.Case):

    def test_broker_comes_back_on_its_port(self):
        broker = self.enter(jkbtest.Broker())
        capture = self.enter(jkbtest.Capture(broker))
        broker.publish("a/b", '{"x":1}', retain=True)
        self.assertEqual(capture.wait_for("a/b").json, {"x": 1})
        self.assertTrue(capture.last("a/b").retain)
        broker.kill()
        broker.start()
        capture.sync()
        broker.publish("a/b", "2")
        capture.wait_for("a/b", lambda message: message.payload == "2")

    def test_broker_with_password_and_tls(self):
        tls = jkbtest.Certificates(self.directory)
        broker = self.enter(jkbtest.Broker(username="u", password="p w", tls=tls))
        capture = self.enter(jkbtest.Capture(broker))
        broker.publish("t", "1")
        capture.wait_for("t")
        self.assertTrue(broker.uri.startswith("mqtts://"))

    def test_private_bus_comes_back_at_its_address(self):
        bus = self.enter(jkbtest.PrivateBus())
        self.assertTrue(bus.client().has_owner("org.freedesktop.DBus"))
        bus.restart()
        client = bus.client()
        self.assertFalse(client.has_owner("io.github.jkbmsd1"))
        from jkbdbus import Error
        with self.assertRaises(Error) as caught:
            client.objects()
        self.assertEqual(caught.exception.name, "org.freedesktop.DBus.Error.ServiceUnknown")

    def test_simulator_takes_commands_and_comes_back(self):
        for tcp in (False, True):
            sim = self.enter(jkbtest.Sim("--bms", "0,1", "--master", tcp=tcp))
            self.assertEqual(sim.command("offline 1"), "ok")
            self.assertRaises(AssertionError, sim.command, "offline 9")
            sim.stop()
            sim.start()
            self.assertEqual(sim.command("online 1"), "ok")

    def test_parts_are_gone_afterwards(self):
        with jkbtest.Broker() as broker:
            pid, directory = broker.pid, broker.directory
        self.assertFalse(os.path.exists(directory))
        self.assertRaises(ProcessLookupError, os.kill, pid, 0)


if __name__ == "__main__":
    jkbtest.main()
