#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""How the programs were compiled and linked: what makes a mistake in them harder to use."""

import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
import jkbtest  # noqa: E402

PROGRAMS = ("jkbmsd", "jkbmsctl", "jkbms-sim")


def readelf(option, name):
    try:
        return subprocess.run(["readelf", "--wide", option, jkbtest.program(name)], check=True,
                              capture_output=True, text=True).stdout
    except FileNotFoundError:
        raise unittest.SkipTest("readelf is not installed (package binutils)") from None


class Hardening(unittest.TestCase):

    def test_position_independent(self):
        for name in PROGRAMS:
            self.assertIn("DYN", readelf("--file-header", name))
            self.assertRegex(readelf("--dynamic", name), r"FLAGS_1.*\bPIE\b")

    def test_relocations_read_only_and_bound_at_start(self):
        for name in PROGRAMS:
            self.assertIn("GNU_RELRO", readelf("--program-headers", name))
            self.assertRegex(readelf("--dynamic", name), r"\bNOW\b|BIND_NOW")

    def test_no_executable_stack_and_no_writable_code(self):
        for name in PROGRAMS:
            headers = readelf("--program-headers", name)
            segments = re.findall(r"^ *(LOAD|GNU_STACK) .* ([R ][W ][E ]) +0x", headers, re.MULTILINE)
            self.assertIn(("GNU_STACK", "RW "), segments, f"{name}: {headers}")
            self.assertGreater(len(segments), 2)
            for kind, flags in segments:
                self.assertNotEqual(flags[1:], "WE", f"{name}: {kind}")
            self.assertNotIn("TEXTREL", readelf("--dynamic", name))

    def test_no_search_path(self):
        """An installed program takes its libraries from the system only."""
        for name in PROGRAMS:
            self.assertNotRegex(readelf("--dynamic", name), r"\((RPATH|RUNPATH)\)")

    def test_stack_protector(self):
        for name in PROGRAMS:
            self.assertIn("__stack_chk_fail", readelf("--dyn-syms", name))

    def test_fortified(self):
        if not os.environ.get("JKB_OPTIMIZED"):
            self.skipTest("this build is not optimized, and _FORTIFY_SOURCE needs that")
        for name in PROGRAMS:
            self.assertRegex(readelf("--dyn-syms", name), r"__\w+_chk\b")


if __name__ == "__main__":
    jkbtest.main()
