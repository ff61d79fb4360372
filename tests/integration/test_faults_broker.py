#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""The fault matrix, part: the broker, the way to it, its password and certificates."""

import os
import shutil
import signal
import subprocess
import tempfile
import time

import jkbmatrix
import jkbtest
from jkbfault import Rig
from jkbmatrix import LONG, fault, lane


# ---- broker

def careless_rig(**options):
    rig = Rig(**options)
    rig.keeps_broker = False
    return rig


@lane("broker")
def make_broker():
    return careless_rig()


def broker_fault(name, mode, what, says=r"MQTT: (?!connected)", seconds=2.5):
    def strike(rig):
        rig.proxy.set(mode)
        time.sleep(seconds)
        rig.proxy.set("pass")
    fault("broker", name, what, says)(strike)


broker_fault("broker-refuses", "refuse", "broker refuses connections")
broker_fault("broker-deaf", "deaf", "broker never accepts (black hole)")
broker_fault("broker-silent", "silent", "broker accepts and never answers")
broker_fault("broker-closes", "close", "broker closes at once")
broker_fault("broker-second", "second", "broker closes every second", seconds=5)
broker_fault("broker-babbles", "babble", "another service on the broker's port")
broker_fault("broker-frozen-link", "freeze", "the path to the broker swallows everything", None, 4)


@fault("broker", "broker-killed", "broker killed, back after 1 s", r"MQTT: (?!connected)")
def broker_killed(rig):
    rig.broker.kill()
    time.sleep(1)
    rig.broker.start()


@fault("broker", "broker-stopped", "broker hangs (SIGSTOP)")
def broker_stopped(rig):
    rig.broker.send_signal(signal.SIGSTOP)
    time.sleep(60 if LONG else 4)
    rig.broker.send_signal(signal.SIGCONT)


@fault("broker", "broker-flaps", "5 restarts within 3 s", r"MQTT: (?!connected)")
def broker_flaps(rig):
    for _ in range(5):
        rig.broker.kill()
        time.sleep(0.2)
        rig.broker.start()
        time.sleep(0.3)


# ---- security of the broker: password and certificates

@lane("login")
def make_login():
    broker = jkbtest.Broker(username="jkbms", password="right")
    password = os.path.join(broker.directory, "client-password")
    with open(password, "w", encoding="ascii") as file:
        file.write("right\n")
    os.chmod(password, 0o600)
    return careless_rig(broker=broker, mqtt=f"username=jkbms\npassword-file={password}")


@fault("login", "wrong-password", "broker has another password", r"MQTT: .*(?i:password|authori)")
def wrong_password(rig):
    passwords = os.path.join(rig.broker.directory, "passwords")
    with open(passwords, encoding="ascii") as file:
        right = file.read()
    wrong = passwords + ".new"
    with open(wrong, "w", encoding="ascii") as file:
        file.write("jkbms:another\n")
    subprocess.run(["mosquitto_passwd", "-U", wrong], check=True)
    os.chmod(wrong, 0o600)
    rig.broker.kill()
    os.replace(wrong, passwords)
    rig.broker.start()
    time.sleep(3)
    rig.broker.kill()
    with open(passwords, "w", encoding="ascii") as file:
        file.write(right)
    rig.broker.start()


@lane("tls")
def make_tls():
    directory = tempfile.mkdtemp(prefix="jkbtest-tls-")
    certificates = jkbtest.Certificates(directory)
    rig = careless_rig(broker=jkbtest.Broker(tls=certificates), mqtt=f"ca-file={certificates.ca}")
    rig.certificates = certificates
    rig.directories.append(directory)
    return rig


def with_certificate(rig, files):
    """The broker runs with other files for 3 s."""
    own = [rig.certificates.cert, rig.certificates.key]
    kept = []
    for path in own:
        with open(path, "rb") as file:
            kept.append(file.read())
    rig.broker.kill()
    for source, path in zip(files, own):
        shutil.copy(source, path)
    rig.broker.start()
    time.sleep(3)
    rig.broker.kill()
    for data, path in zip(kept, own):
        with open(path, "wb") as file:
            file.write(data)
    rig.broker.start()


def signed_elsewhere(rig, name, **options):
    directory = os.path.join(rig.certificates.directory, name)
    os.makedirs(directory)
    return jkbtest.Certificates(directory, **options)


def signed_by_the_same(rig, name, days, names):
    """A certificate of the same authority."""
    mine = rig.certificates
    kept = [mine.cert, mine.key]
    mine.cert, mine.key = mine._sign(name, os.path.join(mine.directory, "ca.key"), days,
                                     f"subjectAltName={names}")
    files = [mine.cert, mine.key]
    mine.cert, mine.key = kept
    return files


TLS = r"MQTT: .*(?i:certificate|TLS|ca-file)"


@fault("tls", "tls-unknown-authority", "certificate of an unknown authority", TLS)
def tls_unknown(rig):
    other = signed_elsewhere(rig, "other")
    with_certificate(rig, [other.cert, other.key])


@fault("tls", "tls-wrong-name", "certificate for another name", TLS)
def tls_name(rig):
    with_certificate(rig, signed_by_the_same(rig, "elsewhere", 2, "DNS:elsewhere.example"))


@fault("tls", "tls-expired", "certificate expired", TLS)
def tls_expired(rig):
    with_certificate(rig, signed_by_the_same(rig, "old", -1, "IP:127.0.0.1"))


@fault("tls", "tls-none", "broker speaks without TLS", r"MQTT: (?!connected)")
def tls_none(rig):
    with jkbtest.Broker() as plain:
        rig.proxy.target = plain.port
        rig.proxy.cut()
        time.sleep(2.5)
        rig.proxy.target = rig.broker.port
        rig.proxy.cut()


Faults = jkbmatrix.make_tests("The broker")

if __name__ == "__main__":
    jkbmatrix.main()
