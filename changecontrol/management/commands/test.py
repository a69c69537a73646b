"""`manage.py test`: every check of the project; with arguments, pytest with those arguments."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand

_PYTHON = (sys.executable, "-m")
_CHECKS = (
    (*_PYTHON, "ruff", "check", "."),
    (*_PYTHON, "ruff", "format", "--check", "."),
    (*_PYTHON, "mypy"),
    (str(Path(sys.executable).with_name("lint-imports")),),
)
#: Variables that would lead the tests to somebody's real servers; the tests bring their own.
_FOREIGN = ("PG", "DATABASE_", "REDIS_", "SECRET_KEY", "DEBUG", "DJANGO_", "CHANGECONTROL_", "ALLOWED_HOSTS")
_OURS = "CHANGECONTROL_TEST_"


class Command(BaseCommand):
    """Replaces Django's test runner: our tests are written for pytest."""

    help = "Run linters, type checks, import contracts and all tests; arguments go to pytest and leave out the rest."

    def run_from_argv(self, argv: list[str]) -> None:
        """Every argument is pytest's, so none is parsed here. Exits with 0 only when everything passed."""
        arguments = argv[2:]
        failed = [] if arguments else [check for check in _CHECKS if not _passes(check)]
        passed = _passes((*_PYTHON, "pytest", *(arguments or ("-n", "2"))))
        if failed:
            print("Not passed before the tests: " + "; ".join(_words(check) for check in failed), flush=True)
        sys.exit(0 if passed and not failed else 1)


def _passes(command: tuple[str, ...]) -> bool:
    print(f"-- {_words(command)}", flush=True)
    env = {key: value for key, value in os.environ.items() if key.startswith(_OURS) or not key.startswith(_FOREIGN)}
    return subprocess.run(command, cwd=settings.BASE_DIR, env=env).returncode == 0


def _words(command: tuple[str, ...]) -> str:
    words = command[2:] if command[:2] == _PYTHON else (Path(command[0]).name, *command[1:])
    return " ".join(words)
