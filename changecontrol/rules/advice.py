"""What a person should know about a script's statements before deeper hazards are looked for."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence

from changecontrol.rules.finding import Finding
from changecontrol.rules.parser import Raw, choice, find, unwrap
from changecontrol.rules.plan import Direction, Step
from changecontrol.rules.text import Text

#: Characters that make a text look different from what it is (CVE-2021-42574).
_HIDDEN = re.compile("[\u202a-\u202e\u2066-\u2069\u200b\u200e\u200f]|\r(?!\n)")
_OUR_LIMITS = ("lock_timeout", "statement_timeout", "transaction_timeout", "idle_in_transaction_session_timeout")


def examine(raws: Sequence[Raw], steps: Sequence[Step], direction: Direction, text: Text) -> list[Finding]:
    """Give the findings of one file, in file order."""
    found = [finding for raw in raws for finding in _statement(raw)]
    controls = [raw for raw in raws if raw.kind == "TransactionStmt"]
    if direction is Direction.ROLLBACK and not steps:
        message = "The rollback holds no statement, so it takes nothing back. The migration's header must say so."
        rewrite = "-- Rollback: forward-fix only, because …"
        found.append(_at(text, text.start, "empty-rollback", "error", message, rewrite))
    if direction is not Direction.VERIFY and controls and steps:
        found += _bare(raws)
    found += _empty_blocks(raws)
    return sorted(found, key=lambda item: (item.line, item.column))


def _at(text: Text, offset: int, rule: str, severity: str, message: str, rewrite: str = "") -> Finding:
    place = text.place(offset)
    return Finding(rule, severity, place.file, place.line, place.column, message, rewrite)


def _statement(raw: Raw) -> Iterator[Finding]:
    if raw.kind == "VariableSetStmt":
        finding = _setting(raw)
        if finding:
            yield finding
    if raw.kind == "AlterTableStmt":
        for item in raw.node.cmds:
            command = unwrap(item)
            if choice(command, "subtype") == "AT_AddColumn" and command.missing_ok:
                message = (
                    "IF NOT EXISTS keeps a column of this name whatever its type is. The ledger knows what was run."
                )
                yield _at(raw.text, raw.start, "add-column-if-not-exists", "warning", message, "ADD COLUMN without it")
    if raw.kind == "IndexStmt" and raw.node.concurrent and raw.node.if_not_exists:
        message = "IF NOT EXISTS keeps an invalid index of this name. The runner inspects and rebuilds by itself."
        yield _at(
            raw.text, raw.start, "index-if-not-exists", "warning", message, "CREATE INDEX CONCURRENTLY without it"
        )


def _setting(raw: Raw) -> Finding | None:
    name = raw.node.name.lower()
    if name in ("transaction", "session characteristics"):
        return None
    if name in ("role", "session_authorization"):
        message = "This changes who runs the statements behind it. It is reset after the script."
        return _at(raw.text, raw.start, "set-role", "warning", message)
    kept = "It is reset after the script." if not raw.node.is_local else "It ends with its transaction."
    if name in _OUR_LIMITS:
        message = f"{name} is chosen by the runner for each kind of statement; this overrides it. {kept}"
    else:
        message = f"This changes the setting {name or 'of everything'} for the statements behind it. {kept}"
    return _at(raw.text, raw.start, "in-file-set", "warning", message)


def hidden(text: Text) -> Iterator[Finding]:
    """Find the first character of a file that hides or turns around what a reviewer sees."""
    content = text.data.decode("utf-8")
    for match in _HIDDEN.finditer(content):
        offset = len(content[: match.start()].encode("utf-8"))
        code = f"U+{ord(match.group()):04X}"
        message = f"The invisible character {code} makes this line look different from what it is."
        yield _at(text, offset, "hidden-character", "error", message, "Remove the character.")
        break


def _bare(raws: Sequence[Raw]) -> Iterator[Finding]:
    """psql would commit each of these by itself; here a run of them is one step. Worth knowing, nothing to repair."""
    inside = False
    for raw in raws:
        if raw.kind == "TransactionStmt":
            inside = choice(raw.node, "kind") in ("TRANS_STMT_BEGIN", "TRANS_STMT_START")
        elif not inside and any(True for _found in find(raw.node, "AlterTableCmd")):
            message = "Outside of BEGIN … COMMIT; statements between two blocks commit together as one step."
            yield _at(raw.text, raw.start, "outside-transaction", "note", message)
            return


def _empty_blocks(raws: Sequence[Raw]) -> Iterator[Finding]:
    for first, second in itertools.pairwise(raws):
        if first.kind == second.kind == "TransactionStmt" and choice(first.node, "kind") in (
            "TRANS_STMT_BEGIN",
            "TRANS_STMT_START",
        ):
            yield _at(first.text, first.start, "empty-transaction", "warning", "This transaction holds no statement.")
