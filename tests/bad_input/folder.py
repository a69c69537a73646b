"""A small migrations folder that is in order, to be spoiled in one place by each test."""

from __future__ import annotations

import hashlib
from pathlib import Path

HEADER = """\
-- Migration: {number:03} - Add a note
-- Ticket: TICKET-{number:03}
-- Author: Ada Lindqvist
-- Date: 2026-11-02
-- Purpose: Sites want to keep a note.
-- Dependencies: none
"""
FORWARD = "BEGIN;\nALTER TABLE site ADD COLUMN note text;\nCOMMENT ON COLUMN site.note IS 'A note.';\nCOMMIT;\n"
ROLLBACK = "BEGIN;\nALTER TABLE site DROP COLUMN note;\nCOMMIT;\n"
VERIFY = "SELECT count(*) = 1 AS ok FROM pg_attribute WHERE attrelid = 'site'::regclass AND attname = 'note';\n"


def make_folder(root: Path, *, number: int = 1) -> Path:
    """One migration with header, rollback and verify script; returns the forward file."""
    for part in ("rollback", "verify", "checks"):
        (root / part).mkdir(parents=True, exist_ok=True)
    forward = root / f"{number:03}_add_note.sql"
    forward.write_text(HEADER.format(number=number) + FORWARD, encoding="utf-8")
    (root / f"rollback/{number:03}_rollback.sql").write_text(HEADER.format(number=number) + ROLLBACK, encoding="utf-8")
    (root / f"verify/{number:03}_verify.sql").write_text(HEADER.format(number=number) + VERIFY, encoding="utf-8")
    return forward


def picture(root: Path) -> dict[str, str]:
    """Every file with the digest of its bytes, links as what they point to: to show that reading changes nothing."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found
