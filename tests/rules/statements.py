"""Plain factory functions for this folder's tests: a script or a statement out of a few words of SQL."""

from __future__ import annotations

from changecontrol.rules.script import Direction, Script, Statement, parse


def script(sql: str, direction: Direction = Direction.FORWARD) -> Script:
    return parse(sql.encode(), file="009_example.sql", direction=direction)


def statement(sql: str) -> Statement:
    return script(sql).statements[0]
