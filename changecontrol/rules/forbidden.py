"""Statements that no script may hold, each with its sentence: what reaches past the transaction, session or target."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from changecontrol.rules.lexer import Token, TokenKind, significant
from changecontrol.rules.parser import Raw, find, kind_of, names, option, walk
from changecontrol.rules.text import RefusedAt, Text


class CopyThroughClient(RefusedAt):
    """{place}: COPY from STDIN or to STDOUT needs psql's data stream, which does not exist here. Use INSERT instead."""


class CopyOnServer(RefusedAt):
    """{place}: COPY reads or writes a file or a program on the database server, outside of what is signed. Use INSERT
    statements instead.
    """


class ServerWide(RefusedAt):
    """{place}: {what} changes the whole server, not this database, and cannot be undone by a transaction. Ask the
    server's administrator.
    """


class SessionWide(RefusedAt):
    """{place}: {what} changes the session that the runner itself works in. Remove it."""


class OtherDatabase(RefusedAt):
    """{place}: {what} reaches another database, outside of this transaction and of what is signed. Write a change for
    that database instead.
    """


class NamesLedger(RefusedAt):
    """{place}: the schema “changecontrol” holds the ledger of what was run here; scripts leave it alone. Remove the
    statement or use another name.
    """


class CommitInsideCode(RefusedAt):
    """{place}: {what} inside a DO block would end the transaction that the ledger row commits with. Use a batched step
    (-- changecontrol: batch key=… size=…) or several BEGIN … COMMIT blocks.
    """


class CallCommits(RefusedAt):
    """{place}: the procedure {name}, created in this script, ends transactions ({what}) and cannot be called here. Use
    a batched step instead.
    """


class ChangesHowTextIsRead(RefusedAt):
    """{place}: after SET {name} the server would read this script differently from what was reviewed. Remove it."""


_SERVER_WIDE = {
    "AlterSystemStmt": "ALTER SYSTEM",
    "AlterDatabaseStmt": "ALTER DATABASE",
    "AlterDatabaseRefreshCollStmt": "ALTER DATABASE",
    "AlterTableMoveAllStmt": "ALTER … ALL IN TABLESPACE",
    "AlterTableSpaceOptionsStmt": "ALTER TABLESPACE",
    "CreateTableSpaceStmt": "CREATE TABLESPACE",
    "CreatedbStmt": "CREATE DATABASE",
    "DropTableSpaceStmt": "DROP TABLESPACE",
    "DropdbStmt": "DROP DATABASE",
    "CheckPointStmt": "CHECKPOINT",
    "LoadStmt": "LOAD",
}
_SESSION_WIDE = {
    "DiscardStmt": "DISCARD",
    "ListenStmt": "LISTEN",
    "UnlistenStmt": "UNLISTEN",
    "PrepareStmt": "PREPARE",
    "ExecuteStmt": "EXECUTE",
    "DeallocateStmt": "DEALLOCATE",
}
_OTHER_DATABASE = {
    "AlterSubscriptionStmt": "ALTER SUBSCRIPTION",
    "CreateSubscriptionStmt": "CREATE SUBSCRIPTION",
    "DropSubscriptionStmt": "DROP SUBSCRIPTION",
}
#: Settings that change how text is read, with the values they have anyway: a dump begins by setting them so.
_READING = {
    "standard_conforming_strings": ("on", "true", "yes", "1"),
    "client_encoding": ("utf8", "utf-8", "unicode"),
    "backslash_quote": ("safe_encoding",),
    "names": (),
}
#: What makes or drops a slot: one that is left keeps the server's log for ever, and its database from being dropped.
_SLOTS = re.compile(rb"pg_(?:create|copy|drop)_(?:physical_|logical_)?replication_slot")
_LEDGER_IN_STRING = re.compile(
    rb"(?<!\w)\"?changecontrol\"?\.[\"\w]|\bschema\s+(if\s+exists\s+)?\"?changecontrol\b", re.I
)


