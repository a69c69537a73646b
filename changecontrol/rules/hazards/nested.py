"""Statements inside statements: bodies of DO blocks and functions, and the text that EXECUTE runs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from changecontrol.rules.hazards.around import UNKNOWN
from changecontrol.rules.lexer import significant
from changecontrol.rules.parser import choice, find, kind_of, names, option, statements, unwrap
from changecontrol.rules.refusal import Refused
from changecontrol.rules.text import Text

_BEGINS = frozenset(
    re.findall(
        r"\w+",
        "ALTER ANALYZE CALL CLUSTER COMMENT COPY CREATE DELETE DO DROP GRANT INSERT LOCK MERGE PERFORM REFRESH "
        "REINDEX RESET REVOKE SELECT SET TRUNCATE UPDATE VACUUM WITH REASSIGN IMPORT SECURITY",
    )
)
_OPENS = ("BEGIN", "THEN", "ELSE", "LOOP", "DECLARE", "AS")
_ENDS_EXECUTE = ("INTO", "USING", "LOOP")


@dataclass(frozen=True, slots=True)
class Inner:
    """One statement found inside code. `line` counts from the first line of the code; `node` is None for text of
    EXECUTE that nobody can know before it runs.
    """

    node: Any
    line: int
    looped: bool = False
    built: bool = False  # put together and run by EXECUTE


def code(node: Any) -> tuple[str, str]:
    """The language and body of a DO block or a function written as a string."""
    field = "args" if kind_of(node) == "DoStmt" else "options"
    body, language = option(node, field, "as"), option(node, field, "language")
    text = "\n".join(found.sval for found in find(body.arg, "String")) if body is not None else ""
    return (names(language.arg)[0].lower() if language is not None else "plpgsql"), text


def read(language: str, body: str) -> list[Inner] | None:
    """The statements of a body, in order; None when the language cannot be read here."""
    if language == "sql":
        return [Inner(found.node, body.count("\n", 0, found.start) + 1) for found in _parsed(body)]
    return list(_Body(body).statements()) if language == "plpgsql" else None


def _parsed(sql: str) -> list[Any]:
    """Parse several statements; nothing when they cannot be parsed."""
    try:
        text = Text("code", sql.encode("utf-8"))
        seen = significant(text.data)
        return statements(text, 0, len(text.data), seen) if seen else []
    except Refused:
        return []


class _Body:
    """A PL/pgSQL body, cut into its SQL statements by its tokens: every dialect of its control words reads alike."""

    def __init__(self, body: str) -> None:
        self.data = body.encode("utf-8")
        self.tokens = significant(self.data)
        self.known: dict[str, list[str]] = {}  # variables and the constant texts they may hold

    def statements(self) -> Iterator[Inner]:
        """Yield every SQL statement, and what EXECUTE runs as far as it is constant."""
        loops, at = 0, 0
        while at < len(self.tokens):
            token, word = self.tokens[at], self.tokens[at].word
            if word == "LOOP":
                loops += -1 if at and self.tokens[at - 1].word == "END" else 1
            if not self._starts(at):
                at += 1
                continue
            end = self._end(at, word)
            line = self.data.count(b"\n", 0, token.start) + 1
            if word == "EXECUTE":
                yield from self._executed(self._text(at + 1, end), line, loops > 0)
            elif word in _BEGINS:
                yield from self._plain(self._text(at, end), word, line, loops > 0)
            else:
                self._remember(at, end)
                at += 1
                continue
            at = end

    def _starts(self, at: int) -> bool:
        before = self.tokens[at - 1] if at else None
        if before is None or before.text in (b";", b">>") or before.word in _OPENS:
            return True
        return self.tokens[at].word in ("EXECUTE", "UPDATE", "DELETE", "INSERT") and before.word in ("IN", "QUERY")

    def _end(self, at: int, word: str) -> int:
        """Where the statement ends: at its semicolon, or at LOOP for the query of a FOR."""
        depth, body = 0, 0
        for place in range(at, len(self.tokens)):
            token = self.tokens[place]
            depth += {b"(": 1, b")": -1, b"[": 1, b"]": -1}.get(token.text, 0)
            if word == "CREATE" and token.word == "ATOMIC":
                body = 1
            if body and token.word == "END":
                body = 0
            if depth <= 0 and not body and (token.text == b";" or (word != "CREATE" and token.word == "LOOP")):
                return place
        return len(self.tokens)

    def _text(self, at: int, end: int) -> str:
        if at >= end or at >= len(self.tokens):
            return ""
        return self.data[self.tokens[at].start : self.tokens[end - 1].end].decode("utf-8", "replace")

    def _plain(self, sql: str, word: str, line: int, looped: bool) -> Iterator[Inner]:
        if word == "PERFORM":
            sql = "SELECT" + sql[len("PERFORM") :]
        found = _parsed(sql) or _parsed(self._without_into(sql))
        for raw in found:
            yield Inner(raw.node, line, looped)

    def _without_into(self, sql: str) -> str:
        """Leave out INTO [STRICT] targets, which PL/pgSQL takes behind RETURNING and anywhere in a SELECT."""
        data = sql.encode("utf-8")
        found = significant(data)
        for at, token in enumerate(found):
            if token.word == "RETURNING":
                return data[: token.start].decode("utf-8")
            if token.word == "INTO" and found[0].word in ("SELECT", "WITH"):
                end = at + 1
                while end < len(found) and found[end].word not in ("FROM", "WHERE", "GROUP", "ORDER", "LIMIT", "FOR"):
                    end += 1
                rest = data[found[end].start :] if end < len(found) else b""
                return (data[: token.start] + rest).decode("utf-8")
        return sql

    def _remember(self, at: int, end: int) -> None:
        """Keep what a variable is given, so that EXECUTE of the variable can be read."""
        for place in range(at, min(end, at + 12)):
            if self.tokens[place].text in (b":", b":=") or self.tokens[place].text == b"=":
                begin = place + 1 if self.tokens[place].text != b":" else place + 2
                value = self._value(self._text(begin, end))
                if value is not None and value != UNKNOWN:
                    self.known.setdefault(self.tokens[at].text.decode("utf-8", "replace").lower(), []).append(value)
                return

    def _executed(self, expression: str, line: int, looped: bool) -> Iterator[Inner]:
        expression = self._cut(expression)
        texts = self.known.get(expression.strip().lower()) or [self._value(expression) or UNKNOWN]
        for text in texts:
            found = _parsed(text)
            if not found or text == UNKNOWN:
                yield Inner(None, line, looped, True)
            for raw in found if text != UNKNOWN else []:
                yield Inner(raw.node, line, looped, True)

    def _cut(self, expression: str) -> str:
        """The expression without INTO and USING behind it."""
        data, depth = expression.encode("utf-8"), 0
        for token in significant(data):
            depth += {b"(": 1, b")": -1}.get(token.text, 0)
            if depth == 0 and token.word in _ENDS_EXECUTE:
                return data[: token.start].decode("utf-8")
        return expression

    def _value(self, expression: str) -> str | None:
        """The text an expression gives, with names that are not constant put as UNKNOWN; None for no text at all."""
        found = _parsed(f"SELECT {expression}")
        if len(found) != 1 or not getattr(found[0].node, "target_list", None):
            return None
        return self._evaluate(unwrap(unwrap(found[0].node.target_list[0]).val))

    def _evaluate(self, node: Any) -> str:
        kind = kind_of(node)
        if kind == "A_Const":
            return str(node.sval.sval) if node.HasField("sval") else str(node.ival.ival)
        if kind == "TypeCast":
            return self._evaluate(unwrap(node.arg))
        if kind == "A_Expr" and choice(node, "kind") == "AEXPR_OP" and names(node.name)[-1] == "||":
            return self._evaluate(unwrap(node.lexpr)) + self._evaluate(unwrap(node.rexpr))
        if kind == "ColumnRef":
            return self.known.get(names(node.fields)[-1] if node.fields else "", [UNKNOWN])[-1]
        if kind == "FuncCall":
            name, given = names(node.funcname)[-1], [self._evaluate(unwrap(arg)) for arg in node.args]
            if name == "format" and given:
                return formatted(given[0], given[1:])
            if name == "concat":
                return "".join(given)
            if name in ("quote_ident", "quote_literal", "lower", "trim", "btrim") and given:
                return "'x'" if name == "quote_literal" and given[0] == UNKNOWN else given[0]
        return UNKNOWN


def formatted(template: str, values: Sequence[str]) -> str:
    """What format() gives, with UNKNOWN for values that only the run knows."""
    out, at, following = [], 0, iter(values)
    while at < len(template):
        sign = template.find("%", at)
        if sign < 0 or sign + 1 >= len(template):
            out.append(template[at:])
            break
        out.append(template[at:sign])
        end = sign + 1
        while end < len(template) and template[end] in "0123456789$-":
            end += 1
        letter, place = template[end : end + 1], template[sign + 1 : end].partition("$")
        if letter == "%":
            out.append("%")
        else:
            chosen = values[int(place[0]) - 1] if place[1] and 0 < int(place[0] or 0) <= len(values) else None
            value = chosen if chosen is not None else next(following, UNKNOWN)
            out.append({"I": _identifier(value), "L": "'" + value.replace("'", "''") + "'"}.get(letter, value))
        at = end + 1
    return "".join(out)


def _identifier(value: str) -> str:
    return value if value == UNKNOWN else '"' + value.replace('"', '""') + '"'
