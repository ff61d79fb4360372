#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""The fault matrix, part: the D-Bus daemon."""

import signal
import time

import jkbmatrix
from jkbfault import BrokerBus, Rig
from jkbmatrix import LONG, fault, lane


@lane("dbus")
def make_dbus():
    return Rig()


@lane("broker-bus")
def make_broker_bus():
    return Rig(dbus=BrokerBus())


def on_both(name, what, says=None):
    """The fault of dbus-daemon, and that of dbus-broker."""
    def register(function):
        fault("dbus", f"dbus-{name}", what, says)(function)
        fault("broker-bus", f"dbus-broker-{name}", f"{what} (dbus-broker)", says)(function)
        return function
    return register


@on_both("restart", "D-Bus daemon restarts", r"D-Bus: ")
def dbus_restart(rig):
    rig.dbus.restart()
    rig.reconnect_client()


@on_both("absent", "D-Bus daemon away for 3 s", r"D-Bus: ")
def dbus_absent(rig):
    rig.dbus.kill()
    before = len(rig.capture.lines)
    time.sleep(3)
    if len(rig.capture.lines) < before + 4:
        raise AssertionError("MQTT stood still without D-Bus")
    rig.dbus.start()
    rig.reconnect_client()


@on_both("stopped", "D-Bus daemon hangs (SIGSTOP)")
def dbus_stopped(rig):
    rig.dbus.send_signal(signal.SIGSTOP)
    before = len(rig.capture.lines)
    time.sleep(20 if LONG else 4)
    moved = len(rig.capture.lines) - before
    rig.dbus.send_signal(signal.SIGCONT)
    if moved < 4:
        raise AssertionError("MQTT stood still while D-Bus hung")


@on_both("clients", "100 clients come, ask for everything and go")
def dbus_clients(rig):
    for _ in range(100):
        client = rig.dbus.client()
        client.objects()
        client.close()
        rig.dbus.clients.remove(client)


@on_both("flaps", "4 restarts within 2 s", r"D-Bus: ")
def dbus_flaps(rig):
    for _ in range(4):
        rig.dbus.kill()
        rig.dbus.start()
        time.sleep(0.4)
    rig.reconnect_client()


Faults = jkbmatrix.make_tests("D-Bus")

if __name__ == "__main__":
    jkbmatrix.main()
