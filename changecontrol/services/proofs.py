"""What a staging run proves: schema and data before and after, compared; a backup where the way back loses data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from changecontrol.services.journal import Journal
from changecontrol.targets import backup, connection, data_digests, snapshot


@dataclass(frozen=True, slots=True)
class Shot:
    """Catalog and data of a target at one moment."""

    catalog: snapshot.Catalog
    data: dict[str, data_digests.TableDigest]


def shoot(session: connection.Session) -> Shot:
    """Read the catalog fingerprint and the data digests."""
    return Shot(catalog=snapshot.catalog(session), data=data_digests.data(session, by_column=True))


def compare(before: Shot, after: Shot, *, lossy: bool) -> dict[str, Any]:
    """Say whether a rollback gave back schema and data, as JSON: ok, schema, data, differences, lost, sentence."""
    differences = snapshot.differences(before.catalog, after.catalog)
    told = list(differences.said)
    lost = list(data_digests.lost(before.data, after.data))
    schema = differences.verdict
    rows = sum(table.rows for table in before.data.values())
    ok = schema in ("exact", "order_only") and (lossy or not lost)
    if schema not in ("exact", "order_only"):
        sentence = f"The rollback did not give back the schema: {' '.join(told[:5])}"
    elif lost and not lossy:
        sentence = f"The rollback is declared lossless, and this is lost: {' '.join(lost[:5])}"
    else:
        what = "The schema is what it was" if lost else "Schema and data are what they were"
        sentence = f"{what} before: {len(before.data)} tables, {rows} rows compared."
        sentence += f" Lost, as declared: {' '.join(lost[:5])}" if lost else ""
    return {
        "ok": ok,
        "schema": schema,
        "data": "lost" if lost else "equal",
        "differences": told,
        "lost": lost,
        "tables": len(before.data),
        "rows": rows,
        "before_digest": before.catalog.digest,
        "after_digest": after.catalog.digest,
        "sentence": sentence,
    }


def back_up(where: connection.Where, journal: Journal) -> dict[str, Any]:
    """Dump the target with pg_dump -Fc and keep the file by its SHA-256; the page says that no restore proved it."""
    folder = Path(settings.BACKUPS)
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{journal.execution_id}.part"
    made = backup.dump(where, part, on_event=lambda event: journal.write(event.kind, event.text, data=event.data))
    kept = folder / f"{made.sha256}.dump"
    part.rename(kept)
    journal.write(
        "backup", f"Backup kept by digest {made.sha256[:12]}…, {made.size} bytes; not yet proven by a restore."
    )
    return {"sha256": made.sha256, "size": made.size, "milliseconds": int(made.seconds * 1000), "proven": False}
