"""The house as a test: what imports cannot say (docs/decisions/0001).

Imports are held by `.importlinter`, run here as well. The rest is read from the syntax trees: doors never write, one
function sets status, only doors read the clock, rules touch no file.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "changecontrol"

Offense = str
Tree = tuple[Path, ast.Module]


# --- reading the code


def modules(*rooms: str) -> Iterator[Tree]:
    """Syntax trees of the rooms (folders or files below changecontrol/), generated migrations left out."""
    for room in rooms:
        place = PACKAGE / room
        files = [place.with_suffix(".py")] if place.with_suffix(".py").is_file() else sorted(place.rglob("*.py"))
        for file in files:
            if file.is_relative_to(PACKAGE / "migrations"):
                continue
            yield file, parsed(file)


@cache
def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), filename=str(file))


def at(file: Path, node: ast.AST, says: str) -> Offense:
    return f"{file.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}: {says}"


def imported(tree: ast.Module) -> dict[str, str]:
    """Local name -> full dotted name, for every import anywhere in the file."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def dotted(node: ast.AST, names: dict[str, str]) -> str:
    """`timezone.now` -> "django.utils.timezone.now" by the file's imports; "" for what is no plain name."""
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute) and (base := dotted(node.value, names)):
        return f"{base}.{node.attr}"
    return ""


def offenses(rooms: tuple[str, ...], judge: Callable[[Path, ast.AST, dict[str, str]], str | None]) -> list[Offense]:
    """Everything in the rooms of which `judge` has something to say."""
    found = []
    for file, tree in modules(*rooms):
        names = imported(tree)
        for node in ast.walk(tree):
            if says := judge(file, node, names):
                found.append(at(file, node, says))
    return found


# --- imports


def test_imports_point_down() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as go; go()", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr


# --- doors never write

DOORS = ("tasks", "web", "management", "templatetags")
WRITES = {"save", "create", "update", "delete", "get_or_create", "update_or_create", "bulk_create", "bulk_update"}
WRITES |= {f"a{name}" for name in WRITES}
QUERYING = {"objects", "filter", "exclude", "all", "get", "order_by", "select_for_update", "select_related", "using"}
#: names that plainly hold plain data
PLAIN = {"dict", "context", "data", "kwargs", "headers", "environ", "env", "hashlib", "digest"}


def chain(node: ast.AST) -> list[str]:
    """`Change.objects.filter(x).update` -> ["Change", "objects", "filter", "update"]."""
    if isinstance(node, ast.Call):
        return chain(node.func)
    if isinstance(node, ast.Attribute):
        return [*chain(node.value), node.attr]
    return [node.id] if isinstance(node, ast.Name) else []


def door_write(_: Path, node: ast.AST, names: dict[str, str]) -> str | None:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in WRITES):
        return None
    links = chain(node.func)
    if QUERYING & set(links[:-1]) or any(link.endswith("_set") for link in links[:-1]):
        return f"a door writes: {'.'.join(links)}()"
    verb = node.func.attr
    # drafting.create(...) is a call of a service, environ.update(...) of a dictionary
    if len(links) >= 2 and (names.get(links[0], "").startswith("changecontrol.services") or PLAIN & set(links[:-1])):
        return None
    unclear = verb in {"update", "create", "delete"} and not links[:-1]
    known_dict = verb == "update" and isinstance(node.func.value, ast.Name | ast.Dict)
    return None if unclear or known_dict else f"a door writes: {'.'.join(links)}()"


def test_doors_never_write() -> None:
    assert offenses(DOORS, door_write) == []


def test_pages_and_tasks_never_speak_sql() -> None:
    def judge(_: Path, node: ast.AST, __: dict[str, str]) -> str | None:
        is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        return (
            "a door speaks SQL" if is_call and node.func.attr in {"cursor", "execute", "raw", "executemany"} else None
        )

    found = offenses(("tasks", "web", "templatetags"), judge)
    # the health page asks whether the database answers, and nothing else
    assert [one for one in found if not one.startswith("changecontrol/web/health.py:")] == []


def test_doors_do_not_decide_by_status() -> None:
    def judge(_: Path, node: ast.AST, __: dict[str, str]) -> str | None:
        if isinstance(node, ast.If | ast.IfExp):
            for inner in ast.walk(node.test):
                if isinstance(inner, ast.Attribute) and inner.attr == "status" and isinstance(inner.ctx, ast.Load):
                    return "a door decides by status; ask a service"
        return None

    assert offenses(("tasks", "web"), judge) == []


