"""manage.py on a bare Python: it makes .venv from the lock, and says in one sentence why it cannot.

Runs a copy of the door in a project of its own, whose lock holds one small wheel made here: no network is needed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from changecontrol.local import bootstrap

PROJECT = Path(__file__).resolve().parents[2]
PYTHON = getattr(sys, "_base_executable", sys.executable)
DJANGO = "import sys\ndef execute_from_command_line(argv): print('django got', argv[1:], sys.prefix)\n"

pytestmark = pytest.mark.skipif(importlib.util.find_spec("ensurepip") is None, reason="this Python has no ensurepip")


def make_project(folder: Path) -> Path:
    """The door and its module, beside a lock that names one wheel with all the modules the door asks for."""
    for name in ("manage.py", "changecontrol/__init__.py", "changecontrol/local", "changecontrol/rules"):
        source, target = PROJECT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    write_lock(folder, "1")
    return folder


def write_lock(folder: Path, version: str) -> None:
    wheel = folder / "requirements" / f"standin-{version}-py3-none-any.whl"
    wheel.parent.mkdir(exist_ok=True)
    information = f"standin-{version}.dist-info"
    files = {f"{name}/__init__.py": "" for name in {*bootstrap.NEEDED["runtime"], *bootstrap.NEEDED["dev"]}}
    files["django/core/__init__.py"] = ""
    files["django/core/management.py"] = DJANGO
    files[f"{information}/METADATA"] = f"Metadata-Version: 2.1\nName: standin\nVersion: {version}\n"
    files[f"{information}/WHEEL"] = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{information}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{information}/RECORD"])
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    line = f"standin @ {wheel.as_uri()} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"
    for lock in ("runtime", "dev"):
        (folder / "requirements" / f"{lock}.txt").write_text(f"# {lock}\n{line}")


def start(project: Path, *arguments: str, user: int | None = None) -> subprocess.CompletedProcess[str]:
    env = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "DJANGO", "VIRTUAL_ENV"))}
    command = [PYTHON, str(project / "manage.py"), *arguments]
    return subprocess.run(command, cwd="/", env=env, capture_output=True, text=True, user=user)


def test_it_makes_the_environment_once_and_again_when_it_no_longer_fits(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    first = start(project, "demo", "--port", "8001")
    assert first.returncode == 0, first.stderr
    assert "Installing the libraries of requirements/runtime.txt" in first.stdout
    assert first.stdout.splitlines()[-1] == f"django got ['demo', '--port', '8001'] {project / '.venv'}"

    assert "Installing" not in start(project, "demo").stdout  # warm

    tests = start(project, "test", "-x")  # adds the development lock to what is there
    assert "requirements/dev.txt" in tests.stdout and "Making" not in tests.stdout
    assert "Installing" not in start(project, "test").stdout

    (project / ".venv" / "unfinished").touch()  # killed half-way
    assert "Making" in start(project, "demo").stdout

    stamp = project / ".venv" / "stamp.json"
    stamp.write_text(json.dumps({**json.loads(stamp.read_text()), "python": "3.9 /somewhere/else"}))
    assert "Making" in start(project, "demo").stdout
    assert "Installing" not in start(project, "demo").stdout

    wanted = json.loads(stamp.read_text())
    assert bootstrap._usable(project / ".venv", "runtime", wanted)
    write_lock(project, "2")
    assert not bootstrap._usable(project / ".venv", "runtime", bootstrap._wanted(project))


def test_two_starts_at_once_make_one_environment(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    env = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "DJANGO", "VIRTUAL_ENV"))}
    command = [PYTHON, str(project / "manage.py"), "demo"]
    both = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate()[0] for process in both]
    assert all("django got" in text for text in said)
    assert sum("Installing" in text for text in said) == 1


def test_it_uses_an_environment_made_by_somebody_else(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    assert start(project, "demo").returncode == 0
    (project / ".venv" / "stamp.json").unlink()
    again = start(project, "demo")
    assert "django got" in again.stdout and "Making" not in again.stdout


def test_it_names_a_lock_it_cannot_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project(tmp_path / "project")
    for lock in ("runtime", "dev"):
        digest = "0" * 64
        (project / "requirements" / f"{lock}.txt").write_text(f"no-such-package-here==1 --hash=sha256:{digest}\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    refused = start(project, "demo")
    assert refused.returncode == 1
    assert refused.stderr.startswith("The libraries could not be downloaded (No matching distribution")
    assert "Traceback" not in refused.stderr


def test_it_names_a_package_that_is_not_the_one_locked(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    lock = project / "requirements" / "runtime.txt"
    lock.write_text(lock.read_text().split("sha256:")[0] + "sha256:" + "0" * 64 + "\n")
    refused = start(project, "demo")
    assert refused.returncode == 1
    assert "a downloaded package is not the one the lock names" in refused.stderr


def test_it_names_a_folder_it_cannot_write(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    if os.geteuid() != 0:
        project.chmod(0o555)
        refused = start(project, "demo")
        project.chmod(0o755)
        assert refused.stderr.startswith(f"The folder {project} cannot be written")
        assert refused.returncode == 1
    else:
        monkey = pytest.MonkeyPatch()
        with monkey.context() as patched, pytest.raises(bootstrap.ProjectNotWritable, match="cannot be written"):
            patched.setattr(os, "access", lambda *_: False)  # root may write everywhere
            patched.setattr(bootstrap, "NEEDED", {"runtime": ("not_there",), "dev": ("not_there",)})
            bootstrap.ensure(str(project), ["demo"])


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_it_names_the_system_package_that_is_missing(
    tmp_path: Path, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(tmp_path / "project")
    monkeypatch.setattr(bootstrap, "NEEDED", {"runtime": ("not_there",), "dev": ("not_there",)})
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == module else real(name))
    with pytest.raises(bootstrap.VenvModuleMissing, match=f"has no `{module}`.* apt-get install python3-venv"):
        bootstrap.ensure(str(project), ["demo"])
    assert not (project / ".venv").exists()


def test_it_names_a_full_disk(tmp_path: Path) -> None:
    log = tmp_path / "install.log"
    log.write_text("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n")
    with pytest.raises(bootstrap.NoRoom, match="No space is left on the disk"):
        bootstrap._explain(log, tmp_path / "requirements" / "runtime.txt")


def test_it_names_a_python_that_is_too_old(tmp_path: Path) -> None:
    """Fakes the version: older Pythons are rarely at hand, and they must be able to read the file up to the check."""
    code = "import sys, runpy; sys.version_info = (3, 9, 2); sys.argv = ['manage.py', 'demo']; "
    code += f"runpy.run_path({str(PROJECT / 'manage.py')!r}, run_name='__main__')"
    refused = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True)
    assert refused.returncode == 1
    assert refused.stderr.strip() == (
        "Change Control needs Python 3.11 or newer, and this is 3.9: try python3.11 manage.py"
    )
