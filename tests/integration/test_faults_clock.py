#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""The fault matrix, part: a clock that is wrong, jumps, or is set only some time after the start."""

import os
import tempfile
import time
import unittest

import jkbmatrix
import jkbtest
from jkbdbus import ROOT
from jkbfault import Rig
from jkbmatrix import LONG, fault, lane


UNSET = 100  # s since 1970 that a clock tells which nobody has set


class ClockRig(Rig):
    """The daemon's clock is the file rig.clock: how many seconds it is off."""

    def __init__(self, **options):
        library = next((path for path in (f"/usr/lib/{machine}/faketime/libfaketimeMT.so.1"
                                          for machine in os.listdir("/usr/lib")) if os.path.exists(path)), None)
        if library is None:
            raise unittest.SkipTest("libfaketime is not installed")
        if jkbtest.FACTOR != 1:
            raise unittest.SkipTest("libfaketime and sanitizers do not go together")
        directory = tempfile.mkdtemp(prefix="jkbtest-clock-")
        self.clock = os.path.join(directory, "time")
        super().__init__(env={"LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": self.clock,
                              "FAKETIME_NO_CACHE": "1", "DONT_FAKE_MONOTONIC": "1",
                              "FAKETIME_DONT_FAKE_MONOTONIC": "1"}, **options)
        self.directories.append(directory)
        self.set_clock(0)

    def set_clock(self, seconds):
        with open(self.clock + ".new", "w", encoding="ascii") as file:
            file.write(f"{seconds:+d}")
        os.replace(self.clock + ".new", self.clock)
        self.now_us = lambda: int((time.time() + seconds) * 1e6)

    def start_unset(self):
        self.daemon.stop()
        self.set_clock(UNSET - int(time.time()))
        self.daemon.start()


@lane("clock")
def make_clock():
    return ClockRig()


@fault("clock", "clock-forward", "clock a day forward")
def clock_forward(rig):
    rig.set_clock(86400)


@fault("clock", "clock-back", "clock two days back")
def clock_back(rig):
    rig.set_clock(-86400)


@fault("clock", "clock-right", "clock set right again")
def clock_right(rig):
    rig.set_clock(0)


def alarms(rig):
    return [message.json for message in rig.capture.messages("jkbms/a_0/alarm")]


@fault("clock", "clock-late", "clock is set some time after the start; an alarm comes before", other_bus=False,
       broker=False)
def clock_late(rig):
    before = len(alarms(rig))
    rig.start_unset()
    rig.wait_healthy()
    rig.sim_a.command("alarm 0 4 on")
    rig.wait_published()
    time.sleep(150 if LONG else 3)
    if len(alarms(rig)) > before:
        raise AssertionError(f"an alarm without a time: {alarms(rig)[before:]}")
    rig.set_clock(0)
    jkbtest.wait_until(lambda: len(alarms(rig)) > before, 15, "the alarm did not come")
    rig.sim_a.command("alarm 0 4 off")


@lane("tls-clock")
def make_tls_clock():
    directory = tempfile.mkdtemp(prefix="jkbtest-tls-")
    certificates = jkbtest.Certificates(directory)
    rig = ClockRig(broker=jkbtest.Broker(tls=certificates), mqtt=f"ca-file={certificates.ca}")
    rig.directories.append(directory)
    rig.keeps_broker = False
    return rig


@fault("tls-clock", "tls-clock-late", "no certificate is valid before the clock is set",
       r"MQTT: .*(?i:certificate|TLS|clock)", other_bus=False)
def tls_clock_late(rig):
    rig.start_unset()
    time.sleep(5)
    if rig.get(f"{ROOT}/mqtt", "Mqtt", "Connected"):
        raise AssertionError("a certificate of the future was good enough")
    rig.set_clock(0)


Faults = jkbmatrix.make_tests("The clock")

if __name__ == "__main__":
    jkbmatrix.main()
