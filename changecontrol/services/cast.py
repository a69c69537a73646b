"""The cast of the demonstration and of the tests: eight people, each with one duty; Mallory has none."""

from __future__ import annotations

from datetime import datetime

from changecontrol.models import Person
from changecontrol.rules.lifecycle import Duty
from changecontrol.services import duties
from changecontrol.services.recording import SETUP, acting

CAST: tuple[tuple[str, str, Duty | None], ...] = (
    ("ada", "Ada Lindqvist", Duty.AUTHOR),
    ("tess", "Tess Moreau", Duty.TECHNICAL_REVIEWER),
    ("cora", "Cora Whitfield", Duty.COMPLIANCE_OFFICER),
    ("quin", "Quin Harper", Duty.QA),
    ("theo", "Theo Brandt", Duty.TECH_LEAD),
    ("olga", "Olga Petrov", Duty.ADMINISTRATOR),
    ("ines", "Ines Duarte", Duty.INSPECTOR),
    ("mallory", "Mallory Voss", None),
)
_REASON = "set-up of the cast"


def set_up_cast(*, password: str, now: datetime) -> None:
    """Create duties and the cast with this password; what exists stays as it is, so twice is harmless."""
    with acting(SETUP, reason=_REASON):
        duties.set_up_duties()
        for username, printed_name, duty in CAST:
            if Person.objects.filter(username=username).exists():
                continue
            person = Person.objects.create_user(
                username,
                password,
                printed_name=printed_name,
                email=f"{username}@example.org",
                identity_verified_at=now,
            )
            if duty is not None:
                duties.grant(person, duty, changed_by=None, reason=_REASON, now=now)
