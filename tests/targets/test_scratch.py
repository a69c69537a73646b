"""Folders for dumps: gone with their block, and gone with the process that was killed inside of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from changecontrol.targets import scratch

HOLDS = """
import sys, time
from changecontrol.targets import scratch
with scratch.folder("copy") as made:
    (made / "copy.dump").write_text("all rows")
    print(made, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_it_is_gone_behind_the_block_and_closed_to_others() -> None:
    with scratch.folder("copy") as made:
        assert made.stat().st_mode & 0o077 == 0
        assert scratch.sweep() == () and made.is_dir()
    assert not made.exists()


def test_what_a_killed_process_left_is_swept_and_what_a_living_one_holds_stays(place: Path) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", HOLDS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    folders = [Path(str(one.stdout and one.stdout.readline()).strip()) for one in processes]
    os.kill(processes[0].pid, signal.SIGKILL)
    processes[0].communicate(timeout=30)
    assert scratch.sweep() == (folders[0].name,)
    assert [one.exists() for one in folders] == [False, True]
    processes[1].communicate("", timeout=30)
    assert list(place.iterdir()) == []


def test_what_is_not_ours_stays(place: Path) -> None:
    (place / "elsewhere").mkdir()
    (place / f"{scratch.PREFIX}copy-link").symlink_to(place / "elsewhere")
    (place / f"{scratch.PREFIX}copy-young").mkdir()
    assert scratch.sweep() == ()
