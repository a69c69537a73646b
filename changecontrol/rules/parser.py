"""The one module around libpg_query (postgast): bytes to statements with byte offsets, and a small view of their trees.

Nodes are protobuf messages whose classes are made at run time; here they are `Any`, and nobody else imports postgast.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import postgast
from google.protobuf.message import DecodeError, Message

from changecontrol.rules.lexer import Token, TokenKind
from changecontrol.rules.text import RefusedAt, Text

#: A parse tree as deep as this fits a thread's stack of 512 KiB; libpg_query itself has no limit and would end the
#: whole process (200,000 chained operators did). A parenthesis may open a subquery, which takes more of the stack.
DEPTH = 1000
_PARENTHESIS = 3

# The pure limit of 100 levels would refuse an expression of 50 chained operators. The switch has no public name.
with contextlib.suppress(ImportError, AttributeError):
    from google._upb import _message as _upb

    _upb.SetAllowOversizeProtos(True)


class SyntaxWrong(RefusedAt):
    """{place}: {message}. Correct the statement and take the file again."""


class TooDeep(RefusedAt):
    """{place}: this statement nests or chains more than {limit} expressions. Split it into several statements."""


class PsqlVariable(RefusedAt):
    """{place}: {name} is a psql variable, and nobody sets it here. Write the value itself into the script."""


@dataclass(frozen=True, slots=True)
class Raw:
    """One parsed statement: `data[start:end]` is its text, without the semicolon and without comments around it."""

    text: Text
    start: int
    end: int
    kind: str  # such as "AlterTableStmt"
    node: Any

    @property
    def sql(self) -> str:
        """The statement, verbatim."""
        return self.text.data[self.start : self.end].decode("utf-8")


def statements(text: Text, start: int, end: int, seen: Sequence[Token]) -> list[Raw]:
    """Parse `text.data[start:end]`. `seen` are the significant tokens of that range. Raises SyntaxWrong, TooDeep,
    PsqlVariable.
    """
    _measure_depth(text, seen)
    sql = text.data[start:end].decode("utf-8")
    try:
        parsed = postgast.parse(sql).stmts
    except postgast.PgQueryError as error:
        offset = start + len(sql[: max(error.cursorpos - 1, 0)].encode("utf-8"))
        _explain_variable(text, offset, seen)
        raise SyntaxWrong(text, offset, message=_sentence(str(error))) from None
    except (DecodeError, RecursionError):
        raise TooDeep(text, start, limit=DEPTH) from None
    return list(_located(text, start, end, parsed, seen))


def _located(text: Text, start: int, end: int, parsed: Any, seen: Sequence[Token]) -> Iterator[Raw]:
    """Trim each statement to its first and last significant token; the parser's own ends include comments."""
    at = 0
    for number, raw in enumerate(parsed):
        begin = start + raw.stmt_location
        stop = begin + raw.stmt_len if raw.stmt_len else end
        if number + 1 < len(parsed):
            stop = min(stop, start + parsed[number + 1].stmt_location)
        while seen[at].start < begin or seen[at].text == b";":
            at += 1
        first = seen[at]
        while at < len(seen) and seen[at].end <= stop:
            at += 1
        last = seen[at - 1]
        node = unwrap(raw.stmt)
        yield Raw(text, first.start, last.end, kind_of(node), node)


def _sentence(message: str) -> str:
    return " ".join(message.split())[:300].rstrip(".")


def _explain_variable(text: Text, offset: int, seen: Sequence[Token]) -> None:
    """psql replaces :name, :'name' and :"name"; the server and we see a colon that no rule allows."""
    for colon, name in itertools.pairwise(seen):
        if colon.start == offset and colon.text == b":" and colon.end == name.start:
            if name.kind in (TokenKind.WORD, TokenKind.STRING, TokenKind.QUOTED):
                raise PsqlVariable(text, offset, name=f":{name.text.decode('utf-8', 'replace')}")
            return


_CHAINING = frozenset(
    {"AND", "AT", "CASE", "COLLATE", "EXCEPT", "IN", "INTERSECT", "IS", "JOIN", "LIKE", "ILIKE", "NOT", "OR", "UNION"}
)


