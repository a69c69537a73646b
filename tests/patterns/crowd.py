"""Writers with a journal and readers who notice being kept waiting: the application while a series runs."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import psycopg

from tests.patterns.series import Place
from tests.patterns.styles import ANYTHING, Column, Connection, Fact
from tests.targets.stage import wait_for

#: a reader who waits longer for a lock than this was blocked; the runner's own rule is 50 ms
BLOCKED_MS = 1000
#: how long a report keeps its table open: whoever waits for it to end in a queue blocks everyone behind
REPORT_S = 1.6
SHARED = range(1, 4)
_BUSY = (psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable, psycopg.errors.SerializationFailure)


class Loop(threading.Thread):
    """A thread that does one thing again and again; what went wrong is kept in `broken`."""

    def __init__(self, dsn: str) -> None:
        super().__init__(daemon=True)
        self.dsn, self.over, self.done = dsn, threading.Event(), 0
        self.broken: list[BaseException] = []

    def run(self) -> None:
        try:
            with psycopg.connect(self.dsn, autocommit=True, application_name=type(self).__name__) as conn:
                self.prepare(conn)
                while not self.over.wait(0.001):
                    self.once(conn)
        except BaseException as error:
            self.broken.append(error)

    def prepare(self, conn: Connection) -> None:
        """Set the session up."""

    def once(self, conn: Connection) -> None:
        raise NotImplementedError


class Writer(Loop):
    """Writes its own rows and counts up shared ones, in the styles it is told; `journal` is what it committed."""

    def __init__(self, dsn: str, facts: dict[int, Fact], *, seed: int, values: Sequence[Any]) -> None:
        super().__init__(dsn)
        self.journal, self.bumps, self.values = dict(facts), 0, values
        self.random, self.gate = random.Random(seed), threading.Lock()
        self.styles: tuple[Column, ...] = ()
        self.whole = True  # whether every row is filled: before, new code writes values and reads none
        self.new_keys = itertools.count(1_000_000 * seed)

    def switch(self, *styles: Column, whole: bool = True) -> None:
        """Write in these styles from now on; no write in another one is under way when this returns."""
        with self.gate:
            self.styles, self.whole = styles, whole

    def once(self, conn: Connection) -> None:
        with self.gate:
            if not self.styles:
                return
            style = self.random.choice(self.styles)
            deed = self.random.choice(
                [
                    *(self._insert, self._change, self._change, self._upsert),
                    *(self._label, self._rekey, self._take_away, self._bump),
                ]
            )
            try:
                with conn.transaction():
                    remember = deed(conn, style)
            except _BUSY:
                return  # nothing was committed, and nothing is written down
            remember()
            self.done += 1

    def _fact(self, style: Column) -> Fact:
        value = self.random.choice(self.values)
        return (f"label {self.random.randrange(1000)}", self.values[-1] if value is None and not self.whole else value)

    def _insert(self, conn: Connection, style: Column) -> Callable[[], None]:
        key, fact = next(self.new_keys), self._fact(style)
        style.insert(conn, key, fact)
        fact = fact if style.aware else (fact[0], ANYTHING)
        return lambda: self.journal.update({key: fact})

    def _own(self) -> int:
        return self.random.choice(list(self.journal)[-400:])

    def _change(self, conn: Connection, style: Column) -> Callable[[], None]:
        key, (_, value) = self._own(), self._fact(style)
        done = style.change(conn, key, value)
        label = self.journal[key][0]
        return lambda: self.journal.update({key: (label, value)} if done else {})

    def _upsert(self, conn: Connection, style: Column) -> Callable[[], None]:
        key, (_, value) = self._own(), self._fact(style)
        done = style.upsert(conn, key, value)
        label = self.journal[key][0]
        return lambda: self.journal.update({key: (label, value)} if done else {})

    def _rekey(self, conn: Connection, style: Column) -> Callable[[], None]:
        key, fresh = self._own(), next(self.new_keys)
        assert style.rekey(conn, key, fresh) == 1
        return lambda: self.journal.update({fresh: self.journal.pop(key)})

    def _label(self, conn: Connection, style: Column) -> Callable[[], None]:
        key, (label, _) = self._own(), self._fact(style)
        assert style.label(conn, key, label) == 1
        return lambda: self.journal.update({key: (label, self.journal[key][1])})

    def _take_away(self, conn: Connection, style: Column) -> Callable[[], None]:
        key = self._own()
        assert style.delete(conn, key) == 1
        return lambda: self.journal.__delitem__(key)

    def _bump(self, conn: Connection, style: Column) -> Callable[[], None]:
        done = style.bump(conn, self.random.choice(SHARED)) if self.whole else 0

        def remember() -> None:
            self.bumps += done

        return remember


class Reader(Loop):
    """Reads all the time; a read that the server keeps waiting for a lock is noted in `blocked`."""

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        self.blocked: list[str] = []

    def prepare(self, conn: Connection) -> None:
        conn.execute(f"SET lock_timeout = {BLOCKED_MS}")

    def once(self, conn: Connection) -> None:
        try:
            conn.execute("SELECT count(label), max(id) FROM things")
            self.done += 1
        except psycopg.errors.LockNotAvailable as error:
            self.blocked.append(str(error))


class Report(Loop):
    """Keeps a transaction open on the table for a while, then lets go for a moment."""

    def once(self, conn: Connection) -> None:
        with conn.transaction():
            conn.execute("SELECT count(*) FROM things")
            self.over.wait(REPORT_S)
        self.done += 1
        self.over.wait(0.5)


class Crowd:
    """Two writers, a reader and a report on one database."""

    def __init__(self, here: Place, facts: dict[int, Fact], values: Sequence[Any]) -> None:
        mine = [{}, {}]  # type: list[dict[int, Fact]]
        for key, fact in facts.items():
            if key not in SHARED:
                mine[key % 2][key] = fact
        self.start = 0
        self.writers = [Writer(here.writer, own, seed=seed, values=values) for seed, own in enumerate(mine, 1)]
        self.reader, self.report = Reader(here.admin), Report(here.admin)
        self.lossy = False  # whether a rollback has taken away what only new code knew

    @property
    def everybody(self) -> list[Loop]:
        return [*self.writers, self.reader, self.report]

    def switch(self, *styles: Column, whole: bool = True) -> None:
        for one in self.writers:
            one.switch(*styles, whole=whole)

    def writes(self, many: int = 25) -> None:
        """Wait until each writer has committed that many writes more, and the reader has read."""
        goals = [(one, one.done + many) for one in self.writers] + [(self.reader, self.reader.done + 1)]
        wait_for(lambda: all(one.done >= goal or one.broken for one, goal in goals), seconds=60)
        self.fine()

    def fine(self) -> None:
        assert [error for one in self.everybody for error in one.broken] == []

    @contextmanager
    def still(self) -> Iterator[dict[int, Fact]]:
        """No write is under way; what all journals say together, the shared rows without their counts."""
        with ExitStack() as held:
            for one in self.writers:
                held.enter_context(one.gate)
            self.fine()
            yield {key: fact for one in self.writers for key, fact in one.journal.items()}

    def compare(self, conn: Connection, *styles: Column) -> None:
        """Row by row: every style reads what the writers wrote down, no row less and no row more."""
        with self.still() as written:
            bumps = sum(one.bumps for one in self.writers)
            for style in styles:
                found = style.facts(conn)
                shared = {key: found.pop(key)[1] for key in SHARED}
                wrong = {key: (found.get(key), written.get(key)) for key in found.keys() | written.keys()}
                assert {key: pair for key, pair in wrong.items() if pair[0] != pair[1]} == {}, type(style)
                if style.aware:
                    assert sum(map(int, shared.values())) == self.start + bumps, type(style)

    def count_from(self, conn: Connection, style: Column) -> None:
        """Take what the shared rows hold now as the start of the count."""
        with self.still():
            found = style.facts(conn)
            self.start = sum(int(found[key][1]) for key in SHARED) - sum(one.bumps for one in self.writers)

    def __enter__(self) -> Crowd:
        for one in self.everybody:
            one.start()
        return self

    def __exit__(self, *_: object) -> None:
        for one in self.everybody:
            one.over.set()
        for one in self.everybody:
            one.join(30)
