#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""dbus-broker without systemd: dbus_broker.py CONFIG SOCKET

Makes what dbus-broker-launch expects of systemd, a listening socket and a journal that takes its log
(printed here), and becomes dbus-broker-launch.  As the journal has a fixed place, this is to run in a
mount namespace of its own with an empty /run/systemd: see jkbfault.BrokerBus."""

import ctypes
import os
import re
import signal
import socket
import sys

JOURNAL = "/run/systemd/journal/socket"


def print_journal(journal):
    """In a process of its own, which ends with its parent."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    while True:
        entry = journal.recv(65536)
        for message in re.findall(rb"^MESSAGE=(.*)", entry, re.MULTILINE):
            os.write(1, message + b"\n")


def main(config, path):
    os.makedirs(os.path.dirname(JOURNAL))
    journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    journal.bind(JOURNAL)
    if os.fork() == 0:
        print_journal(journal)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    os.dup2(listener.fileno(), 3)
    os.set_inheritable(3, True)
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1",
                      DBUS_SESSION_BUS_ADDRESS=f"unix:path={path}")
    os.execvp("dbus-broker-launch", ["dbus-broker-launch", "--scope", "user", "--config-file", config])


main(*sys.argv[1:])
