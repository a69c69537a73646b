"""The next migration's files, created for an author."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from changecontrol.repository import Repository


def new_migration(*, repository: Path, description: str, ticket: str, author: str, on: date) -> list[Path]:
    """Create the next migration, its rollback and its verify script in a folder; give their paths, forward first.

    Raises RepositoryMissing, BadDescription, BadField, NoFreeNumber or CannotCreate.
    """
    return Repository(repository).create(description, ticket, author, date=on.isoformat())
