#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""The files that are installed beside the programs: unit, policies, manual pages, list of texts."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ET

SOURCE = os.environ["JKB_SOURCE_ROOT"]
BUILD = os.environ["JKB_BUILD_ROOT"]


def source(*path):
    return os.path.join(SOURCE, *path)


def run(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def needs(tool):
    return unittest.skipUnless(shutil.which(tool), "%s is not installed" % tool)


class Unit(unittest.TestCase):
    @needs("systemd-analyze")
    def test_exposure(self):
        with tempfile.TemporaryDirectory() as directory:
            unit = os.path.join(directory, "jkbmsd.service")
            with open(source("systemd", "jkbmsd.service.in")) as file:
                text = file.read().replace("@libexecdir@/jkbmsd", "/bin/true")
            with open(unit, "w") as file:
                file.write(text)
            result = run("systemd-analyze", "security", "--offline=true", unit)
        match = re.search(r"exposure level for jkbmsd.service: ([0-9.]+)", result.stdout)
        if match is None:
            self.skipTest("this systemd-analyze cannot judge a unit offline")
        self.assertLessEqual(float(match.group(1)), 1.3)

    def test_name_is_the_same_everywhere(self):
        with open(source("systemd", "jkbmsd.service.in")) as file:
            self.assertIn("\nBusName=io.github.jkbmsd1\n", file.read())
        with open(source("dbus", "io.github.jkbmsd1.service")) as file:
            text = file.read()
        self.assertIn("\nName=io.github.jkbmsd1\n", text)
        self.assertIn("\nSystemdService=jkbmsd.service\n", text)


class Policies(unittest.TestCase):
    def test_dbus(self):
        root = ET.parse(source("dbus", "io.github.jkbmsd1.conf")).getroot()
        owners = {p.get("user") for p in root.iter("policy")
                  if any(a.get("own") == "io.github.jkbmsd1" for a in p.iter("allow"))}
        self.assertEqual(owners, {"root", "jkbmsd"})

    def test_polkit(self):
        root = ET.parse(source("data", "io.github.jkbmsd1.policy.in")).getroot()
        actions = {a.get("id").rpartition(".")[2]: {d.text for d in a.find("defaults")}
                   for a in root.iter("action")}
        self.assertEqual(actions, {"configure": {"auth_admin_keep"},
                                   "write-settings": {"auth_admin_keep"},
                                   "write-protection": {"auth_admin"}})
        # Without it polkit does not answer a daemon that is not root.
        owners = [a.findtext("annotate[@key='org.freedesktop.policykit.owner']")
                  for a in root.iter("action")]
        self.assertEqual(owners, ["unix-user:jkbmsd"] * 3)


class Pages(unittest.TestCase):
    pages = [source("data", name) for name in ("jkbmsd.8", "jkbmsctl.1", "jkbms-sim.1")]
    generated = os.path.join(BUILD, "data", "jkbmsd.conf.5")
    interface = os.path.join(BUILD, "data", "jkbmsd-dbus.7")

    def test_clean(self):
        if not shutil.which("mandoc"):
            self.skipTest("mandoc is not installed")
        for page in self.pages + [self.generated, self.interface]:
            result = run("mandoc", "-T", "lint", "-W", "warning", page)
            self.assertEqual(result.stdout, "", page)

    @needs("man")
    def test_shown_without_warnings(self):
        for page in self.pages + [self.generated, self.interface]:
            result = subprocess.run(["man", "--warnings=w", "-l", page], capture_output=True, text=True,
                                    env={**os.environ, "MANWIDTH": "80", "PAGER": "cat"})
            self.assertEqual((result.returncode, result.stderr), (0, ""), page)
            name, section = os.path.basename(page).rsplit(".", 1)
            self.assertIn("%s(%s)" % (name.upper(), section), result.stdout.splitlines()[0])

    def test_interface_whole(self):
        """Every method, signal, argument and property is there with what is said of it."""
        with open(self.interface) as file:
            text = file.read()
        for part in ("@INTERFACE", "@ERRORS"):
            self.assertNotIn(part, text)
        words = " ".join(text.split())
        members = 0
        for directory in (source("dbus"), os.path.join(BUILD, "dbus")):
            for name in sorted(os.listdir(directory)):
                if not name.endswith(".xml") or not name.startswith("io.github.jkbmsd1."):
                    continue
                for element in ET.parse(os.path.join(directory, name)).getroot().iter():
                    doc = element.find("annotation[@name='org.gtk.GDBus.DocString']")
                    if element.tag in ("method", "signal"):
                        self.assertRegex(text, r"\n\.It Fn %s\b" % element.get("name"))
                    elif element.tag == "property":
                        self.assertRegex(text, r"\n\.It Va %s " % element.get("name"))
                    if doc is not None:
                        self.assertIn(" ".join(doc.get("value").split()), words)
                    members += element.tag in ("method", "signal", "property")
        self.assertGreater(members, 150)

    def test_generated_whole(self):
        with open(self.generated) as file:
            text = file.read()
        self.assertNotIn("@OPTIONS", text)
        with open(source("src", "core", "jkb-options.def")) as file:
            keys = re.findall(r'^OPTION \(\w+, \w+, \w+, "([a-z-]+)"', file.read(), re.M)
        self.assertGreater(len(keys), 40)
        for key in keys:
            self.assertIn("\n.It Cm %s " % key, text)


class Texts(unittest.TestCase):
    def listed(self):
        with open(source("po", "POTFILES")) as file:
            return {line.strip() for line in file if line.strip() and line[0] != "#"}

    def test_list_is_complete(self):
        marked = {"data/io.github.jkbmsd1.policy.in"}
        for directory, _, names in os.walk(source("src")):
            for name in names:
                if not name.endswith((".c", ".h", ".def")):
                    continue
                path = os.path.join(directory, name)
                with open(path, encoding="utf-8") as file:
                    if re.search(r'\b(_|N_|C_|NC_|ngettext|g_dngettext) ?\(\s*"', file.read()):
                        marked.add(os.path.relpath(path, SOURCE))
        self.assertEqual(self.listed(), marked, "po/POTFILES must name every file with texts, and no other")

    def test_languages(self):
        """The option knows the languages that there are catalogues for."""
        with open(source("po", "LINGUAS")) as file:
            languages = {line.strip() for line in file if line.strip() and line[0] != "#"}
        with open(source("src", "core", "jkb-options.c")) as file:
            row = re.search(r"languages\[\]\s*= \{([^}]*)NULL \}", file.read()).group(1)
        self.assertEqual(set(re.findall(r'"(\w+)"', row)), languages | {"en"})

    def test_broken_pattern_stops_the_build(self):
        for translation in ("Zelle Spannung", "Zelle %s Spannung", "Zelle %1$u Spannung",
                            "Zelle %u Spannung %u", "Zelle %u Spannung 100 %"):
            with tempfile.TemporaryDirectory() as po:
                with open(os.path.join(po, "LINGUAS"), "w") as file:
                    file.write("de\n")
                with open(os.path.join(po, "de.po"), "w") as file:
                    file.write('msgid "Cell %%u voltage"\nmsgstr "%s"\n' % translation)
                out = os.path.join(po, "names.h")
                result = run(source("src", "tools", "entity-names.py"), out, out + ".d", po,
                             source("src", "mqtt", "jkb-homeassistant.c"))
            self.assertEqual(result.returncode, 1, result.stdout)
            self.assertIn("de.po: “%s” must have %%u once" % translation, result.stdout)

    @needs("xgettext")
    def test_table_is_extracted(self):
        result = run("xgettext", "--keyword=N_", "--from-code=UTF-8", "--language=C", "-o", "-",
                     source("src", "wire", "jkb-fields.def"))
        self.assertIn('msgid "State of charge"', result.stdout)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
