#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""jkbms-alarm.py [COMMAND [ARGUMENT ...]]: prints a line when an alarm of a BMS begins or ends, and runs
COMMAND for each that begins, with JKBMS_ID, JKBMS_NAME, JKBMS_ALARM and JKBMS_SEVERITY set. Example:

    jkbms-alarm.py sh -c 'echo "$JKBMS_NAME: $JKBMS_ALARM" | mail -s "battery alarm" root'

Alarms that are active already when it starts count as beginning. What is only information (a factory
password that was never changed) is left out. Needs PyGObject (package python3-gi).
"""

import os
import subprocess
import sys

from gi.repository import Gio, GLib

SERVICE = "io.github.jkbmsd1"
ROOT = "/io/github/jkbmsd1"


def name_of(bus, path):
    reply = bus.call_sync(SERVICE, path, "org.freedesktop.DBus.Properties", "Get",
                          GLib.Variant("(ss)", (f"{SERVICE}.Bms", "Name")), None,
                          Gio.DBusCallFlags.NONE, 5000, None)
    return reply.unpack()[0]


def begins(bus, path, alarm, severity):
    bms, name = path.rsplit("/", 1)[1], name_of(bus, path)
    print(f"{bms} ({name}): {alarm} ({severity})", flush=True)
    if len(sys.argv) > 1:
        subprocess.Popen(sys.argv[1:], env={**os.environ, "JKBMS_ID": bms, "JKBMS_NAME": name,
                                            "JKBMS_ALARM": alarm, "JKBMS_SEVERITY": severity})


def on_signal(bus, _sender, path, _interface, signal, arguments):
    if signal == "AlarmCleared":
        print(f"{path.rsplit('/', 1)[1]}: {arguments.unpack()[0]} is over", flush=True)
    elif arguments.unpack()[1] != "info":
        begins(bus, path, *arguments.unpack())


def on_daemon(bus, _name, _owner):
    """jkbmsd is there, perhaps again: what is active now was signalled before we listened."""
    objects = bus.call_sync(SERVICE, ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects",
                            None, None, Gio.DBusCallFlags.NONE, 5000, None).unpack()[0]
    for path, interfaces in objects.items():
        for alarm in interfaces.get(f"{SERVICE}.Telemetry", {}).get("Errors", []):
            if alarm not in ("password_change_due", "gps_disconnected"):
                begins(bus, path, alarm, "active")


def main():
    bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)
    for signal in ("AlarmRaised", "AlarmCleared"):
        bus.signal_subscribe(SERVICE, f"{SERVICE}.Bms", signal, None, None,
                             Gio.DBusSignalFlags.NONE, on_signal)
    Gio.bus_watch_name_on_connection(bus, SERVICE, Gio.BusNameWatcherFlags.NONE, on_daemon, None)
    GLib.MainLoop().run()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
