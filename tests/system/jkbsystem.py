# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""A machine for the system tests: the package installed over this system's files, a real systemd as
process 1, in namespaces and a control group of its own (see boot.sh).

    machine = Machine()
    machine.start()
    machine.run("systemctl", "start", "jkbmsd")
    machine.run("jkbmsctl", "list", user="visitor")
    machine.close()

It needs root, a Linux that lets root make namespaces, and systemd, D-Bus and a build for /usr:
start() raises SkipTest with the reason where one of them is missing.
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import jkbtest

HERE = os.path.dirname(os.path.abspath(__file__))
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NAMESPACES = ("--pid", "--mount", "--net", "--uts", "--ipc", "--cgroup")

# What a package manager and an administrator add to the tree.
EXTRA_FILES = {
    "etc/sysusers.d/jkbtest.conf": 'u visitor - "somebody"\nu helper - "allowed by a polkit rule"\n',
}


class Failed(AssertionError):
    """A command in the machine ended with another status than expected; .output is what it printed."""

    def __init__(self, argv, done, expected):
        self.output = done.stdout + done.stderr
        super().__init__(f"{' '.join(argv)} ended with {done.returncode}, not {expected}:\n{self.output}")


def need(condition, reason):
    if not condition:
        raise unittest.SkipTest(reason)


def check_means():
    need(os.geteuid() == 0, "booting a systemd in namespaces needs root")
    for tool in ("unshare", "nsenter", "setpriv", "busctl", "dbus-send", "mosquitto"):
        need(shutil.which(tool, path=PATH), f"{tool} is not installed")
    need(os.path.exists("/lib/systemd/systemd"), "systemd is not installed")
    need(any(os.path.exists(f"{lib}/systemd/system/dbus.service") for lib in ("/lib", "/usr/lib")),
         "D-Bus is not installed as a system service (package dbus)")
    build = os.environ.get("JKB_BUILD_ROOT")
    need(build, "JKB_BUILD_ROOT does not name a build directory")
    options = json.loads(subprocess.run(["meson", "introspect", "--buildoptions", build], check=True,
                                        capture_output=True, text=True).stdout)
    prefix = next(option["value"] for option in options if option["name"] == "prefix")
    need(prefix == "/usr", f"this build is for {prefix}; what systemd, D-Bus and polkit read is in a "
         "build with --prefix=/usr")
    probe = subprocess.run(["unshare", "--fork", *NAMESPACES, "true"], capture_output=True, text=True,
                           check=False)
    need(probe.returncode == 0, f"no namespaces can be made here: {probe.stderr.strip()}")
    return build


def make_control_group():
    """A control group for the machine, in whatever place the second version has here."""
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        places = [line.split()[1] for line in mounts if line.split()[2] == "cgroup2"]
    need(places, "no cgroup2 file system is mounted here")
    path = os.path.join(places[0], f"jkbtest-{os.getpid()}")
    try:
        os.mkdir(path)
    except OSError as error:
        raise unittest.SkipTest(f"no control group can be made here: {error}") from None
    return path


