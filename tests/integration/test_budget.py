#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""The budgets of docs/performance.md, held by the real daemon with D-Bus, MQTT and history."""

import re
import time
import unittest

import jkbtest

FEW_BYTES = 14 << 20       # resident, with 4 BMS
HEAP_BYTES = 1 << 20       # of the same
BMS_BYTES = 16 << 10       # resident and heap, each further one, with its part of the bus
JOURNAL_BYTES = 1 << 20    # of the history, however many BMS there are; it fills with the time
TRANSIT_BYTES = 512 << 10  # heap: texts on their way to the broker, ours and paho's copies of them
SILENT_S = 9
TRIM_S = 17                # after the last BMS appeared, free heap is given back (jkb-daemon.c)


class Budget(jkbtest.Case):
    def start(self, n_buses, n_bms, **keys):
        """A daemon with so many BMS, all of them known."""
        broker = self.enter(jkbtest.Broker())
        bus = self.enter(jkbtest.PrivateBus())
        sims = [self.enter(jkbtest.Sim("--master", "--seed", i, "--bms", f"0-{n_bms - 1}", "--rate",
                                       "line", tcp=True)) for i in range(n_buses)]
        config = broker.config() + "".join(sim.config(f"b{i}", mode="listen", **keys) for i, sim in enumerate(sims))
        daemon = self.enter(jkbtest.Daemon(config, bus=bus, env={"G_SLICE": "always-malloc"}))
        jkbtest.wait_until(lambda: daemon.log.count("BMS found") == n_buses * n_bms, 30,
                           lambda: daemon.log[-2000:])
        return daemon, sims

    def test_memory(self):
        (few, _), (many, _) = self.start(1, 4), self.start(4, 16)
        time.sleep(TRIM_S)
        sizes = {name: (1024 * daemon.resident_kib(), 1024 * daemon.heap_kib())
                 for name, daemon in (("4 BMS", few), ("64 BMS", many))}
        print(sizes, "journal:", 1024 * many.mapped_kib("history.journal"))
        self.assertLessEqual(sizes["4 BMS"][0], FEW_BYTES)
        self.assertLessEqual(sizes["4 BMS"][1], HEAP_BYTES)
        journal = 1024 * many.mapped_kib("history.journal")
        self.assertLessEqual(journal, JOURNAL_BYTES + 8192)
        self.assertLessEqual(sizes["64 BMS"][0] - journal, FEW_BYTES + 60 * BMS_BYTES)
        self.assertLessEqual(sizes["64 BMS"][1], HEAP_BYTES + TRANSIT_BYTES + 60 * BMS_BYTES)

    def test_silence(self):
        """On a silent bus the main loop has a reason to turn every half minute or so, not each second."""
        daemon, sims = self.start(1, 4, offline_after=3)
        sims[0].command("pause")
        jkbtest.wait_until(lambda: daemon.log.count("offline") == 4, 30)
        time.sleep(2)  # the last announcements go
        before = self.main_wakes(daemon)
        time.sleep(SILENT_S)
        self.assertLessEqual(self.main_wakes(daemon) - before, SILENT_S // 3)

    @staticmethod
    def main_wakes(daemon):
        with open(f"/proc/{daemon.pid}/task/{daemon.pid}/status", encoding="ascii") as file:
            return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", file.read(), re.M).group(1))


if __name__ == "__main__":
    unittest.main()
