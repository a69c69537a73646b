"""`manage.py demo`: a whole installation on this machine, for looking at."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from changecontrol.local.demonstration import Demonstration
from changecontrol.management.commands.demo_story import PASSWORD
from changecontrol.rules.refusal import Refused
from changecontrol.services.cast import CAST


class Command(BaseCommand):
    help = "Start servers, workers and pages on this machine, take a change to production, and stay until Ctrl-C."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="port of the pages (default 8000)")
        parser.add_argument("--reset", action="store_true", help="delete this port's data and start over")
        parser.add_argument("--folder", type=Path, help="where to keep the data (default .demo/<port>)")

    def handle(self, *args: Any, **options: Any) -> None:
        port, project = options["port"], Path(settings.BASE_DIR)
        accounts = [f"Accounts (password of all: {PASSWORD}):"]
        accounts += [f"  {login:<9}{name:<17}{duty.value if duty else 'no duty'}" for login, name, duty in CAST]
        folder = (options["folder"] or project / ".demo" / str(port)).absolute()
        demonstration = Demonstration(project=project, folder=folder, port=port, accounts=accounts, say=_say)
        try:
            demonstration.run(reset=options["reset"])
        except Refused as refusal:
            sys.exit(refusal.sentence)


def _say(text: str) -> None:
    print(text, flush=True)
