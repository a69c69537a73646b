"""The supervisor: a dead program comes back, a stubborn one goes, and nobody stays."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from changecontrol.local import leash, processes, supervisor
from changecontrol.local.supervisor import Program, ProgramDied, Supervisor

#: Starts a child of its own, as a pool does, writes both numbers down and lets `{then}` happen.
PARENT = """
import os, signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("numbers", os.getpid(), child.pid, flush=True)
{then}
time.sleep(600)
"""


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def running(said: list[str]) -> Iterator[Supervisor]:
    made = Supervisor(on_event=said.append)
    yield made
    made.stop()


def program(folder: Path, code: str, **env: str) -> Program:
    command = (sys.executable, "-c", code)
    return Program(name="worker", command=command, env={**os.environ, **env}, log=folder / "worker.log", cwd=folder)


def numbers(folder: Path, *, time: int = 1) -> list[int]:
    """The process numbers the program wrote at its `time`-th start."""
    lines: list[str] = []

    def written() -> bool:
        log = folder / "worker.log"
        lines[:] = [line for line in log.read_text().splitlines() if line.startswith("numbers")] if log.exists() else []
        return len(lines) >= time

    assert processes.wait_until(written, seconds=20)
    return [int(word) for word in lines[time - 1].split()[1:]]


def gone(pids: list[int]) -> bool:
    return processes.wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), seconds=20)


def test_it_stops_a_program_and_the_children_of_the_program(tmp_path: Path, running: Supervisor) -> None:
    running.start_programs([program(tmp_path, PARENT.format(then=""))])
    pids = numbers(tmp_path)
    running.stop()
    assert gone(pids)


def test_it_kills_a_program_that_does_not_listen(tmp_path: Path, running: Supervisor) -> None:
    deaf = PARENT.format(then="signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True)")
    running.start_programs([program(tmp_path, deaf)])
    running.wait_for("worker", lambda said: "deaf" in said, seconds=20)
    pids = numbers(tmp_path)
    running.stop()
    assert gone(pids)


def test_it_starts_a_dead_program_again(
    tmp_path: Path, running: Supervisor, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "BACKOFF_SECONDS", (0.1,))
    running.start_programs([program(tmp_path, PARENT.format(then=""))])
    first = numbers(tmp_path)
    os.kill(first[0], 9)

    def came_back() -> bool:
        running.tend()
        return (tmp_path / "worker.log").read_text().count("numbers") == 2

    assert processes.wait_until(came_back, seconds=20)
    assert gone(first), "the child of the killed program stayed"
    assert "worker ended (code 137); starting it again in 0.1 s." in said[0]


def test_it_waits_longer_each_time(tmp_path: Path, running: Supervisor, said: list[str]) -> None:
    running.start_programs([program(tmp_path, "raise SystemExit(3)")])

    def died_thrice() -> bool:
        running.tend()
        return len(said) == 3

    assert processes.wait_until(died_thrice, seconds=30)
    assert [line.split("again in ")[1].split(" s.")[0] for line in said] == ["0.5", "1", "2"]


def test_it_says_why_a_program_did_not_start(tmp_path: Path, running: Supervisor) -> None:
    running.start_programs([program(tmp_path, "raise SystemExit('no room for me')")])
    with pytest.raises(ProgramDied, match=r"worker ended while starting \(no room for me\)"):
        running.wait_for("worker", lambda said: False, seconds=20)


def test_a_program_gets_its_own_environment_only(tmp_path: Path, running: Supervisor) -> None:
    running.start_programs(
        [program(tmp_path, "import os; print('has', os.environ.get('SECRET_OF_ONE'))", SECRET_OF_ONE="x")]
    )
    assert processes.wait_until(lambda: "has x" in processes.text_since(tmp_path / "worker.log", 0), seconds=20)
    assert "SECRET_OF_ONE" not in os.environ


def test_a_killed_keeper_takes_its_program_along(tmp_path: Path) -> None:
    process = processes.spawn(
        [sys.executable, "-c", PARENT.format(then="")], log=tmp_path / "worker.log", keep=True, cwd=tmp_path
    )
    pid, child = numbers(tmp_path)
    process.kill()
    process.wait()
    assert gone([pid])
    os.kill(child, 9)  # a plain child of ours has no leash of its own; Celery's and gunicorn's notice by themselves


def test_the_leash_knows_its_descendants() -> None:
    assert os.getpid() in leash.descendants(os.getppid())