def refuse_statement(raw: Raw) -> None:
    """Raise the refusal of this module that fits the statement's kind; return when it may stand in a script."""
    for table, refusal in ((_SERVER_WIDE, ServerWide), (_SESSION_WIDE, SessionWide), (_OTHER_DATABASE, OtherDatabase)):
        if raw.kind in table:
            raise refusal(raw.text, raw.start, what=table[raw.kind])
    if raw.kind == "CopyStmt":
        through_client = not raw.node.filename and not raw.node.is_program
        raise (CopyThroughClient if through_client else CopyOnServer)(raw.text, raw.start)
    if raw.kind == "VariableSetStmt" and _reads_otherwise(raw.node):
        raise ChangesHowTextIsRead(raw.text, raw.start, name=raw.node.name)
    if ("&" in raw.sql or "\\" in raw.sql) and any(_is_ledger(found) for found in walk(raw.node)):
        raise NamesLedger(raw.text, raw.start)  # a spelling that the words do not show: U&"\0063hange…"
    if raw.kind == "DoStmt":
        what = _ends_transaction(code_of(raw.node))
        if what:
            raise CommitInsideCode(raw.text, raw.start, what=what)


def _reads_otherwise(node: Any) -> bool:
    usual = _READING.get(node.name.lower())
    if usual is None:
        return False
    values = [found.sval.sval if found.HasField("sval") else str(found.ival.ival) for found in find(node, "A_Const")]
    return not (len(values) == 1 and values[0].lower() in usual)


def _is_ledger(node: Any) -> bool:
    kind = kind_of(node)
    if kind == "RangeVar":
        return "changecontrol" in (node.schemaname, node.relname)
    if kind == "String":
        return bool(node.sval == "changecontrol")
    return bool(kind == "CreateSchemaStmt" and node.schemaname == "changecontrol")


def refuse_calls(raws: Sequence[Raw]) -> None:
    """Raise CallCommits for a CALL of a procedure that this very script creates with a COMMIT or ROLLBACK inside."""
    committing: dict[str, str] = {}
    for raw in raws:
        if raw.kind == "CreateFunctionStmt" and raw.node.is_procedure:
            what = _ends_transaction(code_of(raw.node))
            if what:
                committing[names(raw.node.funcname)[-1]] = what
        elif raw.kind == "CallStmt":
            name = names(raw.node.funccall.funcname)[-1]
            if name in committing:
                raise CallCommits(raw.text, raw.start, name=name, what=committing[name])


def code_of(node: Any) -> str:
    """Give the body of a DO block or of a function written as a string; empty for BEGIN ATOMIC and C functions."""
    body = option(node, "args" if kind_of(node) == "DoStmt" else "options", "as")
    if body is None:
        return ""
    return "\n".join(found.sval for found in find(body.arg, "String"))


def _ends_transaction(code: str) -> str:
    """Give COMMIT or ROLLBACK when one stands where a PL/pgSQL statement begins, else an empty string."""
    before = ";"
    for token in significant(code.encode("utf-8")):
        word = token.word
        if word in ("COMMIT", "ROLLBACK") and before in (";", "BEGIN", "THEN", "ELSE", "LOOP", ">>"):
            return word
        before = word or token.text.decode("utf-8", "replace")
    return ""


def refuse_words(text: Text, seen: Sequence[Token]) -> None:
    """Raise NamesLedger, OtherDatabase, ServerWide or SessionWide for words in code, wherever they stand outside of
    comments.
    """
    for token in seen:
        if token.kind is TokenKind.DOLLAR:
            tag = token.text.index(b"$", 1) + 1
            for inner in significant(token.text[tag:-tag]):
                _refuse_word(text, inner, token.start + tag + inner.start)
        else:
            _refuse_word(text, token, token.start)


def _refuse_word(text: Text, token: Token, offset: int) -> None:
    if token.kind in (TokenKind.WORD, TokenKind.QUOTED):
        name = token.text.strip(b'"').lower()
        if name == b"changecontrol":
            raise NamesLedger(text, offset)
        if name == b"dblink" or name.startswith(b"dblink_"):
            raise OtherDatabase(text, offset, what="dblink")
        if _SLOTS.fullmatch(name):
            raise ServerWide(text, offset, what=f"{name.decode()}()")
        if name == b"pg_advisory_unlock_all":
            raise SessionWide(text, offset, what="pg_advisory_unlock_all()")
    elif token.kind in (TokenKind.STRING, TokenKind.DOLLAR) and (
        token.text.strip(b"'").lower() == b"changecontrol" or _LEDGER_IN_STRING.search(token.text)
    ):
        raise NamesLedger(text, offset)
