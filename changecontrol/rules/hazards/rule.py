"""What a rule is, and what it gives: plain values. The rules themselves stand beside their theme."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Proof(StrEnum):
    """What a rehearsal must show for a prediction to stand."""

    NONE = "none"  # true whatever the rehearsal shows: it is about data, access or the application
    REWRITE = "rewrite"  # a table got a new file, or its indexes were built anew
    SCAN = "scan"  # the server verified rows under a lock that blocks writers
    BUILD = "build"  # an index was built under a lock that blocks writers
    LOCK = "lock"  # something that was there before was locked against writers
    ROWS = "rows"  # many rows, or all rows of a table, were written in one transaction
    EXCLUSIVE = "exclusive"  # two tables were locked in one transaction, one of them against readers
    HELD = "held"  # something took its time while a strong lock was held
    REPLACED = "replaced"  # an object that was there before was replaced


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule's severity, why it matters, and the safe way. The texts are templates for the names of a hit."""

    severity: str
    why: str
    rewrite: str = ""
    proof: Proof = Proof.NONE


@dataclass(frozen=True, slots=True)
class Hit:
    """One rule that fits one statement. `names` fill its templates; a `severity` here is for this hit alone."""

    rule: str
    names: Mapping[str, str] = field(default_factory=dict)
    severity: str = ""
    inside: str = ""  # where in code, such as "In the DO block, line 3: "
    note: str = ""  # said behind the reason
