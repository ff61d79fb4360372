# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""data/examples: each does with the real daemon what it says, and the daemon takes the
configurations in the documentation."""

import datetime
import glob
import os
import re
import shutil
import subprocess

import jkbdbus
import jkbtest

EXAMPLES = os.path.join(jkbtest.SOURCE_ROOT, "data", "examples")
TODAY = datetime.date.today


class Examples(jkbtest.Case):
    """One daemon with three BMS for all of it: they are cheap to tell apart and slow to start."""

    def setUp(self):
        super().setUp()
        self.bus = self.enter(jkbtest.PrivateBus())
        self.env = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": self.bus.address, "LC_ALL": "C.UTF-8",
                    "PATH": os.path.dirname(jkbtest.program("jkbmsctl")) + ":" + os.environ["PATH"]}

    def start(self):
        self.sim = self.enter(jkbtest.Sim("--master", "--bms", "0,1,2", "--rate", "line"))
        self.daemon = self.enter(jkbtest.Daemon(
            self.sim.config("garage", offline_after=1) + "[bms garage_1]\nname=Left rack\n",
            bus=self.bus))
        self.client = self.bus.client()
        for n in (0, 1, 2):
            self.sim.command(f"set {n} soc {50 + n}")
        jkbtest.wait_until(lambda: len(self.client.bms()) == 3 and all(
            f"{jkbtest.NAME}.Settings" in self.client.objects()[jkbdbus.bms_path(bms)]
            for bms in self.client.bms()), 20)
        jkbtest.wait_until(lambda: self.client.get(jkbdbus.bms_path("garage_2"), "Telemetry",
                                                   "StateOfCharge") == 52)

    def run_example(self, name, *arguments):
        done = subprocess.run([os.path.join(EXAMPLES, name), *arguments], env=self.env,
                              capture_output=True, text=True, timeout=30 * jkbtest.FACTOR,
                              check=False)
        return done.returncode, done.stdout, done.stderr

    def test_table(self):
        status, out, err = self.run_example("jkbms-soc.sh")
        self.assertEqual((status, out), (3, ""))
        self.assertIn("systemctl start jkbmsd", err)
        self.start()
        status, out, err = self.run_example("jkbms-soc.sh")
        self.assertEqual((status, err), (0, ""), out)
        rows = out.splitlines()
        self.assertRegex(rows[0], r"^ID +NAME +SOC +POWER$")
        self.assertEqual(len(rows), 4)
        self.assertRegex(rows[2], r"^garage_1 +Left rack +51 % +-?\d+ W$")
        self.assertEqual(self.run_example("jkbms-soc.sh", "50")[0], 0)
        self.assertEqual(self.run_example("jkbms-soc.sh", "51.5")[0], 1)
        self.sim.command("offline 2")
        jkbtest.wait_until(lambda: not self.client.get(jkbdbus.bms_path("garage_2"), "Bms", "Online"))
        status, out, err = self.run_example("jkbms-soc.sh", "50")
        self.assertEqual((status, err), (2, ""))
        self.assertRegex(out, r"(?m)^garage_2 +garage_2 +- +-$")
        self.assertEqual(self.run_example("jkbms-soc.sh", "51")[0], 1)

    def test_alarms(self):
        self.start()
        self.sim.command("alarm 0 4 on")
        jkbtest.wait_until(lambda: "cell_overvoltage" in self.client.get(
            jkbdbus.bms_path("garage_0"), "Telemetry", "Errors"))
        told = self.path("told")
        watch = self.enter(jkbtest.Process(
            "jkbms-alarm.py", ["/usr/bin/python3", os.path.join(EXAMPLES, "jkbms-alarm.py"), "sh", "-c",
                               f'echo "$JKBMS_ID|$JKBMS_NAME|$JKBMS_ALARM|$JKBMS_SEVERITY" >>{told}'],
            env={"DBUS_SYSTEM_BUS_ADDRESS": self.bus.address}))
        watch.wait_for_log("garage_0 (garage_0): cell_overvoltage (active)\n")
        self.sim.command("alarm 1 11 on")
        watch.wait_for_log("garage_1 (Left rack): cell_undervoltage (protect)\n")
        self.sim.command("alarm 1 11 off")
        watch.wait_for_log("garage_1: cell_undervoltage is over\n")
        self.daemon.restart()
        jkbtest.wait_until(lambda: watch.log.count("cell_overvoltage") == 2, 20)
        self.assertNotIn("password_change_due", watch.log)
        with open(told, encoding="utf-8") as file:
            self.assertEqual(file.read().splitlines()[:2],
                             ["garage_0|garage_0|cell_overvoltage|active",
                              "garage_1|Left rack|cell_undervoltage|protect"])

    def units(self):
        """The unit files with the example where it is here."""
        directory = self.path("units")
        os.mkdir(directory)
        for name in ("jkbms-export.service", "jkbms-export.timer"):
            with open(os.path.join(EXAMPLES, name), encoding="utf-8") as file:
                text = file.read().replace("/usr/share/jkbmsd/examples", EXAMPLES)
            with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
                file.write(text)
        return directory

    def test_units(self):
        if not shutil.which("systemd-analyze"):
            self.skipTest("systemd-analyze is not installed")
        directory = self.units()
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", os.path.join(directory, "jkbms-export.service"),
             os.path.join(directory, "jkbms-export.timer")], capture_output=True, text=True,
            env={**self.env, "SYSTEMD_UNIT_PATH": directory + ":"}, check=False)
        ours = [line for line in (done.stdout + done.stderr).splitlines() if "jkbms-export" in line]
        self.assertEqual((done.returncode, ours), (0, []), done.stderr)

    def test_export(self):
        self.start()
        with open(os.path.join(self.units(), "jkbms-export.service"), encoding="utf-8") as file:
            command = re.search(r"(?m)^ExecStart=(.*)$", file.read()).group(1)
        state = self.path("state")
        os.mkdir(state)
        old, foreign = os.path.join(state, "garage_9-2020-01-01.conf"), os.path.join(state, "notes.conf")
        for path in (old, foreign):
            with open(path, "w", encoding="utf-8") as file:
                file.write("x\n")
            os.utime(path, (0, 0))
        first = TODAY()
        done = subprocess.run(["sh", "-c", command], env={**self.env, "STATE_DIRECTORY": state},
                              capture_output=True, text=True, timeout=30 * jkbtest.FACTOR, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        days = {str(first), str(TODAY())}
        found = sorted(os.listdir(state))
        self.assertIn("notes.conf", found)
        found.remove("notes.conf")
        self.assertEqual([name[:8] for name in found], ["garage_0", "garage_1", "garage_2"])
        self.assertLessEqual({name[9:19] for name in found}, days)
        with open(os.path.join(state, found[1]), encoding="utf-8") as file:
            self.assertIn("\nbalancer=true\n", file.read())
        # What was exported can be given back: nothing differs.
        text = jkbtest.ctl("apply", "garage_1", os.path.join(state, found[1]), "--dry-run",
                           bus=self.bus)
        self.assertIn("othing", text)


class Documented(jkbtest.Case):

    def test_configurations(self):
        """Nothing in an ```ini block of README.md or docs/*.md is refused."""
        files = [os.path.join(jkbtest.SOURCE_ROOT, "README.md"),
                 *glob.glob(os.path.join(jkbtest.SOURCE_ROOT, "docs", "*.md"))]
        found = set()
        password = self.path("password")
        with open(password, "w", encoding="utf-8", opener=lambda p, flags: os.open(p, flags, 0o600)) as file:
            file.write("secret\n")
        for file in files:
            with open(file, encoding="utf-8") as text:
                blocks = re.findall(r"(?ms)^```ini\n(.*?)^```$", text.read())
            for n, block in enumerate(blocks):
                name = f"{os.path.basename(file)}-{n}.conf"
                found.add(os.path.basename(file))
                with open(self.path(name), "w", encoding="utf-8") as config:
                    config.write(block.replace("/etc/jkbmsd/mqtt-password", password))
                done = subprocess.run(
                    [jkbtest.program("jkbmsd"), "--check-config", "--config", self.path(name),
                     "--state-dir", self.path("state")], capture_output=True, text=True,
                    env={**os.environ, "LC_ALL": "C.UTF-8"}, check=False)
                with self.subTest(block=name):
                    self.assertEqual(done.returncode, 0, block + done.stdout + done.stderr)
        self.assertLessEqual({"README.md", "install.md", "mqtt.md", "home-assistant.md", "history.md"},
                             found)


if __name__ == "__main__":
    jkbtest.main()