def test_tasks_take_keywords_and_survive_newer_messages() -> None:
    found = []
    for file, tree in modules("tasks"):
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and any("task" in chain(mark)[-1:] for mark in node.decorator_list):
                positional = [arg.arg for arg in node.args.args if arg.arg != "self"]
                if positional or node.args.kwarg is None:
                    found.append(at(file, node, f"{node.name} is not keyword-only with a trailing **_"))
    assert found == []


# --- one writer of status


def test_only_moving_sets_status() -> None:
    def judge(file: Path, node: ast.AST, _: dict[str, str]) -> str | None:
        if file == PACKAGE / "services/moving.py":
            return None
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AugAssign | ast.AnnAssign):
            targets = [node.target]
        for target in targets:
            for inner in ast.walk(target):
                if isinstance(inner, ast.Attribute) and inner.attr == "status" and isinstance(inner.ctx, ast.Store):
                    return "sets status; only services/moving.py does"
        if isinstance(node, ast.Call):
            if chain(node.func)[-1:] == ["setattr"] and len(node.args) > 1:
                field = node.args[1]
                if isinstance(field, ast.Constant) and field.value == "status":
                    return "sets status by setattr"
            if chain(node.func)[-1:] in (["update"], ["bulk_update"]) and any(
                word.arg == "status" for word in node.keywords
            ):
                return "updates status past the row lock"
        return None

    everywhere = ("rules", "models", "repository", "dispatch", "targets", "services", "local", *DOORS)
    assert offenses(everywhere, judge) == []


# --- only doors read the clock

WALL_CLOCKS = {
    "django.utils.timezone.now", "django.utils.timezone.localtime", "django.utils.timezone.localdate",
    "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today",
    "time.time", "time.time_ns", "time.localtime", "time.gmtime",
}  # fmt: skip
STOPWATCHES = {"time.monotonic", "time.monotonic_ns", "time.perf_counter", "time.perf_counter_ns"}


def clock(forbidden: set[str]) -> Callable[[Path, ast.AST, dict[str, str]], str | None]:
    def judge(_: Path, node: ast.AST, names: dict[str, str]) -> str | None:
        if isinstance(node, ast.Name | ast.Attribute) and (name := dotted(node, names)) in forbidden:
            return f"reads the clock: {name}; take `now` as an argument"
        return None

    return judge


def test_rules_and_models_read_no_clock() -> None:
    assert offenses(("rules", "models", "repository", "dispatch"), clock(WALL_CLOCKS | STOPWATCHES)) == []


def test_services_and_targets_read_no_wall_clock() -> None:
    found = offenses(("services", "targets"), clock(WALL_CLOCKS))
    # the ledger notes the worker's clock beside the target's own, so that a wrong one shows
    assert [one for one in found if not one.startswith("changecontrol/targets/ledger.py:")] == []


# --- rules are plain


def test_rules_touch_no_file_and_no_setting() -> None:
    def judge(_: Path, node: ast.AST, names: dict[str, str]) -> str | None:
        if isinstance(node, ast.Call):
            name = dotted(node.func, names)
            if name in {"open", "io.open", "input", "print"} or name.startswith(
                ("os.", "subprocess.", "socket.", "random.", "secrets.")
            ):
                return f"a rule calls {name}"
            if chain(node.func)[-1:] and chain(node.func)[-1] in {
                "read_text",
                "read_bytes",
                "write_text",
                "write_bytes",
            }:
                return "a rule touches a file"
        if isinstance(node, ast.ImportFrom) and node.module == "pathlib":
            return None if all(alias.name.startswith("Pure") for alias in node.names) else "a rule holds a real path"
        return None

    assert offenses(("rules",), judge) == []


def test_no_signals_and_no_logic_in_save() -> None:
    def judge(_: Path, node: ast.AST, names: dict[str, str]) -> str | None:
        if isinstance(node, ast.FunctionDef) and node.name in {"save", "delete", "clean"}:
            return f"a model decides in {node.name}()"
        name = dotted(node, names) if isinstance(node, ast.Name | ast.Attribute) else ""
        return "a signal" if name.startswith("django.db.models.signals") else None

    assert offenses(("models",), judge) == []


# --- refusals


