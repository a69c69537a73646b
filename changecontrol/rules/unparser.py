"""Back from a parse tree to SQL, for quoting a piece of a statement: the second module around libpg_query."""

from __future__ import annotations

from typing import Any

import postgast
from google.protobuf.message import Message

from changecontrol.rules.parser import kind_of, unwrap

#: Levels of a tree that are written back as text; what is deeper would need more of the C stack than a thread has.
_WRITABLE = 120


def written(node: Any) -> str | None:
    """Write an expression back as SQL on one line; None when it is no expression or nests too deeply."""
    if _deeper(node, _WRITABLE):
        return None
    inner = unwrap(node)
    if kind_of(inner) == "NamedArgExpr":  # no expression by itself
        value = written(inner.arg)
        return value and f"{inner.name} => {value}"
    tree = postgast.parse("SELECT 1")
    target = tree.stmts[0].stmt.select_stmt.target_list[0].res_target.val
    _put(target, node)
    text = _back(tree)
    return text.removeprefix("SELECT ") if text else None


def written_type(node: Any) -> str | None:
    """Write a TypeName back as SQL."""
    tree = postgast.parse("SELECT NULL::integer")
    cast = tree.stmts[0].stmt.select_stmt.target_list[0].res_target.val.type_cast
    cast.type_name.CopyFrom(unwrap(node))
    text = _back(tree)
    return text.partition("::")[2] or text.removeprefix("SELECT ") if text else None


def written_statement(node: Any) -> str | None:
    """Write a statement back as SQL; None when it nests too deeply."""
    if _deeper(node, _WRITABLE):
        return None
    tree = postgast.parse("SELECT 1")
    _put(tree.stmts[0].stmt, node)
    return _back(tree)


def _put(generic: Any, node: Any) -> None:
    """Put a concrete message into a generic Node."""
    inner = unwrap(node)
    for field in generic.DESCRIPTOR.fields:
        if field.message_type is inner.DESCRIPTOR:
            getattr(generic, field.name).CopyFrom(inner)
            return


def _back(tree: Any) -> str | None:
    try:
        return str(postgast.deparse(tree))
    except postgast.PgQueryError:
        return None


def _deeper(node: Any, limit: int) -> bool:
    """Whether a tree has more levels than this."""
    level = [node]
    for _ in range(limit):
        below: list[Any] = []
        for each in level:
            for field, value in unwrap(each).ListFields():
                if field.message_type is not None:
                    below.extend([value] if isinstance(value, Message) else value)
        if not below:
            return False
        level = below
    return True
