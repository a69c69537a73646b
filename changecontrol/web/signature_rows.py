"""Signatures as rows: required ones with who gave them or owes them, and void ones struck through."""

from __future__ import annotations

from typing import Any

from changecontrol.rules.signing import DUTIES, Meaning


def required_rows(view: Any) -> list[dict[str, Any]]:
    """Return one row a required meaning, in the order a change passes them."""
    rows: list[dict[str, Any]] = []
    for meaning, signature in view.required:
        if signature:
            row = {"name": signature.printed_name, "by": f"{signature.printed_name}, {signature.duty}", "word": "valid"}
            rows.append(row | {"key": meaning, "meaning": meaning, "signed_at": signature.signed_at})
        else:
            owed = " or ".join(DUTIES[Meaning(meaning)])
            rows.append({"key": meaning, "meaning": meaning, "name": owed, "by": f"owed by {owed}", "word": "open"})
    return rows


def void_rows(view: Any) -> list[dict[str, Any]]:
    """Return the signatures that no longer count, with why."""
    return [
        {
            "key": row.signature.meaning,
            "meaning": row.signature.meaning,
            "name": row.signature.printed_name,
            "by": f"{row.signature.printed_name}, {row.signature.duty}",
            "signed_at": row.signature.signed_at,
            "say": row.why_void,
            "word": "void",
            "void": True,
        }
        for row in view.signatures
        if not row.valid
    ]
