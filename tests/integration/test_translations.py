# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""The programs in other languages, with the catalogues of the build: texts, columns, and what stays
English."""

import atexit
import functools
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import jkbtest
from jkbtest import FACTOR, Daemon, PrivateBus, Sim, wait_until
from test_ctl import columns
from test_top import Terminal

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CATALOGUES = os.environ.get("JKB_LOCALEDIR", "")


def languages():
    with open(os.path.join(ROOT, "po", "LINGUAS"), encoding="utf-8") as file:
        return [line.strip() for line in file if line.strip() and line[0] != "#"]


def cells(line):
    """(text, column behind it) of what two blanks or more keep apart."""
    return [(m.group(), columns(line[:m.end()])) for m in re.finditer(r"\S+(?: \S+)*", line)]


@functools.lru_cache
def locale():
    """Newer C libraries translate nothing in C.UTF-8, so that a locale is made for the test."""
    if not os.path.isfile("/usr/share/i18n/locales/en_US") or not shutil.which("localedef"):
        return {"LC_ALL": "C.UTF-8"}
    directory = tempfile.mkdtemp(prefix="jkbtest-locale-")
    atexit.register(shutil.rmtree, directory, True)
    subprocess.run(["localedef", "--no-archive", "-i", "en_US", "-f", "UTF-8",
                    os.path.join(directory, "en_US.UTF-8")], check=True, capture_output=True)
    return {"LC_ALL": "en_US.UTF-8", "LOCPATH": directory}


class Catalogues(unittest.TestCase):
    """Every text of the tree is translated in every catalogue."""

    def catalogue(self, language):
        return os.path.join(ROOT, "po", f"{language}.po")

    def run_tool(self, *command, **more):
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", cwd=ROOT,
                              env={**os.environ, "LC_ALL": "C.UTF-8", **more}, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def test_languages(self):
        self.assertEqual(languages(), ["de", "es", "fr", "it", "nl", "pl", "pt_BR", "uk", "zh_CN",
                                       "zh_TW"])

    def test_complete(self):
        for language in languages():
            with self.subTest(language=language):
                said = self.run_tool("msgfmt", "--check", "--statistics", "-o", "/dev/null",
                                     self.catalogue(language)).stderr
                self.assertRegex(said, r"^\d+ translated messages\.\n$")

    def test_nothing_is_missing(self):
        with tempfile.TemporaryDirectory() as directory:
            template = os.path.join(directory, "jkbmsd.pot")
            self.run_tool("xgettext", "--from-code=UTF-8", "--keyword=_", "--keyword=N_",
                          "--keyword=C_:1c,2", "--keyword=ngettext:1,2", "-f", "po/POTFILES",
                          "-o", template, GETTEXTDATADIRS=os.path.join(ROOT, "po"))
            wanted = self.run_tool("msgattrib", "--no-obsolete", "--no-wrap", template).stdout
            self.assertGreater(wanted.count("\nmsgid "), 500)
            for language in languages():
                with self.subTest(language=language):
                    merged = os.path.join(directory, f"{language}.po")
                    self.run_tool("msgmerge", "-q", "-N", "-o", merged, self.catalogue(language),
                                  template)
                    missing = self.run_tool("msgattrib", "--untranslated", "--no-wrap",
                                            "--no-location", merged).stdout
                    self.assertEqual(re.findall(r'(?m)^msgid "(.+)"', missing), [])


class Base(jkbtest.Case):
    def setUp(self):
        super().setUp()
        if not os.path.isdir(os.path.join(CATALOGUES, "de")):
            self.skipTest("set JKB_LOCALEDIR to build/po")

    def environment(self, language):
        return {**locale(), "LANGUAGE": language, "JKBMSD_LOCALEDIR": CATALOGUES}

    def run_program(self, language, program, *arguments, status=0, **more):
        done = subprocess.run([jkbtest.program(program), *arguments], capture_output=True, text=True,
                              env={**os.environ, **self.environment(language), **more},
                              encoding="utf-8", timeout=30 * FACTOR, check=False)
        self.assertEqual(done.returncode, status, f"{language}: {arguments}: {done.stderr}")
        for word in jkbtest.BAD_WORDS:
            self.assertNotIn(word, done.stdout + done.stderr)
        return done.stdout + done.stderr


class Help(Base):
    def test_german(self):
        text = self.run_program("de", "jkbmsctl", "--help")
        self.assertRegex(text, "(?m)^  list +Die Busse und jedes BMS mit seinen wichtigsten Werten")
        self.assertRegex(text, "(?m)^  get ID SCHLÜSSEL ")
        self.assertIn("Stattdessen ein serieller Anschluss sein",
                      self.run_program("de", "jkbms_sim", "--help"))
        self.assertIn("Ohne D-Bus laufen", self.run_program("de", "jkbmsd", "--help"))
        self.assertIn("jkbmsctl: es gibt kein Verb „lst“; meinten Sie „list“?",
                      self.run_program("de", "jkbmsctl", "lst", status=2))
        self.assertIn("„1:2“ ist kein Alarm; schreiben Sie",
                      self.run_program("de", "jkbms_sim", "--alarm", "1:2", status=2))

    def test_every_verb(self):
        text = self.run_program("en", "jkbmsctl", "--help")
        verbs = re.findall(r"(?m)^  ([a-z]+(?: [a-z]+)?)(?:$| )", text.split("Verbs:")[1])
        self.assertGreater(len(verbs), 20)
        for language in languages():
            # The second column begins in one place, however wide the first one's characters are.
            lines = self.run_program(language, "jkbmsctl", "--help").split("\n")
            starts = [columns(line[:m.start(1)]) for line in lines if re.match("  [a-z]", line)
                      for m in [re.search(r"\S  +(\S)", line)] if m]
            self.assertGreater(len(starts), 12)
            self.assertEqual(len({start for start in starts if start <= 24}), 1, lines)
            for verb in verbs if language in ("de", "pl", "zh_TW") else verbs[:1]:
                text = self.run_program(language, "jkbmsctl", *verb.split(), "--help")
                self.assertIn(f"jkbmsctl {verb}", text)


class Screens(Base):
    def setUp(self):
        super().setUp()
        self.bus = self.enter(PrivateBus())
        sim = self.enter(Sim("--bms", "0,1,2", "--master", "--rate", "4", "--alarm", "1:4@0"))
        self.enter(Daemon(sim.config("garage") + "[bms garage_1]\nname=左側電池\n", bus=self.bus))
        client = self.bus.client()
        wait_until(lambda: len(client.bms()) == 3, 20)
        wait_until(lambda: "SmartSleepVoltage" in client.get_all("/io/github/jkbmsd1/bms/garage_1",
                                                                 "Settings"), 20)

    def ctl(self, language, *arguments, status=0):
        return self.run_program(language, "jkbmsctl", *arguments, status=status,
                                JKBMSD_BUS_ADDRESS=self.bus.address)

    def test_german(self):
        text = self.ctl("de", "list")
        self.assertRegex(text, "(?m)^garage +verbunden +hört zu +100 ")
        text = self.ctl("de", "show", "garage_1")
        for part in ("\n  Ladezustand         ", "Zellenüberspannung (Schutz)", "Lade-MOSFET",
                     "\n  Zellenunterspannungsschutz  "):
            self.assertIn(part, text)
        self.assertIn("kein BMS „shed“; „jkbmsctl list“ zeigt die vorhandenen",
                      self.ctl("de", "show", "shed", status=3))

    def test_machines_read_english(self):
        self.assertEqual(json.loads(self.ctl("de", "show", "garage_1", "--json"))["live"]
                         ["charge_status"], "bulk")
        self.assertEqual(self.ctl("de", "get", "garage_1", "charge_status"), "bulk\n")
        found = json.loads(self.ctl("de", "doctor", "--time", "0.5", "--json"))
        self.assertEqual(found[0]["sentence"], "All is well.")
        self.assertEqual(json.loads(self.ctl("de", "health", "--json"))["health"], "good")

    def test_columns(self):
        """The numbers of a table end where their heads do."""
        for language in languages():
            lines = self.ctl(language, "list").split("\n\n")[1].split("\n")
            heads = cells(lines[0])
            self.assertEqual(len(heads), 10, lines[0])
            for line in lines[1:4]:
                self.assertEqual([end for _, end in cells(line)[3:9]],
                                 [end for _, end in heads[3:9]], "\n".join(lines))

    def test_top(self):
        """Nothing that must fit in 80 columns is cut, in any language."""
        terminals = {language: self.open_top(language) for language in languages()}
        for language, terminal in terminals.items():
            screen = terminal.wait_for(r"garage_2 [█·]+ +\d+ %")
            with self.subTest(language=language, screen=screen):
                self.check_top(screen.split("\n"))

    def open_top(self, language):
        os.mkdir(self.path(language))
        return self.enter(Terminal(self.path(language), 80, 24, jkbtest.program("jkbmsctl"), "top",
                                   env={**self.environment(language), "TERM": "screen-256color",
                                        "JKBMSD_BUS_ADDRESS": self.bus.address}))

    def check_top(self, lines):
        capacity = [line for line in lines if "280.0 " in line]
        self.assertEqual(len(capacity), 1)
        for line in [*lines[:3], *capacity, lines[23]]:
            self.assertNotIn("…", line)
        row = cells(next(line for line in lines if line[1:9] == "garage_2"))
        heads = "".join(c + "\0" * (columns(c) - 1) for c in lines[2]) + " "
        for _, end in row[-6:]:
            self.assertTrue(heads[end - 1] != " " and heads[end] == " ", lines[2])


class Log(Base):
    def test_english(self):
        """Also what the C library says of an error."""
        bus = self.enter(PrivateBus())
        daemon = self.enter(Daemon("[bus garage]\nuri=replay:/nowhere.bin\n", bus=bus,
                                   env=self.environment("de")))
        client = bus.client()
        path = "/io/github/jkbmsd1/bus/garage"
        wait_until(lambda: client.get(path, "Bus", "State") == "down", 10)
        reason = "Cannot open /nowhere.bin: No such file or directory"
        self.assertEqual(client.get(path, "Bus", "LastError"), reason)
        self.assertIn(reason, daemon.log)


if __name__ == "__main__":
    jkbtest.main()