class Machine(jkbtest.Part):

    def __init__(self, links=None):
        """links: {path: target} of symbolic links to add to the tree"""
        self.links = links or {}
        self.directory = self.group = self.launcher = self.pid = None

    def start(self):
        build = check_means()
        self.group = make_control_group()
        self.directory = tempfile.mkdtemp(prefix="jkbtest-machine-")
        tree = os.path.join(self.directory, "tree")
        subprocess.run(["meson", "install", "-C", build, "--no-rebuild"], check=True,
                       env=dict(os.environ, DESTDIR=tree), stdout=subprocess.DEVNULL)
        for name, text in EXTRA_FILES.items():
            self._write(os.path.join(tree, name), text)
        for path, target in self.links.items():
            os.makedirs(os.path.dirname(os.path.join(tree, path)), exist_ok=True)
            os.symlink(target, os.path.join(tree, path))
        self._boot(tree)

    @staticmethod
    def _write(path, text, mode=0o644):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)

    def _boot(self, tree):
        root = os.path.join(self.directory, "mount")
        os.mkdir(root)
        log = os.path.join(self.directory, "log")

        def join_group():
            jkbtest.die_with_parent()
            with open(os.path.join(self.group, "cgroup.procs"), "w", encoding="ascii") as procs:
                procs.write("0")

        with open(log, "wb") as output:
            self.launcher = subprocess.Popen(
                ["unshare", "--fork", "--kill-child", *NAMESPACES, os.path.join(HERE, "boot.sh"), root,
                 tree], stdin=subprocess.DEVNULL, stdout=output, stderr=output, preexec_fn=join_group)

        def said():
            with open(log, encoding="utf-8", errors="replace") as output:
                return output.read().strip()

        def booted():
            if self.launcher.poll() is not None:
                raise unittest.SkipTest(f"no systemd can be booted here: {said()}")
            if self.pid is None:
                self.pid = self._find_init()
            return self.pid and self.run("systemctl", "is-active", "--quiet", "jkbtest.target",
                                         status=None).returncode == 0

        jkbtest.wait_until(booted, 60, lambda: f"systemd did not come up: {said()}")

    def _find_init(self):
        path = f"/proc/{self.launcher.pid}/task/{self.launcher.pid}/children"
        with open(path, encoding="ascii") as children:
            pids = children.read().split()
        for pid in pids:
            with open(f"/proc/{pid}/comm", encoding="ascii") as comm:
                if comm.read().strip() == "systemd":
                    return int(pid)
        return None

    def close(self):
        if os.environ.get("JKB_KEEP") and self.launcher:
            print(f"nsenter --target {self.pid} --all", flush=True)
            self.launcher.wait()
        if self.launcher is not None:
            with open(os.path.join(self.group, "cgroup.kill"), "w", encoding="ascii") as kill:
                kill.write("1")
            self.launcher.send_signal(signal.SIGKILL)
            self.launcher.wait()
            self.launcher = None
        if self.group is not None:
            self._remove_control_group()
        if self.directory is not None:
            shutil.rmtree(self.directory, ignore_errors=True)
        self.directory = self.group = None

    def _remove_control_group(self):
        def emptied():
            try:
                for path, _, _ in os.walk(self.group, topdown=False):
                    os.rmdir(path)
                return True
            except OSError:
                return False
        jkbtest.wait_until(emptied, 10, f"{self.group} does not become empty")

    def run(self, *argv, user=None, status=0, stdin=None, timeout=20):
        """Runs a command inside, and checks its exit status (None: any)."""
        argv = [str(word) for word in argv]
        become = ["setpriv", "--reuid", user, "--regid", user, "--init-groups"] if user else []
        done = subprocess.run(["nsenter", "--target", str(self.pid), "--all", "--", *become, *argv],
                              input=stdin, capture_output=True, text=True, timeout=timeout,
                              check=False, env={"PATH": PATH, "LC_ALL": "C.UTF-8"})
        if status is not None and done.returncode != status:
            raise Failed(argv, done, status)
        return done

    def out(self, *argv, **options):
        return self.run(*argv, **options).stdout.strip()

    def write(self, path, text, mode=0o644, group="root"):
        """Makes a file inside."""
        self.run("sh", "-c", 'mkdir -p "$(dirname "$1")"; cat >"$1" && chmod "$2" "$1" && chgrp "$3" "$1"',
                 "sh", path, f"{mode:o}", group, stdin=text)

    def show(self, unit, key):
        """A property of a unit."""
        return self.out("systemctl", "show", "--value", "--property", key, unit)

    def background(self, unit, *argv):
        """Runs a program as a transient service."""
        self.run("systemd-run", "--quiet", f"--unit={unit}", "--service-type=exec", *argv)

    def journal(self, *matches, fields=False):
        """The text of the journal's lines, or with fields=True each as a dictionary."""
        lines = self.out("journalctl", "--no-pager", "--output=json", "--all", *matches).splitlines()
        entries = [json.loads(line) for line in lines]
        return entries if fields else "\n".join(str(entry.get("MESSAGE")) for entry in entries)

    def wait_until(self, predicate, timeout=10, message=None):
        return jkbtest.wait_until(predicate, timeout, message)

    def seconds(self, *argv):
        """How long a command takes."""
        begin = time.monotonic()
        self.run(*argv)
        return time.monotonic() - begin

    def tell(self, test):
        """Prints what helps to understand a failure."""
        print(f"---- {test}: the end of the machine's journal\n"
              + self.run("journalctl", "--no-pager", "--lines=80", status=None).stdout, flush=True)
