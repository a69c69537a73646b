"""Folders of migrations for the engine's tests: written file by file, good ones and bad ones."""

from __future__ import annotations

from pathlib import Path

HEAD = "-- Migration: {number} - Example\n-- Ticket: T-1\n-- Author: Ada\n-- Date: 2026-01-31\n"
HEAD += "-- Purpose: An example.\n-- Dependencies: none\n"


def write(folder: Path, **files: str | bytes) -> Path:
    """Write files; `a__b` in a keyword stands for a/b, and .sql is added."""
    return put(folder, {name.replace("__", "/", 1) + ".sql": text for name, text in files.items()})


def put(folder: Path, files: dict[str, str | bytes]) -> Path:
    """Write files by their paths."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def forward(body: str, *, number: str = "001", rollback: str = "") -> str:
    """A forward file with a whole header."""
    declared = f"-- Rollback: {rollback}\n" if rollback else ""
    return f"{HEAD.format(number=number)}{declared}\nBEGIN;\n{body}\nCOMMIT;\n"


def good(folder: Path) -> Path:
    """Three migrations that go forward and back."""
    return put(
        folder,
        {
            "001_sites.sql": forward("CREATE TABLE IF NOT EXISTS sites (id bigint PRIMARY KEY, name text);"),
            "rollback/001_rollback.sql": "BEGIN;\nDROP TABLE sites;\nCOMMIT;\n",
            "002_country.sql": forward("ALTER TABLE sites ADD COLUMN country text;", number="002"),
            "rollback/002_rollback.sql": "BEGIN;\nALTER TABLE sites DROP COLUMN country;\nCOMMIT;\n",
            "verify/002_verify.sql": "SELECT count(*) = 1 AS ok FROM information_schema.columns"
            " WHERE table_name = 'sites' AND column_name = 'country';\n",
            "003_named.sql": forward("ALTER TABLE sites ADD COLUMN opened_on date;", number="003"),
            "rollback/003_rollback.sql": "BEGIN;\nALTER TABLE sites DROP COLUMN opened_on;\nCOMMIT;\n",
        },
    )


def awful(folder: Path) -> Path:
    """What folders hold that nobody here wrote. The numbers tell what each is; expected verdicts are in EXPECTED."""
    table = "CREATE TABLE t{0} (id int PRIMARY KEY, name text);"
    drop = "DROP TABLE t{0};"
    files: dict[str, str | bytes] = {
        "001_good.sql": table.format(1),
        "rollback/001_rollback.sql": drop.format(1),
        "003_after_a_gap_without_rollback.sql": table.format(3),
        "004_meta_command.sql": "\\set x 1\nCREATE TABLE t4 (id int);",
        "rollback/004_rollback.sql": drop.format(4),
        "005_copy_from_stdin.sql": "COPY t1 (id, name) FROM stdin;\n1\tOslo\n\\.\n",
        "006_latin1.sql": "CREATE TABLE t6 (id int); -- Tromsø".encode("latin-1"),
        "007_crlf.sql": table.format(7).replace(" ", "\r\n"),
        "rollback/007_rollback.sql": "DROP TABLE\r\n t7;\r\n",
        "008_bom.sql": b"\xef\xbb\xbf" + table.format(8).encode(),
        "rollback/008_rollback.sql": drop.format(8),
        "009_empty.sql": "",
        "010_only_comments.sql": "-- nothing\n",
        "011_role_missing.sql": "GRANT SELECT ON t1 TO nobody_made_this_role;",
        "rollback/011_rollback.sql": "REVOKE SELECT ON t1 FROM nobody_made_this_role;",
        "012_extension_missing.sql": "CREATE EXTENSION no_such_extension;",
        "rollback/012_rollback.sql": "DROP EXTENSION no_such_extension;",
        "013_twice.sql": table.format(13),
        "013_twice_again.sql": table.format(14),
        "015_rollback_fails.sql": table.format(15),
        "rollback/015_rollback.sql": "DROP TABLE no_such_table;",
        "016_rollback_differs.sql": "ALTER TABLE t1 ADD COLUMN a int; ALTER TABLE t1 ADD COLUMN b int;",
        "rollback/016_rollback.sql": "ALTER TABLE t1 DROP COLUMN a;",
        "017_uses_both.sql": "ALTER TABLE t1 ADD CONSTRAINT a_b CHECK (a < b); CREATE VIEW v17 AS SELECT id FROM t15;",
        "rollback/017_rollback.sql": "DROP VIEW v17; ALTER TABLE t1 DROP CONSTRAINT a_b;",
        "018_empty_rollback.sql": table.format(18),
        "rollback/018_rollback.sql": "-- nothing to do\n",
        "019_forward_fix_only.sql": forward(table.format(19), number="019", rollback="forward-fix only, because of x"),
        "020_rollback_damages_and_fails.sql": "ALTER TABLE t1 ADD COLUMN c int;",
        "rollback/020_rollback.sql": "BEGIN; DROP TABLE t7; COMMIT; BEGIN; SELECT 1/0; COMMIT;",
        "021_needs_t7.sql": "ALTER TABLE t7 ADD COLUMN d int;",
        "rollback/021_rollback.sql": "ALTER TABLE t7 DROP COLUMN d;",
        "022_syntax.sql": "CREATE TABLE t22 (id int;",
        "023_rollback_is_psql.sql": table.format(23),
        "rollback/023_rollback.sql": "\\echo hello\nDROP TABLE t23;",
        "024_needs_t23.sql": "ALTER TABLE t23 ADD COLUMN e int;",
        "rollback/024_rollback.sql": "ALTER TABLE t23 DROP COLUMN e;",
        "025_makes_a_role.sql": "CREATE ROLE engine_test_role; GRANT SELECT ON t1 TO engine_test_role;",
        "rollback/025_rollback.sql": "DROP TABLE t8; SELECT 1/0;",
        "026_needs_the_role.sql": "GRANT SELECT ON t7 TO engine_test_role;",
        "rollback/026_rollback.sql": "REVOKE SELECT ON t7 FROM engine_test_role;",
        "027_not_again.sql": "CREATE TABLE IF NOT EXISTS seen (n int); INSERT INTO seen VALUES (1);"
        " DO $$ BEGIN IF (SELECT count(*) FROM seen) > 1 THEN RAISE EXCEPTION 'once only'; END IF; END $$;"
        " CREATE TABLE t27 (id int);",
        "rollback/027_rollback.sql": "DROP TABLE t27;",
        "1000_four_digits.sql": table.format(1000),
        "rollback/1000_rollback.sql": drop.format(1000),
        "20240131120000_Time-Stamp.sql": table.format(20240131),
        "rollback/20240131120000_rollback.sql": drop.format(20240131),
        "no_number.sql": "SELECT 1;",
        "notes.txt": "to do",
        "rollback/077_rollback.sql": "SELECT 1;",
    }
    return put(folder, files)


EXPECTED = {
    "001_good": "exact",
    "003_after_a_gap_without_rollback": "no_rollback",
    "004_meta_command": "refused",
    "005_copy_from_stdin": "refused",
    "006_latin1": "refused",
    "007_crlf": "exact",
    "008_bom": "exact",
    "009_empty": "refused",
    "010_only_comments": "refused",
    "011_role_missing": "forward_failed",
    "012_extension_missing": "forward_failed",
    "013_twice": "refused",
    "013_twice_again": "refused",
    "015_rollback_fails": "rollback_failed",
    "016_rollback_differs": "differs",
    "017_uses_both": "exact",
    "018_empty_rollback": "empty_rollback",
    "019_forward_fix_only": "no_rollback",
    "020_rollback_damages_and_fails": "rollback_failed",
    "021_needs_t7": "exact",
    "022_syntax": "refused",
    "023_rollback_is_psql": "refused",
    "024_needs_t23": "exact",
    "025_makes_a_role": "rollback_failed",
    "026_needs_the_role": "exact",
    "027_not_again": "differs",
    "1000_four_digits": "exact",
    "20240131120000_Time-Stamp": "exact",
    "no_number": "refused",
}
