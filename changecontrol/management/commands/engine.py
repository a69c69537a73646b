"""`manage.py engine VERB …`: a folder of migrations and a connection string, without a database of ours.

Exit codes: 0 everything is fine, 1 findings or a result that is not, 2 wrong usage, 3 it could not run.
"""

from __future__ import annotations

import getpass
import signal
import sys
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandParser

from changecontrol.management import engine_arguments, engine_output
from changecontrol.rules.refusal import Refused
from changecontrol.services.engine.base import DsnMissing, Excluded, FolderMissing, Report

FINE, NOT_FINE, USAGE, COULD_NOT_RUN = 0, 1, 2, 3
_INTERRUPTED = 130


class Command(BaseCommand):
    """Lint, rehearse, apply, roll back, list, fingerprint."""

    help = "Work on a folder of migrations and a database, without Change Control's own database."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe the verbs."""
        engine_arguments.describe(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Carry out one verb; leave with its exit code."""
        signal.signal(signal.SIGTERM, _interrupted)  # a sandbox is dropped on the way out
        say = engine_output.Teller(self.stderr, quiet=options.get("quiet", False))
        try:
            report = _VERBS[options["verb"]](options, say)
        except (FolderMissing, Excluded, DsnMissing) as refusal:
            _leave(self, refusal.sentence, USAGE)
        except Refused as refusal:
            _leave(self, refusal.sentence, COULD_NOT_RUN)
        except KeyboardInterrupt:
            _leave(self, "Interrupted.", _INTERRUPTED)
        try:
            engine_output.write(report, options, self.stdout)
        except OSError as error:
            _leave(self, f"{options['json']} cannot be written: {error.strerror}.", COULD_NOT_RUN)
        if not report.fine:
            sys.exit(NOT_FINE)


def _leave(command: Command, sentence: str, code: int) -> NoReturn:
    command.stderr.write(sentence)
    sys.exit(code)


def _interrupted(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _lint(options: dict[str, Any], say: engine_output.Teller) -> Report:
    from changecontrol.services.engine import linting

    return linting.lint(folder=options["folder"], only=options["only"], form=options["format"])


def _rehearse(options: dict[str, Any], say: engine_output.Teller) -> Report:
    from changecontrol.services.engine import rehearsing

    given = {
        "folder": options["folder"],
        "only": options["only"],
        "stop_at_first": options["stop_at_first"],
        "seconds": options["seconds"],
        "on_migration": say.migration,
    }
    if options["server"]:
        return rehearsing.rehearse(server=options["server"], **given)
    from changecontrol.management import engine_server

    with engine_server.embedded(options["major"] or 18) as server:
        return rehearsing.rehearse(server=server, **given)


def _apply(options: dict[str, Any], say: engine_output.Teller) -> Report:
    from changecontrol.services.engine import applying

    return applying.apply(
        folder=options["folder"],
        dsn=engine_arguments.dsn(options),
        actor=_login(),
        to=options["to"],
        verify=not options["no_verify"],
        wait_s=options["wait"],
        on_migration=say.migration,
        on_event=say.event,
    )


def _rollback(options: dict[str, Any], say: engine_output.Teller) -> Report:
    from changecontrol.services.engine import taking_back

    return taking_back.rollback(
        folder=options["folder"],
        dsn=engine_arguments.dsn(options),
        actor=_login(),
        to=options["to"],
        steps=options["steps"],
        only=options["only"],
        wait_s=options["wait"],
        on_migration=say.migration,
        on_event=say.event,
    )


def _status(options: dict[str, Any], say: engine_output.Teller) -> Report:
    from changecontrol.services.engine import standing

    return standing.status(folder=options["folder"], dsn=engine_arguments.dsn(options))


def _fingerprint(options: dict[str, Any], say: engine_output.Teller) -> Report:
    from changecontrol.services.engine import looking

    return looking.fingerprint(dsn=engine_arguments.dsn(options), compare=options["compare"])


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


_VERBS = {
    "lint": _lint,
    "rehearse": _rehearse,
    "apply": _apply,
    "rollback": _rollback,
    "status": _status,
    "fingerprint": _fingerprint,
}
