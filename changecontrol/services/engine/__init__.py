"""The verbs that need no database of ours: a folder of migrations and a connection string.

For authors, for CI, for a development database. Staging and production are changed through change requests alone.
"""

from changecontrol.services.engine.applying import apply
from changecontrol.services.engine.base import (
    DatabaseGuarded,
    DsnMissing,
    Excluded,
    FolderMissing,
    NothingThere,
    OutOfOrder,
    Report,
)
from changecontrol.services.engine.linting import FORMATS, lint
from changecontrol.services.engine.looking import fingerprint
from changecontrol.services.engine.rehearsing import rehearse
from changecontrol.services.engine.standing import status
from changecontrol.services.engine.taking_back import rollback

__all__ = [
    "FORMATS",
    "DatabaseGuarded",
    "DsnMissing",
    "Excluded",
    "FolderMissing",
    "NothingThere",
    "OutOfOrder",
    "Report",
    "apply",
    "fingerprint",
    "lint",
    "rehearse",
    "rollback",
    "status",
]
