"""The only reader of the migrations repository. It never changes or deletes a file; `create` only adds new ones."""

from changecontrol.repository.files import (
    Changing,
    FileMissing,
    LinkOutside,
    NotReadable,
    RepositoryMissing,
)
from changecontrol.repository.folder import Frozen, Repository
from changecontrol.repository.listing import MigrationFiles, MigrationMissing, NoFreeNumber, NumberTwice, SeriesFile
from changecontrol.repository.scaffold import BadField, CannotCreate, SeriesExists

__all__ = [
    "BadField",
    "CannotCreate",
    "Changing",
    "FileMissing",
    "Frozen",
    "LinkOutside",
    "MigrationFiles",
    "MigrationMissing",
    "NoFreeNumber",
    "NotReadable",
    "NumberTwice",
    "Repository",
    "RepositoryMissing",
    "SeriesExists",
    "SeriesFile",
]
