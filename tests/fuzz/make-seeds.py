#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""Makes the seeds of the fuzzers that cannot be typed, and the dictionary of the configuration.

    make-seeds.py JKBMS_SIM

Writes tests/fuzz/corpus/ and tests/fuzz/dict/; both are kept in the repository, so this is run only
when the wire or the option table changes.  All bytes come from our own simulator or from this file."""

import os
import re
import socket
import struct
import subprocess
import sys
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SEPARATOR = b"\x1e"


def write(target, name, data):
    directory = os.path.join(HERE, "corpus", target)
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, name), "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode())


# ---- records ------------------------------------------------------------------------------------

def crc(data):
    value = 0xffff
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0xa001 if value & 1 else value >> 1
    return data + struct.pack("<H", value)


def request(address, register):
    return crc(struct.pack(">BBHHBH", address, 0x10, register, 1, 2, 0))


def ack(address, register):
    return crc(struct.pack(">BBHH", address, 0x10, register, 1))


def read_request(address, register, count):
    return crc(struct.pack(">BBHH", address, 3, register, count))


def read_response(address, data):
    return crc(struct.pack(">BBB", address, 3, len(data)) + data)


def frame(kind, fill=0, **texts):
    data = bytearray(b"\x55\xaa\xeb\x90" + bytes([kind, 0]) + bytes([fill]) * 293)
    for place, text in texts.items():
        at = int(place[1:])
        data[at:at + len(text)] = text
    return bytes(data) + bytes([sum(data) & 0xff])


def live(ticks):
    """A live frame whose clock says so many tenths of a second."""
    data = bytearray(frame(1))
    data[246:250] = struct.pack("<I", ticks)
    data[299] = sum(data[:299]) & 0xff
    return bytes(data)


def info_frame():
    return frame(3, _6=b"JK_PB2A16S20P", _22=b"15A", _30=b"15.41", _46=b"name", _62=b"1234",
                 _78=b"250102", _86=b"4041234567", _102=b"user\xffdata", _118=b"password")


def simulated(sim, n_bytes, *arguments):
    with subprocess.Popen([sim, "--listen", "tcp:127.0.0.1:0", "--rate", "0", "--wait", *arguments],
                          stdout=subprocess.PIPE) as process:
        line = process.stdout.readline().decode()
        port = int(re.search(r":(\d+)\s*$", line).group(1))
        data = b""
        with socket.create_connection(("127.0.0.1", port)) as connection:
            while len(data) < n_bytes:
                piece = connection.recv(n_bytes - len(data))
                if not piece:
                    break
                data += piece
        process.kill()
    return data


def streams(sim):
    """Name and bytes of what a bus can carry."""
    info = request(2, 0x161C) + info_frame() + ack(2, 0x161C)
    full = frame(1, 0xff)
    yield "master", simulated(sim, 2600, "--bms", "0,1", "--master", "--seed", "3")
    yield "echo", simulated(sim, 1500, "--bms", "0,1", "--master", "--echo")
    yield "alarms", simulated(sim, 1300, "--bms", "0,1", "--master", "--alarm", "1:4@0", "--cells", "32")
    yield "lithium", simulated(sim, 1300, "--bms", "0", "--master", "--firmware", "19.31", "--cells", "8")
    yield "damaged", simulated(sim, 2600, "--bms", "0,1,2", "--master", "--fault", "corrupt=0.3",
                               "--fault", "drop=0.1", "--fault", "truncate=0.1", "--fault", "noise=0.3")
    yield "info", info + info[:200] + info
    yield "info-in-info", info_frame()[:130] + info_frame() + info_frame()[:60]
    yield "all-ones", request(1, 0x161E) + frame(2, 0xff) + ack(1, 0x161E) + full + ack(1, 0x1620)
    yield "all-zeros", frame(1) + ack(15, 0x1620) + frame(2) + frame(4) + frame(5) + frame(9)
    yield "conflict", request(1, 0x1620) + frame(1) + ack(2, 0x1620)
    settings = bytearray(frame(2))
    settings[270] = 1
    settings[299] = sum(settings[:299]) & 0xff
    yield "conflict-settings", request(2, 0x161E) + bytes(settings) + ack(2, 0x161E) + bytes(settings)
    yield "presets", b"".join(request(1, register) + frame(kind) + ack(1, register) for register, kind in
                              ((0x160A, 2), (0x160C, 2), (0x160E, 2), (0x1624, 4), (0x1622, 5)))
    yield "clocks", b"".join(request(1, 0x1620) + live(ticks) + ack(address, 0x1620) for address, ticks in
                             ((1, 1000), (2, 500000), (1, 500010), (2, 1010), (1, 1020)))
    yield "bad-sums", frame(1)[:299] + b"\x01" + info_frame()[:299] + b"\x01" + frame(1)
    yield "modbus", (read_request(1, 0x1438, 2) + read_response(1, b"\x11\x22\x33\x44")
                     + read_request(1, 0x1428, 60) + read_response(1, bytes(range(1, 121)))
                     + read_response(2, b"secret") + crc(b"\x01\x83\x02") + crc(b"\x01\x90\x0b")
                     + crc(struct.pack(">BBHHBL", 3, 0x10, 0x1004, 2, 4, 3650)))
    yield "repeated", 2 * (request(1, 0x1620) + frame(1, 3) + ack(1, 0x1620)) + b"\0\0" + frame(1, 3)
    yield "silence", request(1, 0x1620) + request(2, 0x1620) + request(1, 0x161E)
    yield "text", b"AT+NAME?\r\n+NAME:JK\r\n" * 6
    yield "modbus-tcp", b"\0\1\0\0\0\6\1\3\x14\x38\0\2" * 12


def clock_byte(timing, flags):
    """A byte with these flags that is timing modulo 3."""
    return next(byte for byte in range(flags, flags + 32) if byte % 3 == timing)


def make_wire(sim):
    for number, (name, data) in enumerate(streams(sim)):
        write("fuzz-decode", name, data)
        for timing in range(3):
            # See fuzz-stream.c: clock and flags, size of the pieces, gaps in ms.
            flags = (0, 0x20, 0x40, 0x80)[(number + timing) % 4]
            control = bytes([clock_byte(timing, flags), (1, 20, 255)[(timing + number) % 3],
                             (0, 1, 255)[(timing + number // 3) % 3]])
            if timing == number % 3 or name in ("master", "conflict", "all-ones", "clocks", "modbus", "presets"):
                write("fuzz-stream", f"{name}-{timing}", control + data)
    write("fuzz-stream", "own-requests", bytes([clock_byte(0, 0x20), 2, 0]) + dict(streams(sim))["modbus"])
    write("fuzz-stream", "own-triggers", bytes([clock_byte(0, 0x20), 255, 1]) + dict(streams(sim))["info"])
    for group in range(3):
        write("fuzz-frame", f"group-{group}", bytes([group, 4]) + b"\x55\xaa\xeb\x90" + bytes(range(256)))
        write("fuzz-frame", f"ones-{group}", bytes([group, 0]) + b"\xff" * 400)
        write("fuzz-frame", f"zeros-{group}", bytes([group, 0]))
    data = dict(streams(sim))["info"]
    write("fuzz-replay", "plain", SEPARATOR + data)
    write("fuzz-replay", "loop", b"?loop=true&speed=100000" + SEPARATOR + data[:40])
    write("fuzz-replay", "slow", b"?speed=1&loop=false" + SEPARATOR + data[:40])
    write("fuzz-replay", "mistake", b"?speed=-1e5&lop=1" + SEPARATOR)


# ---- configuration ------------------------------------------------------------------------------

GOOD = """# everything
[daemon]
log-level=debug
language=de
dbus-interval=0.5
instance=attic

