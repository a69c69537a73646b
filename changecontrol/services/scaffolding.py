"""The next migration's files, or those of a whole series, created for an author."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

from changecontrol.repository import Repository
from changecontrol.rules import patterns
from changecontrol.rules.patterns import Answers, Signed


def new_migration(*, repository: Path, description: str, ticket: str, author: str, on: date) -> list[Path]:
    """Create the next migration, its rollback and its verify script in a folder; give their paths, forward first.

    Raises RepositoryMissing, BadDescription, BadField, NoFreeNumber or CannotCreate.
    """
    return Repository(repository).create(description, ticket, author, date=on.isoformat())


def new_series(
    *,
    repository: Path,
    pattern: str,
    given: Mapping[str, str],
    description: str,
    ticket: str,
    author: str,
    on: date,
    dependencies: str = "",
) -> list[Path]:
    """Create every migration that a pattern needs; give their paths in order, forward first.

    `given` holds the answers by the names of patterns.QUESTIONS; an empty description is made of them. Raises what
    the patterns refuse, or RepositoryMissing, BadDescription, BadField, SeriesExists, NoFreeNumber, CannotCreate.
    """
    answers = Answers(pattern, given)
    members = patterns.members(answers)
    return Repository(repository).create_series(
        description or patterns.description(answers),
        members,
        signed=Signed(ticket.strip(), author.strip(), on.isoformat()),
        dependencies=dependencies,
    )
