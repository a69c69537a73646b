"""What a worker saw at a target, in the words of its page."""

from __future__ import annotations

from typing import Any

from changecontrol.web import saying, words

#: so many tables are shown with their sizes before the rest folds away
LARGEST = 12


def _told(value: Any) -> str:
    """Return a value of a fingerprint or a probe in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_told(one)}" for key, one in value.items()) or "none"
    if isinstance(value, list):
        return "; ".join(_told(one) for one in value) or "none"
    return str(value) if value not in (None, "") else "none"


def facts(found: dict[str, Any] | None) -> list[tuple[str, str]]:
    """Return the rows of a fingerprint or a probe; findings, sizes and the catalog are shown apart."""
    rows = []
    for key, value in (found or {}).items():
        if key == "size_bytes" and value is not None:
            rows.append(("Size", saying.size(value)))
        elif key not in ("findings", "sentence", "tables", "catalog_digest"):
            rows.append((words.spoken(key).capitalize(), _told(value)))
    return rows


def sizes(found: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Return the tables that the last probe registered, the largest first: what rehearsals extrapolate by."""
    tables = (found or {}).get("tables") or {}
    rows = [{"table": name.removeprefix("public."), "rows": pair[0], "bytes": pair[1]} for name, pair in tables.items()]
    return sorted(rows, key=lambda row: (-row["bytes"], row["table"]))
