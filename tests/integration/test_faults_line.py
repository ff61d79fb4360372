#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""The fault matrix, part: the serial port and the bytes on the line."""

import os
import signal
import time
import unittest

import jkbmatrix
from jkbdbus import ROOT, bus_path
from jkbfault import PAUSE, Rig
from jkbmatrix import fault, lane
from jkbtest import wait_until


# ---- serial: a pty that is pulled out and plugged in

@lane("serial")
def make_serial():
    return Rig()


GONE = r"warning: a: .*(unplugged|not there|hung up|Input/output|No such)"


@fault("serial", "unplug", "adapter pulled out for 2 s", GONE)
def unplug(rig):
    rig.unplug()
    time.sleep(2)
    rig.plug_in()


@fault("serial", "other-number", "adapter back under another number", GONE)
def other_number(rig):
    old = os.readlink(rig.plug)
    if os.geteuid() != 0:
        raise unittest.SkipTest("only root can open a terminal that the daemon has for itself")
    holder = os.open(old, os.O_RDWR | os.O_NOCTTY)  # its number is taken for as long
    try:
        rig.unplug()
        rig.plug_in()
        if os.readlink(rig.plug) == old:
            raise AssertionError("the number is the same")
    finally:
        os.close(holder)


@fault("serial", "eio", "port answers EIO, its link stays", GONE)
def eio(rig):
    rig.sim_a.kill()
    os.unlink(rig.sim_a.link)
    time.sleep(1.5)
    os.unlink(rig.plug)
    rig.plug_in()


@fault("serial", "loose-plug", "6 contacts made and broken within 3 s", GONE)
def loose_plug(rig):
    for _ in range(6):
        rig.unplug()
        time.sleep(0.2)
        rig.plug_in()
        time.sleep(0.2)


@fault("serial", "silent-bus", "nobody speaks on the line", r"warning: a: ")
def silent_bus(rig):
    rig.sim_a.command("pause")
    time.sleep(PAUSE + 1)
    rig.sim_a.command("resume")


@fault("serial", "frozen-line", "whoever drives the line stops (SIGSTOP)", r"warning: a: ")
def frozen_line(rig):
    rig.sim_a.send_signal(signal.SIGSTOP)
    time.sleep(PAUSE + 1)
    rig.sim_a.send_signal(signal.SIGCONT)


@fault("serial", "dead-bus", "one bus dead for 6 s, the other loses no frame", GONE)
def dead_bus(rig):
    def frames():
        return rig.get(bus_path("b"), "Bus", "FramesReceived")
    rig.unplug()
    before, began = frames(), time.monotonic()
    time.sleep(6)
    rate = (frames() - before) / (time.monotonic() - began)
    if rate < 30:  # 3 times the line: over 100 frames a second without load
        raise AssertionError(f"the other bus brought {rate:.0f} frames a second")
    rig.plug_in()


@fault("serial", "bms-off", "one BMS is switched off", r"a_1", )
def bms_off(rig):
    rig.sim_a.command("offline 1")
    wait_until(lambda: not rig.get(f"{ROOT}/bms/a_1", "Bms", "Online"), 10, "still online")
    rig.sim_a.command("online 1")


# ---- line: what happens to bytes on their way

@lane("line")
def make_line():
    return Rig()


def line_fault(kind, rate, what, says=None, seconds=2.5):
    def strike(rig):
        rig.sim_a.command(f"fault {kind} {rate}")
        time.sleep(seconds)
        rig.sim_a.command("fault none")
    fault("line", kind, what, says)(strike)


line_fault("corrupt", 0.3, "one wrong byte in 30 % of the records")
line_fault("bitrate", 0.001, "0.1 % of all bytes wrong")
line_fault("drop", 0.3, "30 % of the records not heard")
line_fault("truncate", 0.3, "30 % of the records cut short")
line_fault("split", 1, "every record in two pieces")
line_fault("merge", 1, "records come together")
line_fault("echo", 1, "what is sent is heard")
line_fault("noise", 1, "random bytes in front of every record")
line_fault("silence", 0.5, "spells of silence")
line_fault("crosstalk", 0.3, "another frame on top of 30 % of the records")
line_fault("invert", 1, "A and B swapped", r"warning: a: ", seconds=PAUSE + 1.5)
line_fault("baud", 9600, "the reader at 9600 baud", r"warning: a: ", seconds=PAUSE + 1.5)


Faults = jkbmatrix.make_tests("The line")

if __name__ == "__main__":
    jkbmatrix.main()
