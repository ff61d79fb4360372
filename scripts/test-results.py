#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""Reads JSON test logs of Meson; explains failures and skips, then prints "PASSED FAILED SKIPPED".

A later log holds second tries, whose results count.

Usage: test-results.py LABEL LOG [LOG OF SECOND TRIES]
       test-results.py --failed LOG      the names of the failed tests, one a line
"""

import json
import os
import re
import sys

TAIL = 60
GOOD = ("OK", "EXPECTEDFAIL", "SKIP")


def explain_skips(label, test, output):
    reasons = re.findall(r"(?:# SKIP|^SKIPPED:) *(.+)", output, re.MULTILINE)
    for reason in dict.fromkeys(reason.strip() for reason in reasons):
        print(f"skipped in [{label}] {test['name']}: {reason}", file=sys.stderr)
    return reasons


def read(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as log:
        return [json.loads(line) for line in log]


def with_second_tries(first, second):
    tries = {test["name"]: test for test in second}
    for test in first:
        if test["name"] in tries and test["result"] not in GOOD:
            test = tries[test["name"]]
            if test["result"] in GOOD:
                print(f"needed a second try: {test['name']}", file=sys.stderr)
        yield test


def main():
    if sys.argv[1] == "--failed":
        for test in read(sys.argv[2]):
            if test["result"] not in GOOD:
                print(test["name"].split(" / ")[-1])
        return
    label, *paths = sys.argv[1:]
    count = {"passed": 0, "failed": 0, "skipped": 0}
    tests = list(with_second_tries(*(read(path) for path in (paths + [""])[:2])))
    if not tests:
        sys.exit(1)
    for test in tests:
        output = test.get("stdout", "") + test.get("stderr", "")
        result = test["result"]
        if result in ("OK", "EXPECTEDFAIL"):
            count["passed"] += 1
            explain_skips(label, test, output)
        elif result == "SKIP":
            count["skipped"] += 1
            if not explain_skips(label, test, output):
                print(f"skipped: [{label}] {test['name']} gave no reason", file=sys.stderr)
        else:
            count["failed"] += 1
            tail = "\n".join(output.splitlines()[-TAIL:])
            print(f"\n---- FAILED [{label}] {test['name']} ({result}, {test['duration']:.1f} s)\n{tail}\n",
                  file=sys.stderr)
    print(count["passed"], count["failed"], count["skipped"])


main()
