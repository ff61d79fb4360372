#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""Reads a JSON test log of Meson; explains failures and skips, then prints "PASSED FAILED SKIPPED".

Usage: test-results.py LABEL testlog.json
"""

import json
import re
import sys

TAIL = 60


def explain_skips(label, test, output):
    reasons = re.findall(r"(?:# SKIP|^SKIPPED:) *(.+)", output, re.MULTILINE)
    for reason in dict.fromkeys(reason.strip() for reason in reasons):
        print(f"skipped in [{label}] {test['name']}: {reason}", file=sys.stderr)
    return reasons


def main():
    label, path = sys.argv[1:]
    count = {"passed": 0, "failed": 0, "skipped": 0}
    with open(path, encoding="utf-8") as log:
        tests = [json.loads(line) for line in log]
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
