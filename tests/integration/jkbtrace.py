# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""Stops single threads and single steps of a program from outside, by ptrace(2).

    with jkbtrace.Stopped (pid, "jkb-mqtt"):
        ...                     # that thread stands still, all others run

    child = jkbtrace.spawn (argv, ...)   # as subprocess.Popen
    jkbtrace.run_steps (child.pid, 100)  # its main thread enters or leaves a system call 100 times
    jkbtrace.let_go (child.pid)

All calls are for the main thread of the test: only the thread that began to trace may go on."""

import ctypes
import os
import signal
import subprocess
import unittest

TRACEME, CONT_TO_SYSCALL, DETACH, SETOPTIONS, SEIZE, INTERRUPT = 0, 24, 17, 0x4200, 0x4206, 0x4207
MARK_SYSCALLS, KILL_WITH_TRACER = 1, 0x100000
SYSCALL_STOP = signal.SIGTRAP | 0x80
WAIT_ALL = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.restype = ctypes.c_long
_libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)


def _ptrace(request, pid, data=0):
    if _libc.ptrace(request, pid, None, data) == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"ptrace: {os.strerror(number)}")


def find_threads(pid, name):
    """The threads of that name."""
    found = []
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/comm", encoding="utf-8") as comm:
            if comm.read().rstrip("\n") == name:
                found.append(int(thread))
    return found


class Stopped:
    """The only thread of that name stands still."""

    def __init__(self, pid, name):
        found = find_threads(pid, name)
        if len(found) != 1:
            raise AssertionError(f"{len(found)} threads are called {name}")
        self.thread = found[0]

    def __enter__(self):
        try:
            _ptrace(SEIZE, self.thread)
        except PermissionError as error:
            raise unittest.SkipTest(str(error)) from None
        _ptrace(INTERRUPT, self.thread)
        os.waitpid(self.thread, WAIT_ALL)
        return self

    def __exit__(self, *unused):
        _ptrace(DETACH, self.thread)


def spawn(argv, prepare=None, **options):
    """A child that stands still before its first instruction."""
    def trace_me():
        if prepare:
            prepare()
        _ptrace(TRACEME, 0)

    try:
        child = subprocess.Popen(argv, preexec_fn=trace_me, **options)
    except subprocess.SubprocessError as error:
        raise unittest.SkipTest(f"programs cannot be traced here: {error}") from None
    os.waitpid(child.pid, WAIT_ALL)
    _ptrace(SETOPTIONS, child.pid, MARK_SYSCALLS | KILL_WITH_TRACER)
    return child


def run_steps(pid, steps, until=None):
    """Goes on until its main thread has entered or left system calls that often, or until() is true.
    Returns how often it was; None: it has ended."""
    done, number = 0, 0
    while done < steps and not (until and until()):
        _ptrace(CONT_TO_SYSCALL, pid, number)
        _, status = os.waitpid(pid, WAIT_ALL)
        if not os.WIFSTOPPED(status):
            return None
        stop = os.WSTOPSIG(status)
        number = 0 if stop in (SYSCALL_STOP, signal.SIGTRAP) else stop  # other signals are passed on
        done += stop == SYSCALL_STOP
    return done


def let_go(pid, number=0):
    """Untraced from here, with a signal if wanted, which the main thread receives."""
    _ptrace(DETACH, pid, number)
