# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""The fault matrix: what breaks in years, broken on purpose, with real parts around the daemon.

After each fault the daemon must be well again by itself; nothing wrong may have been published; the
other bus must not have noticed; open files and memory must be back where they were; the log says in
a line what was wrong and is not flooded.

A file of the matrix, test_faults_KIND.py, registers lanes and faults and ends with

    Faults = jkbmatrix.make_tests ("On the line")
    if __name__ == "__main__":
        jkbmatrix.main()

The lanes of a file run at the same time, each in a process with a daemon of its own (see
jkbfault.Rig), the faults of a lane one after the other.

    JKB_TEST_LONG=1       heavier and longer faults as well
    JKB_WRITE_TABLE=1     writes the recovery times to docs/reliability.md
    test_faults_KIND.py LANE [FAULT...]   runs one lane and prints its results as JSON lines
"""

import concurrent.futures
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
import traceback
import unittest

import jkbtest
from jkbfault import MAX_LINES, RSS_SLACK_KIB

LONG = bool(os.environ.get("JKB_TEST_LONG"))
LANES = {}  # name: (function that makes the rig, {fault: (what, function, says, options)})
AT_A_TIME = 4
DOCUMENT = os.path.join(jkbtest.SOURCE_ROOT, "docs", "reliability.md")


def lane(name):
    """The function makes the rig of a lane; None: its faults do without."""
    def register(make):
        LANES[name] = (make, {})
        return make
    return register


def fault(lane_name, name, what, says=None, **options):
    """says: a regular expression that a line of the log must match.  options: see Rig.strike()."""
    def register(function):
        LANES[lane_name][1][name] = (what, function, says, options)
        return function
    return register


# ---- running

def report(key, **values):
    print(json.dumps(dict(fault=key, **values)), flush=True)


def attempt(name, key, rig):
    """Returns whether the rig is still good for others."""
    what, function, says, options = LANES[name][1][key]
    try:
        seconds = rig.strike(function, says, **options) if rig else function(None)
        report(key, seconds=seconds)
        return True
    except unittest.SkipTest as reason:
        report(key, skipped=str(reason))
        return True
    except Exception:
        report(key, error=traceback.format_exc())
        if rig is not None:
            rig.tell(name)
        return rig is None


def run_faults(name, left):
    """Runs what is left until a fault fails or all is done."""
    rig = LANES[name][0]()
    try:
        if rig is not None:
            rig.start()
        while left and attempt(name, left.pop(0), rig):
            pass
    finally:
        try:
            if rig is not None:
                rig.close()
        except Exception:
            report("the end of " + name, error=traceback.format_exc())


def run_lane(name, wanted):
    """Prints a JSON line per fault.  After one that failed the others get a fresh rig."""
    left = [key for key in LANES[name][1] if not wanted or key in wanted]
    while left:
        before = len(left)
        try:
            run_faults(name, left)
        except unittest.SkipTest as reason:
            for key in left:
                report(key, skipped=str(reason))
            return
        except Exception:
            if len(left) == before:
                report(left.pop(0), error=traceback.format_exc())


def run_in_child(name):
    """{fault: result} of one lane."""
    results = {}
    child = subprocess.Popen([sys.executable, os.path.abspath(sys.argv[0]), name], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
    try:
        output, errors = child.communicate()
    finally:
        child.terminate()
    for line in output.splitlines():
        if line.startswith("{"):
            result = json.loads(line)
            result["errors"] = errors[-8000:]
            results[result.pop("fault")] = result
    if child.returncode != 0:
        results[f"the lane {name}"] = {"error": f"status {child.returncode}\n{errors[-8000:]}"}
    return results


def run_lanes():
    """{fault: result} of all lanes, several at the same time; the one with the most faults begins."""
    results = {}
    names = sorted(LANES, key=lambda name: -len(LANES[name][1]))
    with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
        for found in pool.map(run_in_child, names):
            results.update(found)
    return results


# ---- as tests

def make_tests(title):
    """A test case with a test per fault."""

    class Faults(unittest.TestCase):
        results = {}

        @classmethod
        def setUpClass(cls):
            began = time.monotonic()
            cls.results = run_lanes()
            print(make_table(cls.results))
            print(f"{time.monotonic() - began:.0f} s in all")
            if os.environ.get("JKB_WRITE_TABLE"):
                write_section(title, cls.results)

        def judge(self, key):
            result = self.results.get(key, {"error": "it did not run"})
            if "skipped" in result:
                self.skipTest(result["skipped"])
            if "error" in result:
                self.fail(result["error"] + result.get("errors", ""))

        def test_nothing_else(self):
            for key, result in self.results.items():
                if key.startswith("the "):
                    self.fail(f"{key}: {result['error']}")

    for name, (_make, faults) in LANES.items():
        for key in faults:
            setattr(Faults, f"test_{name}_{key}".replace("-", "_"), lambda self, key=key: self.judge(key))
    return Faults


def main():
    if len(sys.argv) > 1 and sys.argv[1] in LANES:
        signal.signal(signal.SIGTERM, lambda *unused: sys.exit(1))
        run_lane(sys.argv[1], sys.argv[2:])
    else:
        jkbtest.main()


# ---- the table

def outcome(result):
    if result is None or "error" in result:
        return "**failed**"
    if "skipped" in result:
        return f"not run: {result['skipped']}"
    return f"{result['seconds']:.1f} s"


def make_table(results):
    lines = ["| fault | what happens | well again after |", "|---|---|---|"]
    for _make, faults in LANES.values():
        for key, (what, *_unused) in faults.items():
            lines.append(f"| {key} | {what} | {outcome(results.get(key))} |")
    return "\n".join(lines)


INTRODUCTION = """# Reliability: what was broken on purpose

