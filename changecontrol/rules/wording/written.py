"""Pieces of a statement quoted in its sentence: expressions, types, values and options, on one line, shortened."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from changecontrol.rules import parser, unparser
from changecontrol.rules.wording.words import listed, name, named, quoted, relation

#: Characters of SQL quoted in a sentence; more belongs in the SQL tab.
LONGEST = 400

_TYPES = {
    "bool": "boolean",
    "bpchar": "char",
    "float4": "real",
    "float8": "double precision",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
    "timetz": "time with time zone",
    "varbit": "bit varying",
}


def shown(text: str) -> str:
    """Put SQL in backticks on one line; say how much was left out."""
    line = " ".join(text.split()).replace("`", "'")
    if len(line) <= LONGEST:
        return f"`{line}`"
    return f"`{line[:LONGEST]} …` (and {len(line) - LONGEST:,} more characters, in the SQL tab)"


def expression(node: Any) -> str:
    """Give an expression as SQL in backticks."""
    return shown(unparser.written(node) or "something too deeply nested to be shown here")


def expressions(nodes: Iterable[Any]) -> str:
    """Give several expressions."""
    return listed(expression(each) for each in nodes)


def type_name(node: Any) -> str:
    """Give a type as people write it, such as numeric(10,2) or text[]."""
    written = parser.names(node.names)
    if not written:
        return "no type"
    if written[-1] == "interval" and node.typmods:
        return (unparser.written_type(node) or "interval").lower()
    text = _TYPES.get(written[-1], written[-1]) if written[0] == "pg_catalog" else ".".join(written)
    text = _TYPES.get(text, text) if len(written) == 1 else text
    numbers = [unparser.written(modifier) or "…" for modifier in node.typmods]
    text += f"({','.join(numbers)})" if (numbers and text not in ("char",)) or _long(numbers) else ""
    text += "%TYPE" if node.pct_type else ""
    return ("set of " if node.setof else "") + text.replace("`", "'") + "[]" * len(node.array_bounds)


def _long(numbers: list[str]) -> bool:
    return bool(numbers) and numbers != ["1"]


def types(nodes: Iterable[Any]) -> str:
    """Give the types of a function's or operator's arguments."""
    found = [parser.unwrap(each) for each in nodes]
    return ", ".join(type_name(each) if parser.kind_of(each) == "TypeName" else "nothing" for each in found)


def value(node: Any) -> str:
    """Give an option's value as written; empty when it has none."""
    inner = parser.unwrap(node)
    kind = parser.kind_of(inner)
    simple = {"String": "sval", "Float": "fval", "BitString": "bsval"}.get(kind)
    if simple:
        return str(getattr(inner, simple))
    if kind == "Integer":
        return str(inner.ival)
    if kind == "Boolean":
        return "true" if inner.boolval else "false"
    if kind == "TypeName":
        return type_name(inner)
    if kind == "List":
        names = parser.names(inner)
        return ".".join(names) if names else ", ".join(value(each) for each in inner.items)
    if kind == "Node":
        return ""
    if kind == "A_Const" and inner.HasField("sval"):
        return str(inner.sval.sval)
    return unparser.written(inner) or ""


#: Options that are written without a value to say that there is none.
_NONE = ("handler", "inline", "join", "maxvalue", "minvalue", "restrict", "validator")


def options(field: Iterable[Any], *, without: Iterable[str] = ()) -> str:
    """Give WITH options: `fillfactor` = “70” and `autovacuum_enabled`."""
    said = []
    for each in map(parser.unwrap, field):
        if parser.kind_of(each) != "DefElem" or each.defname in without:
            continue
        given = value(each.arg) if each.HasField("arg") else ""
        title = name(each.defnamespace, each.defname)
        title = f"no {title}" if not given and each.defname in _NONE else title
        removed = parser.choice(each, "defaction") == "DEFELEM_DROP"
        said.append(f"{title} removed" if removed else f"{title} = {quoted(given)}" if given else title)
    return listed(said)


def given(node: Any, field: str, title: str) -> str:
    """Give one option's value; empty when it is not written."""
    found = parser.option(node, field, title)
    return value(found.arg) if found is not None and found.HasField("arg") else ""


def signature(node: Any) -> str:
    """Give a function, aggregate or operator with the types of its arguments."""
    title = named(node.objname)
    arguments = types(node.objargs)
    return f"{title[:-1]}({arguments})`" if arguments else title


def result(tables: Iterable[Any]) -> str:
    """Give the names of the relations found anywhere below a node, each once; empty when there are none."""
    return listed(dict.fromkeys(relation(each) for each in tables))
