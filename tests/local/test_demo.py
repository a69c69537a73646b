"""`manage.py demo` as a person meets it: started, stopped, killed, started again, twice, and refused."""

from __future__ import annotations

import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from changecontrol.local import processes
from changecontrol.local.postgres import Cluster
from changecontrol.local.valkey import Broker

PROJECT = Path(__file__).resolve().parents[2]


class Demo:
    """A demonstration in a process of its own; `until` reads what it says."""

    def __init__(self, folder: Path, port: int, *options: str) -> None:
        env = {
            k: v
            for k, v in os.environ.items()
            if not k.startswith(("DATABASE_", "REDIS_", "CHANGECONTROL_", "DJANGO_"))
        }
        command = [sys.executable, str(PROJECT / "manage.py"), "demo", "--port", str(port), "--folder", str(folder)]
        self.folder, self.said = folder, ""
        self.process = subprocess.Popen(
            [*command, *options], cwd="/", env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self._lines.put(line)
        self._lines.put("")

    def until(self, words: str, *, seconds: float = 300) -> str:
        deadline = time.monotonic() + seconds
        while words not in self.said:
            line = self._lines.get(timeout=max(0.1, deadline - time.monotonic()))
            assert line, f"it ended before saying {words!r}:\n{self.said}"
            self.said += line
        return self.said

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        code = self.process.wait(60)
        self._reader.join()
        return code

    def traces(self) -> list[str]:
        """The command lines of all processes that name its folder."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(self.folder) in command and int(entry.name) != os.getpid():
                found.append(command)
        return found


@pytest.fixture
def started() -> Iterator[list[Demo]]:
    demos: list[Demo] = []
    yield demos
    for demo in demos:
        if demo.process.poll() is None:
            demo.end(signal.SIGTERM)
    for folder in {demo.folder for demo in demos if (demo.folder / "demonstration").exists()}:
        for name in ("control", "sandbox", "development", "staging", "production"):
            Cluster(folder / name, name=name).remove()  # what root keeps outside the folder goes too
        Broker(folder / "valkey").remove()


def ask(folder: Path, target: str, statement: str) -> str:
    psql = Cluster(folder / target, name=target).psql
    env = {"PGSERVICEFILE": str(folder / "pg_service.conf"), "PATH": "/nowhere"}
    asked = subprocess.run([psql, f"service={target}", "-Atc", statement], env=env, capture_output=True, text=True)
    assert asked.returncode == 0, asked.stderr
    return asked.stdout.strip()


@pytest.mark.slow
def test_it_gets_ready_keeps_its_data_and_leaves_nothing_running(tmp_path: Path, started: list[Demo]) -> None:
    tmp_path.chmod(0o755)
    folder, port = tmp_path / "demo", processes.free_port()
    first = Demo(folder, port)
    started.append(first)
    said = first.until("Ctrl-C stops everything")
    assert f"http://127.0.0.1:{port}/" in said and "demonstration-only" in said
    assert (folder / "pg_service.conf").stat().st_mode & 0o777 == 0o600
    for target in ("development", "staging", "production"):
        assert f"service={target}" in said
        assert ask(folder, target, "SELECT current_database()") == "diary"
    ask(folder, "staging", "CREATE TABLE kept_by_test AS SELECT 42 AS answer")

    second = Demo(folder, port)
    started.append(second)
    assert "already running" in second.until("another --port")
    assert second.process.wait(30) == 1

    assert first.end(signal.SIGINT) == 0
    assert first.traces() == []

    began = time.monotonic()
    again = Demo(folder, port)
    started.append(again)
    again.until("Ctrl-C stops everything")
    print(f"second start: {time.monotonic() - began:.1f} s")
    assert ask(folder, "staging", "SELECT answer FROM kept_by_test") == "42"

    again.end(signal.SIGKILL)
    assert processes.wait_until(lambda: again.traces() == [], seconds=20), again.traces()

    reset = Demo(folder, port, "--reset")
    started.append(reset)
    reset.until("Ctrl-C stops everything")
    assert ask(folder, "staging", "SELECT to_regclass('kept_by_test') IS NULL") == "t"
    assert reset.end(signal.SIGTERM) == 0
    assert reset.traces() == []


def test_it_names_a_port_in_use_before_doing_anything(tmp_path: Path, started: list[Demo]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        demo = Demo(tmp_path / "demo", port)
        started.append(demo)
        said = demo.until("--port", seconds=60)
        assert demo.process.wait(30) == 1
    assert said == (
        f"Port {port} is already in use on this machine. Choose another one: python3 manage.py demo --port {port + 1}\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_it_leaves_a_folder_with_other_things_alone(tmp_path: Path, started: list[Demo]) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("mine")
    demo = Demo(tmp_path / "letters", processes.free_port(), "--reset")
    started.append(demo)
    assert "holds other things than a demonstration" in demo.until("new folder", seconds=60)
    assert demo.process.wait(30) == 1
    assert (tmp_path / "letters" / "dear.txt").read_text() == "mine"


def test_it_refuses_a_port_that_does_not_exist(tmp_path: Path, started: list[Demo]) -> None:
    demo = Demo(tmp_path / "demo", 70000)
    started.append(demo)
    assert "Port 70000 cannot be used here (there is no such port)" in demo.until("--port", seconds=60)
    assert demo.process.wait(30) == 1