[bus garage]
uri=serial:/dev/serial/by-id/usb-x
baud=9600
mode=poll
listen-before-talk=5
addresses=0,1,4-7
poll-interval=0.5
settings-interval=30
info-interval=600
command-gap=0.2
reply-timeout=auto
offline-after=20
reconnect-min=2
reconnect-max=20
no-data-timeout=60
enabled=false

[bus shed]
uri=tcp:[2001:db8::1]:8899
reply-timeout=1.5

[bms garage_1]
name=Left rack
ignore=true
include-in-bank=false

[mqtt]
enabled=true
uri=mqtts://broker.example:8884
username=me
password-credential=secret
client-id=jk
topic-prefix=a/b
commands=switches
interval=0
cells-interval=60
ca-file=/dev/null
cert-file=/dev/null
key-file=/dev/null
queue-max=10

[homeassistant]
discovery=false
prefix=ha
status-topic=ha/status
entities=full

[bank house]
members=garage_1;shed_0
require=quorum

[writes]
access=protection
"""

SMALL = "[bus garage]\nuri=tcp:gateway:502\n[mqtt]\nuri=mqtt://broker\n[bms garage_1]\nname=Left\n"

BAD_LINES = """baud=1
[daemon
[daemon] # all
[]
[bus]
[mqtt main]
[bus Garage]
[bms garage]
[bank my-house]
[homeasistant]
[daemon]
log-level debug
=debug
log-level=loud
log-level=info
log-level=debug
instance=Way too long for an instance
dbus-interval=-1
threads=4
[bus garage]
uri=udp:x
baud=fast
baud=0x2580
baud=9600.5
mode=maybe
addresses=3-1,17,,x
poll-interval=2 # fast
command-gap=0,12
offline-after=30s
listen-before-talk=inf
reply-timeout=
enabled=yes
reconnect-min=40
uri=mqtt://x
[bus shed]
uri=tcp:gateway:99999
[bus attic]
uri=tcp:user:secret@gateway:1
[bus loft]
uri=serial:ttyUSB0
[bus cave]
uri=replay:/etc/passwd?speed=0
[bus tower]
uri=
[bms garage_1]
name=a\\
[bms attic_3]
name=way too long, way too long, way too long, way too long, way too long, way too long, way too long
[mqtt]
uri=mqtts://user:password@broker
password=secret
password-file=relative
password-credential=../x
topic-prefix=a/+/#
client-id=\\t
username=\\n
commands=protection
ca-file=/nowhere/at/all
cert-file=/etc
key-file=/dev/null
queue-max=99999999999999999999
[homeassistant]
prefix=/ha/
status-topic=
entities=some
discovery=1
[bank house]
members=garage_1;;nobody_99
require=most
[writes]
access=all
[writes]
access=basic
"""

OVERLAY = """[overrides]
format=1

[bus garage]
baud=19200
poll-interval=1

[replaced bus garage]
baud=9600

[mqtt]
interval=2
password-file=/var/lib/jkbmsd/mqtt-password
commands=basic

[bus extra]
uri=tcp:10.0.0.1:1

[removed bus shed]
uri=tcp:[2001:db8::1]:8899
reply-timeout=1.5

[removed bus nowhere]
"""

CHANGES = """sbus garage|baud|57600
sbus garage|baud|9600
sbus garage|mode|listen
sbus nowhere|baud|9600
sbus garage|boud|9600
sbus garage|baud|1
smqtt|commands|basic
smqtt|uri|mqtt://u:p@h
sbms garage_2|name| edges and \\ more\x20
sdaemon|log-level|debug
rbus garage|poll-interval
rmqtt|
aextra
aextra
aBAD
sbus extra|uri|tcp:h:1
dgarage
agarage
sbus garage|uri|serial:/dev/ttyS0
p
dnobody
rbus garage|
"""


def options():
    with open(os.path.join(ROOT, "src/core/jkb-options.def"), encoding="utf-8") as file:
        return re.findall(r'^OPTION \((\w+), \w+, \w+, "([a-z-]+)", (?:"([^"]*)"|NULL)', file.read(), re.MULTILINE)


def make_config():
    def seed(name, *parts):
        write("fuzz-config", name, SEPARATOR.join(part.encode() for part in parts))
    seed("good", GOOD)
    seed("bad", BAD_LINES)
    seed("marks", "\ufeff" + SMALL.replace("\n", "\r\n") + "\0\n")
    write("fuzz-config", "latin", b"[bms garage_1]\nname=K\xfcche\n")
    seed("ports", """[bus a]
uri=serial:/etc/hostname
[bus b]
uri=replay:/nowhere
[bus c]
uri=replay:/etc/hostname?speed=2
mode=poll
[bus d]
uri=tcp:gateway:1
[bus e]
uri=tcp:gateway:1
[bus f]
uri=serial:/dev/null
[bus g]
uri=serial:/dev/../dev/null
[mqtt]
uri=mqtts://broker
password-file=/etc/passwd
password-credential=x
client-id=xyz
""")
    seed("two-files", GOOD, "[bus garage]\nbaud=4800\nmode=sometimes\n[bus loft]\nuri=serial:/dev/ttyUSB0\n")
    seed("overlay", GOOD, "", OVERLAY)
    seed("overlay-newer", SMALL, "", OVERLAY.replace("format=1", "format=2"))
    seed("overlay-damaged", SMALL, "", OVERLAY.replace("[mqtt]", "[mqtt"))
    seed("overlay-without-format", SMALL, "", "[bus garage]\nbaud=19200\n")
    seed("overlay-stale", GOOD, "[bus garage]\nbaud=4800\n", OVERLAY)
    seed("changes", GOOD, "", "", CHANGES)
    seed("changes-over", GOOD, "", OVERLAY, "rbus shed|\nrbus garage|baud\ndextra\nr|\nrbus|\nrxyz|\nrdaemon|xyz\n")
    seed("change-one", SMALL, "", "", "sbus garage|poll-interval|4\n")
    seed("change-all", SMALL, "", OVERLAY, "r|\n")
    seed("change-password", SMALL, "", "", "p\nsmqtt|username|me\n")
    seed("change-name", SMALL, "", "", "sbms garage_1|name| \\ \nsbms garage_3|ignore|true\n")
    seed("change-conflict", SMALL, "", "", "sbus garage|reconnect-min|60\n")
    seed("change-remove", SMALL, "", "", "sbms garage_2|name|x\ndgarage\nagarage\nsbus garage|uri|tcp:h:1\n")
    seed("change-restore", SMALL, "", "", "dgarage\nrbus garage|\n")
    forms = ("true", "byte 7", "int16 -1", "uint16 9600", "int32 -1", "uint32 0", "int64 5",
             "uint64 99999999999", "0.5", "@d nan", "-1.0", "<'x'>", "<<uint32 3>>", "['a','b']", "('x', 1)")
    for key in ("baud", "reply-timeout", "enabled", "mode", "uri"):
        seed(f"variants-{key}", SMALL, "", "", "".join(f"vbus garage|{key}|{form}\n" for form in forms))
    for number, (section, key, default) in enumerate(options()):
        name = {"BUS": "bus garage", "BMS": "bms garage_1", "BANK": "bank house"}.get(section, section.lower())
        write("fuzz-config", f"key-{number:02}", SEPARATOR.join(
            [SMALL.encode(), b"", b"", f"s{name}|{key}|{default}\n".encode()]))
    words = {name for _, key, default in options() for name in (key + "=", "=" + default) if len(name) > 1}
    words |= {f"[{group}]" for group in ("daemon", "bus garage", "bms garage_1", "mqtt", "homeassistant",
                                         "bank house", "writes", "overrides", "replaced mqtt",
                                         "removed bus garage")}
    words |= {"format=1", "tcp:", "serial:/dev/", "replay:/", "mqtt://", "mqtts://", "auto", "listen", "poll",
              "garage_1;garage_2", "0-3,7", "?speed=1", "&loop=true", "sbus garage|", "rbus garage|", "smqtt|"}
    os.makedirs(os.path.join(HERE, "dict"), exist_ok=True)
    with open(os.path.join(HERE, "dict", "fuzz-config.dict"), "w", encoding="utf-8") as file:
        file.writelines(f'"{word}"\n' for word in sorted(words))


# ---- what jkbmsctl, the broker and the state directory hand over ----------------------------------

def make_texts():
    numbers = b"\x10\x0e" * 40
    write("fuzz-apply", "good", numbers + SEPARATOR + b"# comment\n\nbalancer=on\nsettings.max_charge_current = 20\n")
    write("fuzz-apply", "bad", numbers + SEPARATOR + b"balancr=on\nbalancer\nbalancer=maybe\nbalancer=off\nbalancer=on\n"
          b"max_charge_current=1e9\ndevice_address=3\nmultiplexed_port_mode=can\n\x1b[2J=1\n")
    write("fuzz-apply", "latin", SEPARATOR + b"name=\xfc\n")
    write("fuzz-apply", "all-ones", b"\xff" * 400 + SEPARATOR + b"discharging_switch=true\n")

    ours = '{"availability":[{"topic":"jkbms/garage_1/availability"}],"components":{%s}}'
    def past(name, topic, document):
        write("fuzz-mqtt", name, b"\x01" + topic.encode() + b"\n" + document.encode())
    past("past", "homeassistant/device/jkbmsd_garage_1/config",
         ours % '"cell_voltage_30":{"platform":"sensor","x":1},"current":{"platform":"number","x":1},"old":{"platform":"sensor"}')
    past("past-other", "homeassistant/device/jkbmsd_garage_7/config", ours.replace("garage_1", "garage_7") % "")
    past("past-orphan", "homeassistant/device/jkbmsd_attic_2/config", ours.replace("garage_1", "attic_2") % "")
    past("past-bridge", "homeassistant/device/jkbmsd_bridge/config",
         '{"components":{"bus_old_state":{"platform":"binary_sensor","a":[]}}}')
    past("past-types", "homeassistant/device/jkbmsd_garage_1/config",
         '{"components":{"a":1,"b":{"platform":7,"x":1},"c":{"platform":null,"x":{}},"d":[]}}')
    past("past-strange", "homeassistant/device/jkbmsd_garage_1/config",
         '{"components":{"\\u0000\\n\\"":{"platform":"\\ud800x","y":\'a\'} /* c */ }}')
    past("past-array", "homeassistant/device/jkbmsd_garage_1/config", "[[[[[[[[1]]]]]]]]")
    for name, topic, payload in (("switch", "balancer", "ON"), ("number", "max_charge_current", "20.5"),
                                 ("unknown", "no_such_key", "1"), ("word", "multiplexed_port_mode", "rs485")):
        write("fuzz-mqtt", "command-" + name, b"\0jkbms/garage_1/set/" + topic.encode() + b"\n" + payload.encode())
    write("fuzz-mqtt", "command-retained", b"\x01jkbms/garage_1/set/balancer\non")
    write("fuzz-mqtt", "command-nobody", b"\0jkbms/nobody_1/set/balancer\non")

    known = ("[format]\nversion=%d\n[garage_1]\nbus=garage\naddress=1\ncells=16\nmodel=JK_PB2A16S20P\n"
             "serial_number=4041234567\nlive=total_voltage;current;\nsettings=balancer;\n"
             "[shed_15]\nbus=shed\naddress=15\n[garage_16]\nbus=garage\naddress=16\n[garage_2]\nbus=shed\naddress=2\n")
    hexadecimal = frame(2).hex()
    snapshot = f"[snapshot]\nformat=1\ntime=1795335300\nframe={hexadecimal}\n[values]\nbalancer=true\n"
    note = "[pending]\nformat=1\nsnapshot=20261122T081500.000Z\nkeys=balancer,max_charge_current\n"
    def state(name, *parts):
        write("fuzz-state", name, SEPARATOR.join(part.encode() for part in parts))
    state("good", known % 1, snapshot, note)
    state("newer", known % 2, snapshot.replace("format=1", "format=2"), "[pending]\n")
    state("damaged", (known % 1)[:60], snapshot[:300], note[:20])
    state("strange", (known % 1).replace("cells=16", "cells=-5").replace("JK_", "\\n\\t"), "", "")


def make_history():
    item = struct.pack("<q", 1767225600 * 10 ** 6) + frame(1)
    write("fuzz-history", "chunk", b"\0\x01" + zlib.compress(item + bytes(308)))
    write("fuzz-history", "chunk-cut", b"\0\x01" + zlib.compress(item)[:-6])
    write("fuzz-history", "items", b"\x01" + item + bytes(308))
    write("fuzz-history", "items-of-all-times", b"\x01" + (b"\xff" * 7 + b"\x7f" + bytes(300)) * 3)
    for mode in (2, 3):
        # head, tail, size, kind, clocks and id of the first records
        for name, place in (("head", 64), ("tail", 128), ("size", 4096), ("kind", 4102), ("time", 4110), ("id", 4130)):
            write("fuzz-history", f"journal-{mode}-{name}", bytes([mode]) + b"".join(
                struct.pack(">HB", place + i, value) for i, value in enumerate((0x60, 0xff))))
    for place in (16, 60, 100, 4096, 4200, 8192, 9000, 12288, 20480):
        write("fuzz-history", f"database-{place}", bytes([4]) + struct.pack(">HB", place, 0x55))
    write("fuzz-history", "good", b"\x02")


def main():
    make_wire(sys.argv[1])
    make_config()
    make_texts()
    make_history()


main()
