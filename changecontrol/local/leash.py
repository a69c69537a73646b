"""Started as a script: becomes (or keeps) another program that cannot outlive the process that asked for it.

    python -I -S leash.py MODE SIGNAL PARENT UID GID PROGRAM [ARGUMENT ...]

MODE `become` replaces itself by the program: for programs that clean up after themselves (PostgreSQL, Valkey).
MODE `keep` stays beside it: on SIGNAL it asks the program to stop, after GRACE_SECONDS it kills all that is left.
SIGNAL is what the kernel sends when the parent thread dies; UID and GID may be `-` (stay who we are).
Standard library only, and a process of its own: code between fork and exec of a threaded program can deadlock.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
GRACE_SECONDS = 8.0


def tie(death_signal: int, parent: int) -> None:
    """Ask the kernel for `death_signal` when the parent dies; leave at once when it died before we could ask."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit(1)


def step_down(uid: str, gid: str) -> None:
    """Give up root for good. Comes before `tie`: the kernel forgets the death signal when the user changes."""
    if uid != "-":
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))


def descendants(of: int) -> list[int]:
    """The processes below `of`, read from /proc (empty where there is none)."""
    parents: dict[int, int] = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc") else []:
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    parents[int(name)] = int(file.read().rpartition(b")")[2].split()[1])
            except OSError:
                continue  # it ended while we looked
    found = [of]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found[1:]


def keep(program: list[str], death_signal: int) -> int:
    """Run the program, pass the stop signal on, and leave nothing of it behind. Returns its exit code."""
    if sys.platform == "linux":
        # Orphans of the program (pool processes) become our children, so `descendants` finds them.
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    stopping: list[float] = []
    for number in (death_signal, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.append(time.monotonic()))
    # A leash for the program too: were this keeper killed with -9, the program ends with it.
    leash = [sys.executable, "-I", "-S", __file__, "become", str(int(signal.SIGKILL)), str(os.getpid()), "-", "-"]
    child = subprocess.Popen([*leash, *program])
    asked = False
    while child.poll() is None:
        if stopping and not asked:
            child.send_signal(signal.SIGTERM)
            asked = True
        if stopping and time.monotonic() > stopping[0] + GRACE_SECONDS:
            break
        time.sleep(0.05)
    until = time.monotonic() + 2
    while (left := descendants(os.getpid())) and time.monotonic() < until:
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, os.WNOHANG)
            except (ProcessLookupError, ChildProcessError):
                continue
        time.sleep(0.02)
    code = child.wait()
    return code if code >= 0 else 128 - code


def main(arguments: list[str]) -> int:
    mode, death_signal, parent, uid, gid, *program = arguments
    step_down(uid, gid)
    tie(int(death_signal), int(parent))
    if mode == "keep":
        return keep(program, int(death_signal))
    os.execv(program[0], program)  # noqa: S606


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
