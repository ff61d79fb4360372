# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""What is missed while the broker or Home Assistant is away comes afterwards, whole, in order and
with the values that the simulator sent; the same history answers questions."""

import datetime
import json
import os
import random
import signal
import time

import jkbtest
from jkbdbus import Error, bms_path, bus_path
from jkbtest import FACTOR, Broker, Capture, Daemon, Sim, wait_until

PREFIX = "jkbms"
MQTT = "/io/github/jkbmsd1/mqtt"
LONG = bool(os.environ.get("JKB_TEST_LONG"))
# What the simulator's table and the daemon's call by the same name.
KEYS = """total_voltage current state_of_charge capacity_remaining charging_cycles mosfet_temperature
 temperature_sensor_1 temperature_sensor_5 total_runtime errors_bitmask cell_voltages
 cell_resistances""".split()


def seconds(stamp):
    """Of "2026-03-01T12:00:00.250Z" and of mosquitto_sub's "2026-03-01T12:00:00.250000+0000"."""
    form = "%Y-%m-%dT%H:%M:%S.%f%z"
    return datetime.datetime.strptime(stamp.replace("Z", "+0000", 1) if stamp.endswith("Z")
                                      else stamp.replace("Z+", "+"), form).timestamp()


class Lines:
    """The lines of a file that grows, each read once."""

    def __init__(self, path):
        self.path, self.at = path, 0

    def more(self):
        with open(self.path, "rb") as file:
            file.seek(self.at)
            data = file.read()
        data = data[:data.rfind(b"\n") + 1]
        self.at += len(data)
        return data.decode(errors="replace").splitlines()


class Feed(Sim):
    """The simulator, and the live frames that it sent."""

    def __init__(self, path, *arguments):
        super().__init__("--master", "--firmware", "19.31", "--truth", path, *arguments, tcp=True)
        self.truth = Lines(path)
        self.frames = []  # (address, values)
        self.index = {}

    def count(self):
        self.command("stats")  # writes down what is in its buffers
        for line in self.truth.more():
            if '"record":"frame"' in line and '"type":"live"' in line:
                frame = json.loads(line)
                values = tuple(json.dumps(frame[key]) for key in KEYS)
                self.index[frame["address"], values] = len(self.frames)
                self.frames.append((frame["address"], values))
        return len(self.frames)

    def wait_for_frames(self, count, timeout=60):
        wait_until(lambda: self.count() >= count, timeout, lambda: f"only {len(self.frames)} frames")


class Past(Capture):
    """A subscriber of history and state that remembers all in the order of arrival."""

    def __init__(self, broker, leaf="history"):
        super().__init__(broker, f"{PREFIX}/+/{leaf}")
        self.reader = Lines(self.log_path)
        self.received = []  # (id, values, when)

    def is_quiet(self):
        """Whether something came, and nothing for three seconds."""
        return self.received and time.time() - self.received[-1][2] > 3

    def read(self):
        for line in self.reader.more():
            if line.startswith("{") and f'"topic":"{PREFIX}/' in line and "/bridge/" not in line:
                record = json.loads(line)
                assert record["retain"] == 0, record
                self.received.append((record["topic"].split("/")[1], json.loads(record["payload"]),
                                      seconds(record["tst"])))
        return self.received


