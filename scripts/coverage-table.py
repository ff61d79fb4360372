#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""Prints the lines that were reached, per file, from what "llvm-cov export -summary-only" says.

    coverage-table.py SUMMARY.json

Exit status 1 when a part is below what it must reach."""

import json
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# Title, files, least percentage of lines.
PARTS = [
    ("src/wire", r"src/wire/jkb-.*\.c", 95),
    ("the configuration parser", r"src/core/jkb-(config|forms|options|overlay|suggest).*\.c", 90),
]


def lines_of(summary):
    """Relative name of each source file: (reached, all) lines."""
    with open(summary, encoding="utf-8") as file:
        files = json.load(file)["data"][0]["files"]
    found = {}
    for entry in files:
        name = os.path.relpath(os.path.realpath(os.path.join(ROOT, entry["filename"])), ROOT)
        found[name] = (entry["summary"]["lines"]["covered"], entry["summary"]["lines"]["count"])
    return found


def row(name, reached, count):
    print(f"{name:34}{reached:7}{count:7}{100 * reached / count:8.1f} %")


def main():
    found = lines_of(sys.argv[1])
    status = 0
    print(f"{'file':34}{'lines':>7}{'of':>7}{'reached':>10}")
    for title, pattern, least in PARTS:
        part = {name: lines for name, lines in sorted(found.items()) if re.fullmatch(pattern, name)}
        for name, (reached, count) in part.items():
            row(name, reached, count)
        reached, count = (sum(lines[i] for lines in part.values()) for i in (0, 1))
        row(title, reached, count)
        if not count or 100 * reached / count < least:
            print(f"{title} must reach {least} %")
            status = 1
    return status


sys.exit(main())
