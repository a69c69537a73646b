"""`python -m tests.hazards`: every case on PostgreSQL 17 and 18, what our rules say beside squawk, and the counts.

With words behind it only the cases whose names hold one of them.
"""

from __future__ import annotations

import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "changecontrol.settings")

from collections.abc import Iterator, Sequence

import psycopg

from changecontrol.local import testing
from changecontrol.local.postgres import Cluster
from tests.hazards import CASES, SETUP, Case
from tests.hazards.running import Judged, judge
from tests.targets.observing import Templates

_MARKS = {"note": "n", "warning": "w", "error": "E", "critical": "C"}


def clusters(servers: testing.Servers) -> Iterator[Cluster]:
    """PostgreSQL 17 and 18."""
    yield servers.new_cluster("older", major=17)
    yield servers.new_cluster("newer", major=18)


def run(case: Case, cluster: Cluster, templates: Templates) -> Judged:
    """One case on a database of its own."""
    with templates.clone(cluster, SETUP) as where:
        if case.prepare:
            with psycopg.connect(where.dsn, autocommit=True) as owner:
                owner.execute(case.prepare.encode())
        return judge(where, case.sql)


def verdict(case: Case, major: int, judged: Judged) -> str:
    """right, MISSED or FALSE ALARM; a statement that this version cannot parse counts as neither."""
    if case.harmless and case.observed[major].error:
        return "no syntax of this version"
    alarmed = bool(judged.refused or judged.alarms)
    return "right" if alarmed != case.harmless else ("FALSE ALARM" if case.harmless else "MISSED")


def words(findings: Sequence[object]) -> str:
    """Findings in short: E drop-column."""
    return (
        " ".join(dict.fromkeys(f"{_MARKS[one.severity]}:{one.rule.removeprefix('squawk/')}" for one in findings)) or "–"
    )  # type: ignore[attr-defined]


def main(chosen: Sequence[str]) -> int:
    """Print the table and the counts."""
    templates, counts = Templates(), dict[tuple[int, str], int]()
    with testing.servers() as servers:
        for cluster in clusters(servers):
            print(f"\nPostgreSQL {cluster.major}")
            for case in CASES:
                if chosen and not any(word in case.id for word in chosen):
                    continue
                judged = run(case, cluster, templates)
                said = verdict(case, cluster.major, judged)
                counts[cluster.major, said] = counts.get((cluster.major, said), 0) + 1
                final = f"refused: {judged.refused}" if judged.refused else words(judged.final)
                print(f"{said:12} {'ok  ' if case.harmless else 'harm'} {case.id}")
                print(f"{'':17} static {words(judged.static)}")
                print(f"{'':17} final  {final}")
                print(f"{'':17} squawk {words(judged.squawk)}", flush=True)
    for (major, said), count in sorted(counts.items()):
        print(f"PostgreSQL {major}: {count} {said}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
