"""A worker process of its own, for killing: `python -m tests.targets.worker FILE`, the connection in $DSN."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from changecontrol.rules.script import Direction, parse
from changecontrol.targets.connection import Where, connect, lock
from changecontrol.targets.outcome import Event, Limits
from changecontrol.targets.runner import run
from tests.targets.stage import order


def main(file: Path) -> None:
    """Run the file as CR-0001 and print the kind of every event."""

    def tell(event: Event) -> None:
        print(event.kind, flush=True)

    script = parse(file.read_bytes(), file=file.name, direction=Direction.FORWARD)
    with connect(Where(os.environ["DSN"], name="staging"), application_name="CR-0001 execution 1") as session:
        with lock(session, deadline=30):
            run(session, script=script, order=order(script), on_event=tell, limits=Limits(deadline_s=60))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