The tables are written by `JKB_WRITE_TABLE=1 meson test -C BUILD --suite faults`. The parts are real:
pseudo terminals, socat and ser2net as gateways, Mosquitto, dbus-daemon, dbus-broker. Each fault strikes
one of two buses of a running daemon, or what surrounds it, and ends. Then all must be true:

- every BMS of both buses is online and was heard again, both links are up, MQTT is connected, without
  anybody's help; the time until then is in the table;
- a subscriber has a new state of each BMS, and no state ever held a number that the BMS did not say,
  nor one of another BMS;
- the other bus lost nothing: its counters of errors, overruns and reconnections stand still;
- the connection to the broker was not lost, unless the broker or the way to it was struck;
- no file is open that was not before, and the resident memory is within {slack} KiB of what it was;
- the log says what was wrong, in at most {lines} lines from the fault to the recovery.

The reconnection pauses of the test are 0.1 to 0.4 s (`reconnect-min`, `reconnect-max`), silence is
noticed after 1.5 s (`no-data-timeout`); with the defaults add up to `reconnect-max`.
Times were taken on two busy cores, {count} faults.

Beside the matrix:

- [tests/soak](../tests/soak/soak.py) strikes one daemon with the same faults in a random order, for as
  long as asked (a minute in `./test.sh`), and prints memory, files, latencies, losses and recoveries;
- `test_watchdog.py` stops single threads of a daemon, each of which must cost it its signs of life to
  systemd, while absent ports, gateways, brokers and name servers must not;
- `test_memcheck.py` runs a whole life of the daemon under Valgrind;
- `./test.sh --long` runs all integration tests under ThreadSanitizer, the plain run those in which
  threads cross;
- [tests/model](../tests/model/README.md) explores wake-ups, start and stop exhaustively.
"""


def write_section(title, results):
    """Replaces the section of this file; the others stay."""
    with open(DOCUMENT, "a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # other files of the matrix may run at the same time
        file.seek(0)
        parts = re.split(r"^## (.*)\n\n", file.read(), flags=re.MULTILINE)[1:]
        sections = dict(zip(parts[::2], parts[1::2]))
        sections[title] = make_table(results) + "\n"
        body = "".join(f"\n## {name}\n\n{sections[name].rstrip()}\n" for name in sections)
        count = len(re.findall(r"^\| [a-z0-9-]+ \|", body, re.MULTILINE)) - len(re.findall(r"^\| fault \|", body, re.MULTILINE))
        file.seek(0)
        file.truncate()
        file.write(INTRODUCTION.format(slack=RSS_SLACK_KIB, lines=MAX_LINES, count=count) + body)
