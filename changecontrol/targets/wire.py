"""Send one statement and keep looking around while the server works on it.

psycopg's own `execute` blocks until the server answers. Here the caller's `tick` runs every moment in the caller's own
thread, so that an abort, a deadline and the people who block us are noticed while a statement is in flight, and no
second thread ever touches a session.
"""

from __future__ import annotations

import select
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import pq

from changecontrol.targets.connection import Session

#: Seconds to the first tick and between the later ones. The first are short: a lock_timeout of 50 ms is over soon.
_FIRST_S, _EVERY_S = 0.025, 0.2
_SLOWER = 1.5


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to one statement. `values` are texts as the server prints them; `rows` is the affected count."""

    tag: str
    rows: int
    columns: tuple[str, ...] = ()
    values: tuple[tuple[str | None, ...], ...] = ()


def send(
    session: Session,
    text: str,
    *,
    tick: Callable[[], None] = lambda: None,
    params: Sequence[str | None] | None = None,
    keep: int | None = None,
) -> Reply:
    """Send the text verbatim and wait for the answer. Raises psycopg.Error.

    Without `params` the text goes through the simple protocol: nothing in it is a placeholder, `%` included. With
    `params` (texts for $1, $2 ...) it must be one statement. `keep`: how many rows of the answer are
    turned into texts; all when None.
    """
    connection = session.pgconn
    if params is None:
        connection.send_query(text.encode())
    else:
        values = [None if value is None else value.encode() for value in params]
        connection.send_query_params(text.encode(), values)
    results: list[pq.abc.PGresult] = []
    try:
        _collect(connection, tick, results)
    except psycopg.Error as broken:
        session.close()
        last_words = [result for result in results if result.error_field(pq.DiagnosticField.SQLSTATE)]
        if not last_words:
            raise
        # What the server said before it ended the session: "terminating connection due to administrator command".
        raise psycopg.errors.error_from_result(last_words[0]) from broken
    except BaseException:
        _abandon(session)
        raise
    return _reply(results, keep)


def _collect(connection: pq.abc.PGconn, tick: Callable[[], None], results: list[pq.abc.PGresult]) -> None:
    poll = select.poll()
    poll.register(connection.socket, select.POLLIN)
    wait = _FIRST_S
    while connection.flush():
        writable = select.poll()
        writable.register(connection.socket, select.POLLIN | select.POLLOUT)
        for _, event in writable.poll(_EVERY_S * 1000):
            if event & select.POLLIN:
                connection.consume_input()
    while True:
        while connection.is_busy():
            if poll.poll(wait * 1000):
                connection.consume_input()
            else:
                wait = min(wait * _SLOWER, _EVERY_S)
                tick()
        result = connection.get_result()
        if result is None:
            return
        if result.status == pq.ExecStatus.COPY_OUT:
            _drain(connection, poll, tick)
        elif result.status == pq.ExecStatus.COPY_IN:
            connection.put_copy_end(b"a script cannot hold COPY data")
        results.append(result)


def _drain(connection: pq.abc.PGconn, poll: select.poll, tick: Callable[[], None]) -> None:
    """Throw away what COPY ... TO STDOUT sends; the rows are nobody's business here."""
    while True:
        size, _ = connection.get_copy_data(1)
        if size < 0:
            return
        if size == 0 and poll.poll(_EVERY_S * 1000):
            connection.consume_input()
        elif size == 0:
            tick()


def _abandon(session: Session) -> None:
    """A tick raised: stop the statement and read its end, so that the session stays usable for the cleaning up."""
    try:
        session.cancel_safe(timeout=5)
        _collect(session.pgconn, lambda: None, [])
    except psycopg.Error:
        session.close()


def _reply(results: list[pq.abc.PGresult], keep: int | None) -> Reply:
    for result in results:
        if result.status in (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.BAD_RESPONSE):
            raise psycopg.errors.error_from_result(result)
    if not results:
        raise psycopg.OperationalError("the server gave no answer")
    last = results[-1]
    columns = range(last.nfields)
    return Reply(
        tag=(last.command_status or b"").decode(),
        rows=last.command_tuples or 0,
        columns=tuple((last.fname(column) or b"").decode() for column in columns),
        values=tuple(tuple(_text(last, row, column) for column in columns) for row in range(last.ntuples)[:keep]),
    )


def _text(result: pq.abc.PGresult, row: int, column: int) -> str | None:
    value = result.get_value(row, column)
    return None if value is None else value.decode()
