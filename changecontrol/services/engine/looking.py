"""The catalog of a database as a fingerprint, and what sets two of them apart."""

from __future__ import annotations

from typing import Any

from changecontrol.services.engine.base import Report, reached
from changecontrol.targets.snapshot import Catalog, catalog, differences


def fingerprint(*, dsn: str, compare: str = "") -> Report:
    """Read a catalog's fingerprint; with `compare`, say what is missing, extra or changed in that other database.

    Not fine: they differ in more than order and spelling, or are of different majors. Nothing is changed. Raises the
    refusals of connecting.
    """
    first = _read(dsn, "the database")
    value: dict[str, Any] = {
        "digest": first.digest,
        "order_digest": first.order_digest,
        "major": first.major,
        "objects": first.objects,
        "order": {table: list(columns) for table, columns in first.order.items()},
    }
    if not compare:
        return Report(value)
    second = _read(compare, "the database to compare with")
    found = differences(first, second)
    value["compared"] = {
        "digest": second.digest,
        "major": second.major,
        "verdict": found.verdict,
        "differences": found.to_json(),
    }
    return Report(value, found.comparable and not found)


def _read(dsn: str, name: str) -> Catalog:
    with reached(dsn, name=name) as session:
        return catalog(session)
