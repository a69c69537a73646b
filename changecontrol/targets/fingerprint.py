"""Which database answers behind a connection string: so that a wrong one is noticed before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import psycopg

from changecontrol.rules.refusal import Refused


class WrongDatabase(Refused):
    """{target} is not the database it was registered as: {differences}. Correct the connection its reference points
    to, or register the target again."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """`system_identifier` is the cluster's (empty where the login may not read it); `extensions` name to version."""

    system_identifier: str
    database: str
    server_version_num: int
    major: int
    extensions: dict[str, str]
    encoding: str

    def to_json(self) -> dict[str, Any]:
        """Plain values for storing; `from_json` gives back an equal Fingerprint."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Fingerprint:
        """Rebuild what `to_json` gave."""
        return cls(**{**value, "extensions": dict(value["extensions"])})


def fingerprint(conn: psycopg.Connection[Any]) -> Fingerprint:
    """Read the fingerprint of the connected database."""
    row = conn.execute(
        "SELECT current_database(), current_setting('server_version_num')::int,"
        " pg_encoding_to_char(encoding),"
        " has_function_privilege('pg_control_system()', 'EXECUTE')"
        " FROM pg_database WHERE datname = current_database()"
    ).fetchone()
    assert row is not None  # the connected database always has its row
    system = conn.execute("SELECT system_identifier::text FROM pg_control_system()").fetchone() if row[3] else None
    extensions = conn.execute("SELECT extname, extversion FROM pg_extension ORDER BY extname").fetchall()
    return Fingerprint(
        system_identifier=system[0] if system else "",
        database=row[0],
        server_version_num=row[1],
        major=row[1] // 10000,
        extensions=dict(extensions),
        encoding=row[2],
    )


def compare(expected: Fingerprint | Mapping[str, Any], found: Fingerprint) -> tuple[str, ...]:
    """Say how the found database is another one than expected; () when it is the same.

    Identity is the cluster, the database name, the encoding and the major version. Minor versions and extensions may
    change without it becoming another database.
    """
    if not isinstance(expected, Fingerprint):
        expected = Fingerprint.from_json(expected)
    said: list[str] = []
    if expected.system_identifier and found.system_identifier != expected.system_identifier:
        said.append(
            f"another server cluster answers ({found.system_identifier or 'unknown'} instead of "
            f"{expected.system_identifier})"
        )
    if found.database != expected.database:
        said.append(f'the database is "{found.database}" instead of "{expected.database}"')
    if found.major != expected.major:
        said.append(f"it runs PostgreSQL {found.major} instead of {expected.major}")
    if found.encoding != expected.encoding:
        said.append(f"its encoding is {found.encoding} instead of {expected.encoding}")
    return tuple(said)


def require(expected: Fingerprint | Mapping[str, Any], found: Fingerprint, *, target: str) -> None:
    """Raise WrongDatabase unless the found database is the expected one."""
    differences = compare(expected, found)
    if differences:
        raise WrongDatabase(target=target, differences="; ".join(differences))
