"""A folder of generated migrations in our layout: three statements each, and a rollback that restores."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Migration:
    """`body` and `back` are the statements without BEGIN and COMMIT."""

    number: int
    title: str
    body: str
    back: str

    @property
    def file(self) -> str:
        return f"{self.number:03d}_{self.title}.sql"


def generate(folder: Path, count: int) -> list[Migration]:
    """Write the folder; a table, then a column and an index on it, then a constraint and a comment, in turn."""
    (folder / "rollback").mkdir(parents=True)
    made = [_one(number) for number in range(1, count + 1)]
    for one in made:
        head = f"-- Migration: {one.number:03d} - {one.title}\n-- Ticket: T-{one.number}\n-- Author: Bench\n"
        head += "-- Date: 2026-01-01\n-- Purpose: Measured.\n-- Dependencies: none\n\n"
        (folder / one.file).write_text(f"{head}BEGIN;\n{one.body}COMMIT;\n")
        back = f"-- Rollback: {one.number:03d} - {one.title}\nBEGIN;\n{one.back}COMMIT;\n"
        (folder / "rollback" / f"{one.number:03d}_rollback.sql").write_text(back)
    return made


def _one(number: int) -> Migration:
    table = f"site_{(number + 2) // 3:03d}"
    match number % 3:
        case 1:
            body = (
                f"CREATE TABLE {table} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL,"
                " opened_on date);\n"
                f"CREATE INDEX {table}_name ON {table} (name);\n"
                f"INSERT INTO {table} (name, opened_on) VALUES ('Oslo', '2026-01-01'), ('Bergen', NULL);\n"
            )
            return Migration(number, f"create_{table}", body, f"DROP TABLE {table};\n")
        case 2:
            body = (
                f"ALTER TABLE {table} ADD COLUMN country text;\n"
                f"CREATE INDEX {table}_country ON {table} (country);\n"
                f"COMMENT ON COLUMN {table}.country IS 'Country of the site';\n"
            )
            return Migration(number, f"widen_{table}", body, f"ALTER TABLE {table} DROP COLUMN country;\n")
        case _:
            body = (
                f"ALTER TABLE {table} ADD CONSTRAINT {table}_named CHECK (name <> '');\n"
                f"CREATE VIEW {table}_open AS SELECT id, name FROM {table} WHERE opened_on IS NOT NULL;\n"
                f"UPDATE {table} SET country = 'NO' WHERE country IS NULL;\n"
            )
            back = (
                f"DROP VIEW {table}_open;\nALTER TABLE {table} DROP CONSTRAINT {table}_named;\n"
                f"UPDATE {table} SET country = NULL;\n"
            )
            return Migration(number, f"check_{table}", body, back)
