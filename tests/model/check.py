#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""Explores the models exhaustively with spin: the model holds, and each broken variant is caught."""

import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
MODELS = {"inbox.pml": 3, "reader-stop.pml": 3, "mqtt-stop.pml": 3, "watchdog.pml": 2,
          "history.pml": 2}  # broken variants


def explore(model, variant):
    """(errors found, states stored); only a search that was complete counts."""
    with tempfile.TemporaryDirectory(prefix="jkbtest-model-") as directory:
        def run(*argv):
            return subprocess.run(argv, cwd=directory, capture_output=True, text=True, check=True).stdout
        run("spin", *([f"-D{variant}"] if variant else []), "-a", os.path.join(HERE, model))
        # What is broken is found soon: there the compiler takes longer than the search.
        run("gcc", "-O0" if variant else "-O1", "-DSAFETY", "-o", "pan", "pan.c")
        output = run("./pan", "-m200000")
    errors = re.search(r"errors: (\d+)", output)
    states = re.search(r"(\d+) states, stored", output)
    if "max search depth too small" in output or not errors or not states:
        sys.exit(f"{model}: the search was not complete:\n{output}")
    return int(errors.group(1)), int(states.group(1))


def main():
    for tool in ("spin", "gcc"):
        if shutil.which(tool) is None:
            print(f"SKIPPED: {tool} is not installed")
            return 77
    bad = 0
    for model, variants in MODELS.items():
        for variant in (None, *(f"BROKEN_{n + 1}" for n in range(variants))):
            errors, states = explore(model, variant)
            good = (errors > 0) == (variant is not None)
            bad += not good
            print(f"{'ok' if good else 'not ok'}: {model} {variant or 'as it is'}: {errors} errors, "
                  f"{states} states")
    return 1 if bad else 0


sys.exit(main())
