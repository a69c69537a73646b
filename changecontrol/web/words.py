"""The word, the icon and the color group of everything that has a state; a status is never color alone."""

from __future__ import annotations

from typing import NamedTuple


class Look(NamedTuple):
    """How a word is shown: the modifier of `cc-status` and `cc-cell`, and the name of the icon."""

    tone: str
    icon: str


PLAIN = Look("idle", "circle-dashed")

#: statuses of a change
CHANGE: dict[str, Look] = {
    "draft": Look("idle", "pencil"),
    "in review": Look("info", "eye"),
    "approved": Look("info", "check"),
    "staged": Look("info", "flask"),
    "accepted": Look("info", "clipboard-check"),
    "authorized": Look("info", "signature"),
    "deployed": Look("info", "rocket"),
    "closed": Look("ok", "circle-check"),
    "rolled back": Look("undo", "arrow-back-up"),
    "rejected": Look("bad", "circle-x"),
    "withdrawn": Look("idle", "ban"),
}

#: states of an execution
STATE: dict[str, Look] = {
    "queued": Look("idle", "clock"),
    "running": Look("info", "player-play"),
    "succeeded": Look("ok", "circle-check"),
    "failed": Look("bad", "circle-x"),
    "lost": Look("warn", "alert-triangle"),
    "cancelled": Look("idle", "ban"),
    "aborted": Look("idle", "player-stop"),
}

#: effects of an execution, said so that the word stands alone
EFFECT: dict[str, tuple[str, Look]] = {
    "none": ("nothing applied", Look("idle", "circle-minus")),
    "partial": ("partly applied", Look("warn", "alert-triangle")),
    "complete": ("all applied", Look("ok", "database")),
    "unknown": ("effect unknown", Look("warn", "alert-triangle")),
}

#: severities of findings
SEVERITY: dict[str, Look] = {
    "note": Look("info", "info-circle"),
    "warning": Look("warn", "alert-triangle"),
    "error": Look("bad", "circle-x"),
    "critical": Look("bad", "ban"),
}

#: kinds of a statement in words
KIND: dict[str, tuple[str, Look]] = {
    "schema": ("schema", Look("idle", "table")),
    "data": ("changes data", Look("warn", "pencil")),
    "access": ("access", Look("warn", "key")),
    "index": ("index", Look("idle", "table")),
    "protected": ("protected", Look("warn", "shield-lock")),
    "other": ("other", Look("idle", "file-text")),
}

#: everything else that carries a chip
OTHER: dict[str, Look] = {
    "valid": Look("ok", "check"),
    "open": Look("warn", "clock"),
    "void": Look("idle", "ban"),
    "met": Look("ok", "check"),
    "ready": Look("ok", "check"),
    "applied": Look("ok", "circle-check"),
    "pending": Look("idle", "circle-dashed"),
    "scheduled": Look("idle", "clock"),
    "held": Look("idle", "player-pause"),
    "drift": Look("warn", "arrows-diff"),
    "baseline": Look("ok", "archive"),
    "partly applied": Look("warn", "alert-triangle"),
    "done": Look("ok", "circle-check"),
    "waiting": Look("idle", "circle-dashed"),
    "not applicable": Look("idle", "circle-minus"),
    "automatic": Look("idle", "settings"),
    "attested": Look("idle", "user"),
    "waived": Look("idle", "ban"),
    "blocks": Look("bad", "circle-x"),
    "active": Look("ok", "check"),
    "inactive": Look("idle", "ban"),
    "new": Look("info", "plus"),
    "changed on disk": Look("warn", "arrows-diff"),
    "reachable": Look("ok", "plug"),
    "not reachable": Look("bad", "plug"),
    "not probed": Look("idle", "circle-dashed"),
    "not adopted": Look("warn", "alert-triangle"),
    "watching": Look("info", "heartbeat"),
    "shown only": Look("idle", "info-circle"),
    "as predicted": Look("ok", "check"),
    "faster": Look("ok", "check"),
    "slower because larger": Look("info", "info-circle"),
    "slower": Look("warn", "alert-triangle"),
    "more rows": Look("warn", "arrows-diff"),
    "fewer rows": Look("warn", "arrows-diff"),
    "not run": Look("idle", "circle-minus"),
    "not rehearsed": Look("warn", "alert-triangle"),
}

#: icons of signature meanings, used in the inbox and beside signatures
MEANING: dict[str, str] = {
    "authorship": "pencil",
    "technical review": "eye",
    "compliance review": "shield-check",
    "staging acceptance": "flask",
    "production authorization": "rocket",
    "execution": "player-play",
    "second person": "users",
    "watch verdict": "heartbeat",
    "incident closure": "lifebuoy",
    "rejection": "circle-x",
    "send back": "arrow-back",
}

_CHIPS: dict[str, Look] = {**OTHER, **SEVERITY, **STATE, **CHANGE}


def spoken(value: object) -> str:
    """Return a status, meaning or move the way a person says it: `in_review` becomes "in review"."""
    return str(value or "").replace("_", " ")


def look(word: str) -> Look:
    """Return how `word` is shown; an unknown word stays quiet."""
    return _CHIPS.get(word, PLAIN)