def _measure_depth(text: Text, seen: Sequence[Token]) -> None:
    """Bound the depth of the tree by tokens, before the parser builds it: chained operators nest to the left."""
    open_chains, depth = [0], 0
    for token in seen:
        if token.text in (b"(", b"["):
            open_chains.append(_PARENTHESIS)
            depth += _PARENTHESIS
        elif token.text in (b")", b"]") and len(open_chains) > 1:
            depth -= open_chains.pop()
        elif token.text in (b",", b";"):
            depth -= open_chains[-1]
            open_chains[-1] = 0
        elif token.kind is TokenKind.OPERATOR or token.text == b":" or token.word in _CHAINING:
            open_chains[-1] += 1
            depth += 1
        if depth > DEPTH:
            raise TooDeep(text, token.start, limit=DEPTH)


def unwrap(node: Any) -> Any:
    """Give the concrete message inside a generic Node; anything else unchanged."""
    if node.DESCRIPTOR.name != "Node":
        return node
    field = node.WhichOneof("node")
    return getattr(node, field) if field else node


def kind_of(node: Any) -> str:
    """Give the node's type name, such as "RangeVar"."""
    return str(node.DESCRIPTOR.name)


def walk(node: Any) -> Iterator[Any]:
    """Yield the node and everything below it, depth first, without the generic Node around each."""
    stack = [node]
    while stack:
        found = unwrap(stack.pop())
        yield found
        below: list[Any] = []
        for field, value in found.ListFields():
            if field.message_type is not None:
                below.extend([value] if isinstance(value, Message) else value)
        stack.extend(reversed(below))


def find(node: Any, kind: str) -> Iterator[Any]:
    """Yield every node of one kind at or below `node`."""
    return (found for found in walk(node) if kind_of(found) == kind)


def choice(node: Any, field: str) -> str:
    """Give an enum field as its name, such as "OBJECT_TABLE"."""
    number = getattr(node, field)
    return str(node.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number[number].name)


def names(node: Any) -> list[str]:
    """Give the parts of a qualified name: a List of String nodes, or a repeated field of them."""
    node = unwrap(node) if hasattr(node, "DESCRIPTOR") else node
    items = node.items if hasattr(node, "DESCRIPTOR") and kind_of(node) == "List" else node
    if hasattr(items, "DESCRIPTOR"):
        items = [items]
    return [unwrap(item).sval for item in items if kind_of(unwrap(item)) == "String"]


def option(node: Any, field: str, name: str) -> Any | None:
    """Give the DefElem called `name` in a repeated field, or None."""
    for item in getattr(node, field):
        found = unwrap(item)
        if kind_of(found) == "DefElem" and found.defname == name:
            return found
    return None


def switched_on(node: Any, field: str, name: str) -> bool:
    """Whether an option is given and not switched off, as in VACUUM (FULL false). The last one counts."""
    given = [found for found in map(unwrap, getattr(node, field)) if kind_of(found) == "DefElem"]
    values = [unwrap(found.arg) if found.HasField("arg") else None for found in given if found.defname == name]
    if not values or values[-1] is None:
        return bool(values)
    value = values[-1]
    word = str(value.ival) if kind_of(value) == "Integer" else str(getattr(value, "sval", "")).lower()
    return word not in ("0", "off", "false")


def same(left: Any, right: Any) -> bool:
    """Whether two trees mean the same, wherever they stand in their texts."""
    return bool(_without_places(left) == _without_places(right))


def _without_places(node: Any) -> Any:
    copy = type(node)()
    copy.CopyFrom(node)
    for found in walk(copy):
        for field in found.DESCRIPTOR.fields:
            if field.name.endswith(("location", "stmt_len", "list_start", "list_end")):
                found.ClearField(field.name)
    return copy


def parse_one(sql: str) -> Any | None:
    """Parse text that we built ourselves: the statement's node, or None when it is not exactly one statement."""
    try:
        parsed = postgast.parse(sql).stmts
    except (postgast.PgQueryError, DecodeError, RecursionError):
        return None
    return unwrap(parsed[0].stmt) if len(parsed) == 1 else None


def parse_all(sql: str) -> list[Any] | None:
    """Parse text that holds any number of statements: their nodes, or None when it cannot be parsed."""
    try:
        return [unwrap(each.stmt) for each in postgast.parse(sql).stmts]
    except (postgast.PgQueryError, DecodeError, RecursionError):
        return None