def test_every_refusal_has_its_sentence() -> None:
    known, found = {"Refused"}, []
    every = list(modules("rules", "models", "repository", "dispatch", "targets", "services", "local", *DOORS))
    classes = [(file, node) for file, tree in every for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    for _ in range(4):  # a refusal may derive from a refusal
        known |= {node.name for _, node in classes if {chain(base)[-1] for base in node.bases if chain(base)} & known}
    for file, node in classes:
        if node.name in known and not re.search(r"[.!?}](\s|$)", (ast.get_docstring(node) or "").strip()):
            found.append(at(file, node, f"{node.name} has no sentence"))
    assert len(known) > 10
    assert found == []


# --- sizes and names


def committed() -> list[Path]:
    """Files under version control and new ones that are not ignored; without git, everything that is no cache."""
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True,
    ) if (ROOT / ".git").exists() else None  # fmt: skip
    if listed is not None and listed.returncode == 0:
        return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]
    hidden = {".venv", ".demo", ".git", "__pycache__", "staticfiles", "var"}
    return [path for path in ROOT.rglob("*") if path.is_file() and not hidden & set(path.relative_to(ROOT).parts)]


def test_files_are_short() -> None:
    """200 lines is the goal; beyond 400 a file is two files."""
    long = {}
    for file in [*PACKAGE.rglob("*.py"), *(ROOT / "tests").rglob("*.py")]:
        lines = len(file.read_text(encoding="utf-8").splitlines())
        if lines > 400 and not file.is_relative_to(PACKAGE / "migrations"):
            long[str(file.relative_to(ROOT))] = lines
    assert long == {}


def test_modules_are_named_by_what_they_hold() -> None:
    banned = {"utils", "util", "helpers", "helper", "common", "misc", "exceptions", "constants", "enums", "selectors"}
    assert [str(file.relative_to(ROOT)) for file in PACKAGE.rglob("*.py") if file.stem in banned] == []


def test_locks_have_hashes_and_no_addresses() -> None:
    for lock in sorted((ROOT / "requirements").glob("*.txt")):
        lines = [
            line for line in lock.read_text(encoding="utf-8").splitlines() if line.strip() and not line.startswith("#")
        ]
        pinned = [line for line in lines if re.match(r"[A-Za-z0-9._-]+==", line)]
        assert pinned, lock.name
        assert not [line for line in lines if "://" in line or line.startswith("-")], lock.name
        text = "\n".join(lines)
        assert text.count("--hash=sha256:") >= len(pinned), lock.name


def test_no_file_names_the_place_it_was_written_in() -> None:
    # spelled in pieces, so that this file does not name them either
    foreign = re.compile(
        "|".join(
            [
                "/wo" + "rk/",
                "/tmp/" + "contract",
                "python" + "hosted",
                "/opt/" + "pypi",
                "/home/" + r"\w+/",
                "/root/" + r"\.",
            ]
        )
    )
    found = []
    for file in committed():
        if file.stat().st_size > 2_000_000 or file.suffix in {".png", ".woff2", ".ico", ".gz"}:
            continue
        for number, line in enumerate(file.read_text(encoding="utf-8", errors="ignore").splitlines(), 1):
            if match := foreign.search(line):
                found.append(f"{file.relative_to(ROOT)}:{number}: {match[0]}")
    assert found == []


# --- templates and tables


def test_templates_hold_no_inline_style_or_script() -> None:
    """The content security policy forbids them; a page that needs one would silently lose it."""
    inline = re.compile(
        r"<style\b|<script\b(?![^>]*\bsrc=)|\sstyle\s*=|\son[a-z]+\s*=\s*[\"']|javascript:|\shx-on", re.IGNORECASE
    )
    found = []
    for file in sorted((ROOT / "templates").rglob("*.html")):
        text = re.sub(
            r"{#.*?#}|{% comment %}.*?{% endcomment %}", "", file.read_text(encoding="utf-8"), flags=re.DOTALL
        )
        found += [f"{file.relative_to(ROOT)}: {match[0].strip()}" for match in inline.finditer(text)]
    assert found == []


def our_models() -> list[type]:
    from django.apps import apps

    historical = [model for model in apps.get_models() if model.__name__.startswith("Historical")]
    return [model for model in apps.get_app_config("changecontrol").get_models() if model not in historical]


def test_every_table_and_column_has_a_comment() -> None:
    found = []
    for model in our_models():
        meta = model._meta
        if not meta.db_table_comment:
            found.append(f"{meta.label} has no db_table_comment")
        for field in meta.local_fields:
            if not field.db_comment and not (field.primary_key and field.auto_created):
                found.append(f"{meta.label}.{field.name} has no db_comment")
    assert found == []


@pytest.mark.parametrize("page", ["README.md", "GLOSSARY.md", "CHANGELOG.md", "LICENSE"])
def test_the_house_has_its_papers(page: str) -> None:
    assert (ROOT / page).stat().st_size > 500
