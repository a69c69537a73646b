"""`manage.py demo_story`: the demonstration's first minutes. CR-0001 goes to production; others wait for each role."""

from __future__ import annotations

import os
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from changecontrol.management.journey import ENVIRONMENTS, Journey
from changecontrol.models import ChangeRequest
from changecontrol.rules.lifecycle import Status
from changecontrol.rules.refusal import Refused
from changecontrol.services import cast

PASSWORD = "demonstration-only"  # noqa: S105 - printed on the sign-in page of the demonstration


class Command(BaseCommand):
    """Tell the story once; a demonstration that already has changes keeps them."""

    help = "Set up the demonstration: the cast, three registered targets, and changes in different states."

    def handle(self, *args: Any, **options: Any) -> None:
        """Walk the changes, one line for everything that happens."""
        if not settings.DEMO:
            raise CommandError(
                "This makes ready-made accounts and belongs to the demonstration alone (manage.py demo)."
            )
        cast.set_up_cast(password=PASSWORD, now=timezone.now())
        if ChangeRequest.objects.exists():
            return
        journey = Journey(password=PASSWORD, say=self.stdout.write)
        try:
            self._tell(journey)
        except Refused as no:
            raise CommandError(no.sentence) from no

    def _tell(self, journey: Journey) -> None:
        reference = os.environ.get("CHANGECONTROL_DEMO_REFERENCE", "env:CHANGECONTROL_TARGET_{}")
        journey.set_up_places({name: reference.format(name.upper()) for name in ENVIRONMENTS})
        first = journey.walk(1, until=Status.DEPLOYED)
        self.stdout.write(f"{first.code} is on production. Further changes, one waiting for each role:")
        quiet = Journey(password=PASSWORD)
        waiting = [
            (2, Status.ACCEPTED, "Theo authorizes and runs it"),
            (3, Status.STAGED, "Quin accepts it"),
            (4, Status.APPROVED, "Quin starts staging"),
        ]
        for number, until, who in waiting:
            change = quiet.walk(number, until=until)
            self.stdout.write(f"{change.code}  {change.status.replace('_', ' ')}: {change.migration_name}, {who}")
        for number, meanings, who in ((5, ("technical review",), "Cora signs"), (6, (), "Tess signs")):
            change = quiet.open(number)
            quiet.develop(change)
            change = quiet.submit(change)
            if meanings:
                change = quiet.review(change, *meanings)
            self.stdout.write(f"{change.code}  {change.status.replace('_', ' ')}: {change.migration_name}, {who}")
        change = quiet.open(7)
        self.stdout.write(f"{change.code}  {change.status.replace('_', ' ')}: {change.migration_name}, Ada finishes it")
