"""Plain factory functions: the cast, environments and targets, a small migrations folder, a change in any status."""

from __future__ import annotations

from datetime import UTC, datetime

from changecontrol.services import people

PASSWORD = "demonstration-only"


def set_up_cast() -> None:
    """Create duties and the cast, each with one duty, as the demonstration does."""
    people.set_up_cast(password=PASSWORD, now=datetime.now(UTC))
