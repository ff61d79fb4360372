# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""MQTT of the workshop (see jkbtest.py): a real Mosquitto, a subscriber that remembers, certificates."""

import json
import os
import random
import shutil
import socket
import subprocess
import sys

from jkbprocess import FACTOR, Process, free_port, wait_until


class Broker(Process):
    """A real Mosquitto on a loopback port that stays its own, with or without password and TLS.

    extra: further lines of mosquitto.conf."""

    def __init__(self, username=None, password=None, tls=None, extra=""):
        super().__init__("mosquitto")
        self.port = free_port()
        self.username, self.password, self.tls = username, password, tls
        lines = [f"listener {self.port} 127.0.0.1", "log_dest stderr", "persistence false",
                 "max_queued_messages 100000",
                 f"allow_anonymous {'false' if username else 'true'}"]
        if os.geteuid() == 0:
            lines.append("user root")
        if username:
            passwords = os.path.join(self.directory, "passwords")
            with open(passwords, "w", encoding="utf-8") as file:
                file.write(f"{username}:{password}\n")
            os.chmod(passwords, 0o600)
            subprocess.run(["mosquitto_passwd", "-U", passwords], check=True)
            lines.append(f"password_file {passwords}")
        if tls:
            lines += [f"cafile {tls.ca}", f"certfile {tls.cert}", f"keyfile {tls.key}"]
        config = os.path.join(self.directory, "mosquitto.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + f"\n{extra}\n")
        self.argv = [shutil.which("mosquitto", path=os.environ["PATH"] + ":/usr/sbin"), "-c", config]

    @property
    def uri(self):
        return f"{'mqtts' if self.tls else 'mqtt'}://127.0.0.1:{self.port}"

    def config(self, **keys):
        """The group [mqtt] of a jkbmsd.conf; underscores stand for hyphens."""
        lines = ["[mqtt]", f"uri={self.uri}"]
        lines += [f"{key.replace('_', '-')}={value}" for key, value in keys.items()]
        return "\n".join(lines) + "\n\n"

    def start(self):
        self.spawn()
        wait_until(self._listens, 10, lambda: f"mosquitto does not listen:\n{self.log}")

    def _listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def client_options(self):
        options = ["-h", "127.0.0.1", "-p", str(self.port)]
        if self.username:
            options += ["-u", self.username, "-P", self.password]
        if self.tls:
            options += ["--cafile", self.tls.ca]
        return options

    def publish(self, topic, payload, retain=False, qos=1):
        argv = ["mosquitto_pub", *self.client_options(), "-t", topic, "-q", str(qos)]
        argv += ["-m", payload] if payload else ["-n"]
        subprocess.run(argv + (["-r"] if retain else []), check=True, timeout=10 * FACTOR)


class Certificates:
    """A throw-away authority with a server certificate for 127.0.0.1 and one for a client."""

    def __init__(self, directory, days=2, names="IP:127.0.0.1,DNS:localhost"):
        self.directory = directory
        self.ca, ca_key = self._path("ca.pem"), self._path("ca.key")
        self._openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout",
                      ca_key, "-out", self.ca, "-subj", "/CN=jkbtest authority")
        self.cert, self.key = self._sign("server", ca_key, days, f"subjectAltName={names}")
        self.client_cert, self.client_key = self._sign("client", ca_key, days, "basicConstraints=CA:FALSE")

    def _path(self, name):
        return os.path.join(self.directory, name)

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)

    def _sign(self, name, ca_key, days, extension):
        key, request, cert = (self._path(name + end) for end in (".key", ".csr", ".pem"))
        extensions = self._path(name + ".ext")
        with open(extensions, "w", encoding="utf-8") as file:
            file.write(extension + "\n")
        self._openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", request,
                      "-subj", f"/CN=jkbtest {name}")
        self._openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", ca_key, "-set_serial",
                      str(random.getrandbits(60)), "-days", str(days), "-extfile", extensions,
                      "-out", cert)
        return cert, key


class Message:
    """One MQTT message as a subscriber saw it."""

    def __init__(self, record):
        self.topic = record["topic"]
        self.payload = record.get("payload") or ""
        self.retain = bool(record["retain"])
        self.qos = record["qos"]

    @property
    def json(self):
        return json.loads(self.payload)

    def __repr__(self):
        return f"{self.topic}{' (retained)' if self.retain else ''} {self.payload[:100]}"


class Capture(Process):
    """A subscriber (mosquitto_sub) that remembers everything; it reconnects by itself."""

    def __init__(self, broker, topic="#"):
        super().__init__("mosquitto_sub")
        self.broker = broker
        self.argv = ["mosquitto_sub", *broker.client_options(), "-V", "5", "-q", "1", "-t", topic,
                     "-t", "jkbtest/probe", "--retain-as-published", "-F", "%j"]
        self._lines, self._messages, self._parsed = [], [], 0

    def start(self):
        self.spawn()
        self.sync()

    def sync(self):
        """Returns when everything that the broker had before is here."""
        probe = f"{random.getrandbits(64):x}"

        def probe_seen():
            if f'"payload":"{probe}"' in self.log:
                return True
            self.broker.publish("jkbtest/probe", probe)
            return False
        wait_until(probe_seen, 10, lambda: f"no echo of a probe; mosquitto_sub said {self.log[-500:]}")

    def _parse(self):
        """What came since it was called last."""
        log = self.log
        end = log.rfind("\n") + 1
        for line in log[self._parsed:end].splitlines(keepends=True):
            if line.startswith("{") and line.endswith("}\n") and '"jkbtest/probe"' not in line:
                self._lines.append(line)
                self._messages.append(Message(json.loads(line)))
        self._parsed = end

    @property
    def lines(self):
        """The raw records, one JSON object per line, without our own probes."""
        self._parse()
        return list(self._lines)

    def messages(self, topic=None):
        self._parse()
        return [m for m in self._messages if topic is None or m.topic == topic]

    def topics(self):
        return {m.topic for m in self.messages()}

    def last(self, topic):
        found = self.messages(topic)
        return found[-1] if found else None

    def wait_for(self, topic, predicate=lambda message: True, timeout=10):
        """The newest message on the topic, once it satisfies the predicate."""
        def satisfied():
            message = self.last(topic)
            return message if message is not None and predicate(message) else None
        return wait_until(satisfied, timeout,
                          lambda: f"{topic} did not come; last: {self.last(topic)}")

    def save(self, path):
        """The form that ha_check.py reads."""
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(self.lines)
        return path

    def tell(self, test):
        print(f"---- {test}: {len(self.lines)} MQTT messages, topics {sorted(self.topics())}",
              file=sys.stderr)