class Base(jkbtest.Case):
    def start_all(self, addresses, rate, shed=False, **mqtt):
        self.bus = self.enter(jkbtest.PrivateBus())
        self.client = self.bus.client()
        self.broker = self.enter(Broker())
        self.past = self.enter(Past(self.broker))
        self.feed = self.enter(Feed(self.path("truth"), "--bms", addresses, "--rate", rate))
        config = self.feed.config("garage", mode="listen")
        if shed:  # another bus, for what happens now
            self.shed = self.enter(Feed(self.path("truth-shed"), "--bms", addresses, "--rate", "line"))
            config += self.shed.config("shed", mode="listen")
        self.n_bms = int(addresses.partition("-")[2]) + 1
        self.daemon = self.enter(Daemon(config + self.broker.config(**mqtt), bus=self.bus))
        self.wait_online()

    def wait_online(self):
        """Returns the number of frames by when every BMS had been heard again."""
        def online():
            return sum(interfaces["io.github.jkbmsd1.Bms"]["Online"]
                       for path, interfaces in self.client.objects().items()
                       if path.startswith(bms_path("garage_"))) == self.n_bms
        wait_until(online, 30, lambda: f"not all online: {self.daemon.log[-2000:]}")
        return self.feed.count()

    def pause(self):
        """Returns how many frames there were, all of which the daemon has taken."""
        self.feed.command("pause")
        recorded = [-1, -2]
        while recorded[-1] != recorded[-2]:
            time.sleep(0.3 * FACTOR)
            recorded.append(self.client.get("/io/github/jkbmsd1", "Manager", "HistoryRecorded"))
        return self.feed.count()

    def kill(self):
        """kill -9 while frames come. Returns a count of frames that were heard in any case."""
        heard = self.pause()
        self.overruns += self.count_overruns()
        self.feed.command("resume")
        time.sleep(random.uniform(0, 0.1))
        self.daemon.send_signal(signal.SIGKILL)
        self.daemon.child.wait()
        return heard

    def wait_for_past(self, windows, timeout=60):
        """Until all frames of the windows came, but for those that a daemon without time to look at
        them has counted as overruns: they never were samples."""
        wanted = {index for first, end in windows for index in range(first, end)}
        overruns = self.overruns + self.count_overruns()

        def is_there():
            missing = len(wanted - self.indexes())
            return missing == 0 or (missing <= overruns and self.past.is_quiet())
        wait_until(is_there, timeout,
                   lambda: f"{len(wanted - self.seen)} of {len(wanted)} frames did not come: "
                           f"{self.stretches(wanted - self.seen)} of {windows}; {overruns} overruns")
        missing = len(wanted - self.seen)
        if missing:
            print(f"\n{missing} of {len(wanted)} frames were overrun by others")
        self.assertLess(missing, len(wanted) // 5)
        self.assertEqual(self.client.get("/io/github/jkbmsd1", "Manager", "HistoryDropped"), 0)

    @staticmethod
    def stretches(numbers):
        ordered = sorted(numbers)
        firsts = [n for n in ordered if n - 1 not in numbers]
        return [(n, next(m for m in ordered if m >= n and m + 1 not in numbers)) for n in firsts]

    def waiting(self):
        return self.client.get(MQTT, "Mqtt", "HistoryWaiting")

    def count_overruns(self):
        return self.client.get(bus_path("garage"), "Bus", "Overruns")

    def indexes(self):
        """Which frames came, by what they say."""
        fresh = self.past.read()[self.looked_at:]
        self.looked_at += len(fresh)
        self.feed.count()
        for bms, values, _when in fresh:
            if bms.startswith("garage_"):
                self.seen.add(self.frame(bms, values))
        return self.seen

    def frame(self, bms, values):
        """The number of the frame that says so."""
        return self.feed.index[int(bms.rpartition("_")[2]), self.identity(values)]

    def setUp(self):
        super().setUp()
        self.seen, self.looked_at = set(), 0
        self.overruns = 0  # of daemons that were killed

    @staticmethod
    def identity(values):
        return tuple(json.dumps(values[key]) for key in KEYS)

    def check_past(self):
        """Every message of the past is a frame that was sent; none comes twice with another time,
        and but for repetitions they come in the order of time. Returns the repetitions."""
        self.indexes()
        stamps, last, newest, repeated = {}, {}, "", 0
        for bms, values, _when in self.past.received:
            self.assertEqual(sorted(values), self.members)
            if not bms.startswith("garage_"):
                continue
            index, stamp = self.frame(bms, values), values["timestamp"]
            if index in stamps:
                self.assertEqual(stamps[index], stamp)
                repeated += 1
                continue
            # What was read at once has one time, and no order.
            before, then = last.get(bms, (-1, ""))
            if index <= before and stamp != then:
                self.fail(f"{bms}: {index} of {stamp} after {before} of {then}")
            self.assertGreaterEqual(stamp, newest, "the order of time over all")
            stamps[index], last[bms], newest = stamp, (max(index, before), stamp), stamp
        return repeated

    @property
    def members(self):
        """What a message of the past has in it."""
        if not hasattr(self, "_members"):
            with Past(self.broker, "state") as state, Past(self.broker, "cells") as cells:
                names = set()
                for capture in (state, cells):
                    wait_until(capture.read, 40, "no state or cells")
                    names |= set(capture.received[0][1])
            self._members = sorted(names - {"age"})
        return self._members


class Outage(Base):
    def test_ten_minutes(self):
        """16 BMS at 1 Hz for 10 minutes of the bus without a broker, and kill -9 in the middle; under a
        sanitizer a part of that shows what it can find."""
        n_frames = 9600 if FACTOR == 1 or LONG else 2400
        self.start_all("0-15", "line" if LONG else "20" if FACTOR == 1 else "10",
                       shed=True, interval=0, cells_interval=5)
        self.shed.command("pause")
        self.assertTrue(self.members)
        self.broker.kill()
        first = self.feed.count()
        self.feed.wait_for_frames(first + n_frames // 2, 900)
        heard = self.kill()
        self.daemon.start()
        again = self.wait_online()
        self.feed.wait_for_frames(again + n_frames // 2, 900)
        end = self.pause()

        live = Past(self.broker, "state")
        self.broker.start()
        self.enter(live)
        self.shed.command("resume")
        back = time.time()
        windows = [(first, heard), (again, end)]
        self.wait_for_past(windows, 90)
        done = time.time()
        self.assertGreaterEqual(sum(b - a for a, b in windows), n_frames)
        repeated = self.check_past()
        wait_until(lambda: self.waiting() == 0, 40)
        quiet = time.time()
        self.shed.wait_for_frames(self.shed.count() + 100)

        began = min(when for _bms, _values, when in self.past.received if when > back)
        print(f"\n{len(self.seen)} missed frames in {done - began:.1f} s, {began - back:.1f} s after "
              f"the broker; {repeated} repeated")
        self.check_delays(live, "meanwhile", began, done)
        self.check_delays(live, "afterwards", quiet, time.time())

    def check_delays(self, live, when, since, until):
        """How late live states were."""
        delays = sorted(came - seconds(values["timestamp"]) for bms, values, came in live.read()
                        if bms.startswith("shed_") and since <= came <= until)
        self.assertGreater(len(delays), 50)
        p99 = delays[len(delays) * 99 // 100]
        print(f"{when} {len(delays)} live states were late by {delays[len(delays) // 2] * 1000:.1f} ms "
              f"(median), {p99 * 1000:.1f} ms (p99), {delays[-1] * 1000:.1f} ms (most)")
        self.assertLess(p99, 0.5 * FACTOR)

    def test_twenty_kills(self):
        """No broker at all, and a daemon that is killed again and again; then the broker and the
        daemon go once more while the past is being sent."""
        self.start_all("0-1", "20" if FACTOR == 1 else "5")
        self.assertTrue(self.members)
        self.broker.kill()
        windows = [(self.feed.count(), self.kill())]
        for _ in range(20):
            self.daemon.start()
            first = self.wait_online()
            time.sleep(random.uniform(0, 0.4))
            windows.append((first, self.kill()))
        self.daemon.start()
        windows.append((self.wait_online(), self.pause()))
        self.broker.start()
        wait_until(lambda: len(self.past.read()) > 100, 40)
        self.broker.kill()
        self.overruns += self.count_overruns()
        self.daemon.kill()
        interrupted = len(self.past.read())
        self.broker.start()
        self.daemon.start()
        self.wait_for_past(windows)
        repeated = self.check_past()
        n_frames = sum(b - a for a, b in windows)
        print(f"\n{n_frames} missed frames between 20 kills, {interrupted} sent when it was "
              f"interrupted, {repeated} repeated")
        self.assertGreater(n_frames, 200)


class HomeAssistant(Base):
    def test_offline_and_online(self):
        """Home Assistant says goodbye and is born again; who wants no MQTT misses nothing; meanwhile
        the history answers questions."""
        self.start_all("0-1", "4", interval=0)
        states = self.enter(Past(self.broker, "state"))
        wait_until(lambda: len(states.read()) > 20, 20)
        self.client.set(MQTT, "Mqtt", "Enabled", ("b", False))
        off = self.feed.count() + 10
        self.feed.wait_for_frames(off + 90)
        unwanted = set(range(off, self.feed.count() - 60))  # the others may be heard after the change
        self.client.set(MQTT, "Mqtt", "Enabled", ("b", True))
        wait_until(lambda: self.client.get(MQTT, "Mqtt", "Connected"), 10)
        self.broker.publish("homeassistant/status", "offline")
        first = self.feed.count()
        self.feed.wait_for_frames(first + 60)
        self.broker.publish("homeassistant/status", "online")
        end = self.feed.count()
        self.check_questions(states)
        self.wait_for_past([(first, end)], 40)
        self.check_past()
        self.assertFalse(self.seen & unwanted)
        wait_until(lambda: self.waiting() == 0, 20)

    def check_questions(self, states):
        """GetHistory and jkbmsctl tell what was published."""
        published = {round(seconds(values["timestamp"]) * 1000): values
                     for bms, values, _when in states.read() if bms == "garage_1"}
        since, until = min(published) * 1000, max(published) * 1000 + 999
        for key in ("total_voltage", "current", "charging", "min_voltage_cell"):
            points = self.client.call(bms_path("garage_1"), "Bms", "GetHistory", "(sttu)", key, since,
                                      until, 0)
            told = {stamp // 1000: value for stamp, value in points}
            self.assertLess(len(points), self.feed.count())
            for stamp, values in published.items():
                self.assertEqual(told[stamp], float(values[key]))
        few = self.client.call(bms_path("garage_1"), "Bms", "GetHistory", "(sttu)", "current", since,
                               until, 10)
        every = self.client.call(bms_path("garage_1"), "Bms", "GetHistory", "(sttu)", "current", since,
                                 until, 0)
        self.assertLessEqual(len(few), 10)
        for pick in (min, max):
            self.assertEqual(pick(v for _t, v in few), pick(v for _t, v in every))
        answer = json.loads(jkbtest.ctl("history", "garage_1", "total_voltage", "--json", "--since",
                                        "10m", bus=self.bus))
        told = {point["time"]: point["value"] for point in answer["points"]}
        for values in published.values():
            self.assertEqual(told[values["timestamp"]], values["total_voltage"])
        self.assertIn("last ", jkbtest.ctl("history", "garage_1", "current", "--plot", bus=self.bus))
        for key, status in (("nosuch", 2), ("battery_type", 2), ("charging_switch", 2)):
            jkbtest.ctl("history", "garage_1", key, bus=self.bus, status=status)
        with self.assertRaises(Error) as caught:
            self.client.call(bms_path("garage_1"), "Bms", "GetHistory", "(sttu)", "nosuch", 0, 1, 0)
        self.assertEqual(caught.exception.name, "io.github.jkbmsd1.Error.NotFound")


if __name__ == "__main__":
    jkbtest.main()
