#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""Quick checks of the source tree itself: licence lines, syntax, leftovers."""

import ast
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LICENSED = (".c", ".h", ".def", ".py", ".sh", "meson.build")
LEFTOVERS = re.compile("|".join(rf"\b{a}{b}\b" for a, b in (("TO", "DO"), ("FIX", "ME"), ("X", "XX"))))


def tracked():
    listing = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], check=False, capture_output=True)
    if listing.returncode == 0:
        return [name for name in listing.stdout.decode().split("\0") if name]
    return [os.path.relpath(os.path.join(directory, name), ROOT)
            for directory, _, names in os.walk(ROOT) if "/build" not in directory for name in names]


def complaints(name):
    path = os.path.join(ROOT, name)
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except UnicodeDecodeError:
        return  # seeds of fuzzers and the like
    if name.endswith(LICENSED) and "SPDX-License-Identifier: MIT" not in text[:400]:
        yield "no SPDX line"
    for number, line in enumerate(text.splitlines(), 1):
        if LEFTOVERS.search(line):
            yield f"line {number}: an unfinished mark"
        if line.startswith(("<<<<<<< ", ">>>>>>> ")):
            yield f"line {number}: a merge conflict"
        if line != line.rstrip() and name.endswith(LICENSED):
            yield f"line {number}: blanks at the end"
    if name.endswith(".py"):
        ast.parse(text, name)
    if name.endswith((".xml", ".policy")):
        ElementTree.fromstring(text)
    if text.startswith("#!") and not os.access(path, os.X_OK) and not name.startswith("debian/"):
        yield "has a #! line but is not executable"


def main():
    found = 0
    for name in tracked():
        if not os.path.isfile(os.path.join(ROOT, name)):
            continue
        try:
            for complaint in complaints(name):
                print(f"{name}: {complaint}")
                found += 1
        except (SyntaxError, ElementTree.ParseError) as error:
            print(f"{name}: {error}")
            found += 1
    return 1 if found else 0


sys.exit(main())
