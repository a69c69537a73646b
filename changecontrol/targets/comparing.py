"""What was there before a script, and what a later reading shows to be different."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from changecontrol.rules.observed import strongest
from changecontrol.targets import readings
from changecontrol.targets.connection import Session
from changecontrol.targets.readings import STORED, TOLD, Reading, Relation


class Known:
    """The relations of the time before a script, and what it has made of them so far.

    Names are those of the time before. What the script made itself is counted in scans and rows, but never named among
    locks, rewrites and indexes.
    """

    def __init__(self, before: Mapping[int, Relation], settings: Mapping[str, str]) -> None:
        self.before = before
        self._normal = settings
        self._oids = {relation.name: oid for oid, relation in before.items()}
        self._files = {oid: relation.file for oid, relation in before.items()}
        self._made: dict[int, str] = {}
        self._kept = (dict(self._files), dict(self._made))

    def keep(self) -> None:
        """What was seen is committed."""
        self._kept = (dict(self._files), dict(self._made))

    def forget(self) -> None:
        """What was seen since `keep` was rolled back."""
        self._files, self._made = dict(self._kept[0]), dict(self._kept[1])

    def compare(self, before: Reading, after: Reading) -> dict[str, Any]:
        """The fields of an Observed that two readings of one transaction tell."""
        return {
            "locks": self._locks(before, after),
            "scans": self.counted(before.scanned, after.scanned, after.relations),
            "rows": self.counted(before.changed, after.changed, after.relations),
            "replaced": self.counted(before.replaced, after.replaced, after.relations),
            "settings": self.left_changed(before.settings, after.settings),
            "wal_bytes": max(after.lsn - before.lsn, 0),
            **self.files(after.relations),
        }

    def files(self, relations: Mapping[int, Relation]) -> dict[str, Any]:
        """`rewrites`, `indexes` and `new` by the files that relations have now."""
        made = {
            oid: now.name
            for oid, now in relations.items()
            if now.kind in TOLD and oid not in self.before and oid not in self._made
        }
        found = {
            "rewrites": self._rewrites(relations),
            "indexes": self._indexes(relations),
            "new": tuple(sorted(made.values())),
        }
        self._made.update(made)
        self._files.update({oid: relation.file for oid, relation in relations.items()})
        return found

    def worked_through(self, found: Mapping[str, Any], relations: Mapping[int, Relation]) -> list[int]:
        """The OIDs of the tables of the time before that were rewritten, indexed or read as a whole."""
        names = {
            *found["rewrites"],
            *(name for name, rows in found.get("scans", {}).items() if self._is_all(name, rows)),
        }
        tables = {self._oids[name] for name in names if name in self._oids}
        built = set(found["indexes"])
        tables |= {one.table for one in relations.values() if one.kind == "i" and self._name(one) in built}
        return sorted(oid for oid in tables if oid in self.before)

    def _is_all(self, name: str, rows: int) -> bool:
        """Whether a scan read the whole table, as far as the statistics can tell: LIMIT reads less."""
        oid = self._oids.get(name)
        return oid is not None and rows >= 0.9 * self.before[oid].rows

    def _name(self, now: Relation) -> str:
        was = self.before.get(now.oid)
        return was.name if was else now.name

    def sizes(self, session: Session, oids: list[int]) -> dict[str, int]:
        """Their bytes, by the names of the time before."""
        found = readings.sizes(session, oids) if oids else {}
        return {self.before[oid].name: size for oid, size in sorted(found.items())}

    def left_changed(self, before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
        """Guarded settings that a statement switched away from what they were when the run began."""
        return {
            name: value
            for name, value in after.items()
            if value != self._normal[name] and value != before.get(name, self._normal[name])
        }

    def told(self, modes: Mapping[int, set[str]]) -> dict[str, str]:
        """The strongest mode of each relation that was there before, by its name."""
        known = {oid: self.before[oid] for oid in modes if oid in self.before}
        found = {one.name: strongest(*modes[oid]) for oid, one in known.items() if one.kind in TOLD and modes[oid]}
        return dict(sorted(found.items()))

    def counted(
        self, before: Mapping[int, int], after: Mapping[int, int], relations: Mapping[int, Relation]
    ) -> dict[str, int]:
        """By how much counts have risen; by name, and only for what has rows."""
        counts: dict[str, int] = {}
        for oid, count in after.items():
            relation = self.before.get(oid) or relations.get(oid)
            if relation and relation.kind in STORED and count > before.get(oid, 0):
                # two relations may bear one name, the dropped and the one made in its place
                counts[relation.name] = counts.get(relation.name, 0) + count - before.get(oid, 0)
        return dict(sorted(counts.items()))

    def _locks(self, before: Reading, after: Reading) -> dict[str, str]:
        return self.told({oid: set(modes - before.modes.get(oid, frozenset())) for oid, modes in after.modes.items()})

    def _rewrites(self, relations: Mapping[int, Relation]) -> tuple[str, ...]:
        was = self.before
        changed = (oid for oid, now in relations.items() if oid in was and now.file != self._files[oid])
        return tuple(sorted(was[oid].name for oid in changed if was[oid].kind in STORED))

    def _indexes(self, relations: Mapping[int, Relation]) -> tuple[str, ...]:
        """A new index over the file of an old one is the old one: ALTER TYPE keeps files that still fit."""
        files = set(self._files.values())
        built = (now for now in relations.values() if now.kind == "i" and now.file and now.file not in files)
        return tuple(sorted(self._name(now) for now in built if now.table in self.before))
