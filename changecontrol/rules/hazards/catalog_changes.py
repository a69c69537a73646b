"""New and changed objects of a catalog difference, as the rules they show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from changecontrol.rules.context import last, parts, same
from changecontrol.rules.hazards.catalog_objects import Object, Trace

if TYPE_CHECKING:
    from changecontrol.rules.hazards.catalog import Difference

_PUBLIC = re.compile(r"(?:grants |, )public=([^,;]+)")
_DEFAULT = re.compile(r" default (.*?)(?= storage | compression | statistics | inherited| options | grants |$)")
_COLUMNS = re.compile(r"\(([^()]*)\)")
_UNLIKE = re.compile(r"; (?:owned by|grants|owner) [^;]*|^owner [^;]*")


def added(one: Object, all_of: Difference) -> Iterator[Trace]:
    """What a new object shows."""
    about, said = last(one.name.partition("(")[0]), {"table": one.table, "name": one.name, "plain": last(one.name)}
    fresh = one.table in all_of.new
    if one.kind == "table":
        yield from _table(one, said, all_of)
    elif one.kind == "materialized view" and "; not populated" not in one.after:
        yield Trace("create-materialized-view", about, said, one.table)
    elif one.kind == "column" and not all_of.is_kind(one.table, "v"):
        column = {**said, "column": one.name}
        if re.match(r"json( |$)", one.after) and " inherited" not in one.after:
            yield Trace("json-column", about, column, one.table)
        if (
            not fresh
            and _DEFAULT.search(one.after)
            and all_of.policy.hashes(one.table.replace('"', ""), last(one.name))
        ):
            yield Trace("hashed-column-default", about, column, one.table)
    elif one.kind in ("trigger", "rule", "policy") and not fresh:
        yield Trace(f"create-{one.kind}", about, said, one.table)
    elif one.kind == "event trigger":
        yield Trace("event-trigger", about, said)
    elif one.kind == "constraint" and one.after.startswith("FOREIGN KEY"):
        yield from _foreign_key(one, all_of)
    if one.kind in ("function", "procedure"):
        yield from _definer(one, about)
    elif one.kind not in ("enum", "domain", "range", "type"):
        yield from _public(one, about, said)


def _table(one: Object, said: dict[str, str], all_of: Difference) -> Iterator[Trace]:
    about = last(one.name)
    if "; partition FOR VALUES" in one.after or "; partition DEFAULT" in one.after:
        return
    mine = [other for other in all_of.extra if other.kind == "constraint" and other.table == one.name]
    key = next((other for other in mine if other.after.startswith("PRIMARY KEY")), None)
    if key is None:
        yield Trace("table-without-primary-key", about, said, one.name)
        return
    columns = [other for other in all_of.extra if other.kind == "column" and other.table == one.name]
    match = _COLUMNS.search(key.after)
    for other in columns:
        if match and match[1] == other.name and re.match(r"(integer|smallint)\b", other.after):
            kind = other.after.split()[0]
            yield Trace("integer-primary-key", about, {**said, "column": other.name, "type": kind}, one.name)


def _foreign_key(one: Object, all_of: Difference) -> Iterator[Trace]:
    columns, other = _COLUMNS.search(one.after), re.search(r"REFERENCES ([^(]+)\(", one.after)
    if columns is None:
        return
    wanted = {parts(name.strip())[0] for name in columns[1].split(",")}
    known = all_of.context.table(one.table)
    found = [set(index.columns[: len(wanted)]) for index in known.indexes.values() if index.valid] if known else []
    for index in all_of.extra:
        if index.kind == "index" and f" ON {one.table} " in index.after.replace(" ON ONLY ", " ON "):
            text = _COLUMNS.search(index.after)
            names = [name.strip() for name in text[1].split(",")[: len(wanted)]] if text else []
            found.append({parts(name.split()[0])[0] for name in names if name})
    if wanted not in found:
        said = {"table": one.table, "columns": columns[1], "other": other[1] if other else "the other table"}
        yield Trace("foreign-key-without-index", last(one.table), said, one.table)


def _definer(one: Object, about: str) -> Iterator[Trace]:
    unsafe = " SECURITY DEFINER" in one.after and not re.search(r"\n SET search_path ", one.after)
    was = " SECURITY DEFINER" in one.before and not re.search(r"\n SET search_path ", one.before)
    if unsafe and not was:
        yield Trace("security-definer-path", about, {"name": one.name.partition("(")[0]})


def _public(one: Object, about: str, said: dict[str, str]) -> Iterator[Trace]:
    before, after = one.before, one.after
    if one.kind == "default grants of":
        if " on f" in one.name or " on T" in one.name:
            return  # PUBLIC has these rights by itself
        before, after = f"grants {before}", f"grants {after}"
        said = {**said, "name": "whatever is created later"}
    now, was = _PUBLIC.search(after), _PUBLIC.search(before)
    if now and (was is None or was[1] != now[1]):
        yield Trace("grant-to-public", about, {**said, "what": now[1].replace("/", ", ")}, one.table)


def altered(one: Object, all_of: Difference) -> Iterator[Trace]:
    """What a changed object shows."""
    about, said = last(one.name.partition("(")[0]), {"table": one.table, "name": one.name, "plain": last(one.name)}
    yield from _public(one, about, said)
    if one.kind == "column":
        yield from _column(one, {**said, "column": one.name}, all_of)
    elif one.kind == "table":
        yield from _relation(one, said)
    elif one.kind in ("trigger", "rule"):
        yield from _switched(one, said)
    elif one.kind == "policy":
        yield Trace("alter-policy", about, said, one.table)
    elif one.kind in ("function", "procedure", "aggregate"):
        yield from _definer(one, about)
        if one.before.partition("; grants ")[0] != one.after.partition("; grants ")[0]:
            yield Trace("replace-function", about, {"name": one.name.partition("(")[0]})
    elif one.kind in ("view", "materialized view"):
        differs = any(_part(one.before, words) != _part(one.after, words) for words in ("as ", "options "))
        if differs and not any(old.table for old, _new in all_of.renamed):
            yield Trace("replace-view", about, said, one.table)
    elif one.kind == "sequence":
        if _UNLIKE.sub("", one.before) != _UNLIKE.sub("", one.after):
            yield Trace("alter-sequence", about, said, one.table)
    elif one.kind == "enum" and one.before:
        yield Trace("enum-add-value", about, {**said, "value": _new_label(one)})
    elif one.kind == "domain":
        yield Trace("alter-domain", about, {**said, "what": "its definition changed"})
    elif one.kind == "constraint":
        yield from _constraint(one, said, all_of)


def _column(one: Object, said: dict[str, str], all_of: Difference) -> Iterator[Trace]:
    if all_of.is_kind(one.table, "v") or all_of.is_kind(one.table, "m"):
        return
    was, now = _DEFAULT.search(one.before), _DEFAULT.search(one.after)
    about = last(one.name)
    if " not null" in one.before and " not null" not in one.after:
        yield Trace("drop-not-null", about, said, one.table)
    generated = ("generated " in one.before and "generated " not in one.after) or (
        "identity " in one.before and "identity " not in one.after
    )
    if generated:
        yield Trace("drop-generation", about, said, one.table)
    elif was and not now:
        yield Trace("drop-default", about, said, one.table)
    if now and (not was or was[1] != now[1]) and all_of.policy.hashes(one.table.replace('"', ""), about):
        yield Trace("hashed-column-default", about, said, one.table)
    if re.match(r"json( |$)", one.after) and not re.match(r"json( |$)", one.before):
        yield Trace("json-column", about, said, one.table)


def _relation(one: Object, said: dict[str, str]) -> Iterator[Trace]:
    about = last(one.name)

    def lost(words: str) -> bool:
        return f"; {words}" in one.before and f"; {words}" not in one.after

    def won(words: str) -> bool:
        return f"; {words}" not in one.before and f"; {words}" in one.after

    if lost("row security on") or lost("row security forced"):
        yield Trace("disable-row-security", about, {**said, "what": "Row-level security is weakened"}, one.table)
    elif won("row security on") or won("row security forced"):
        yield Trace("enable-row-security", about, said, one.table)
    if lost("unlogged") or won("unlogged"):
        what = "SET LOGGED" if lost("unlogged") else "SET UNLOGGED"
        yield Trace("set-logged", about, {**said, "what": what}, one.table)
    if lost("inherits ") and not lost("partition "):
        yield Trace("no-inherit", about, {**said, "other": _part(one.before, "inherits ")}, one.table)
    if lost("partition "):
        yield Trace("detach-partition", about, {"table": "its table", "other": one.name}, one.table)
    if _part(one.before, "owner ") != _part(one.after, "owner "):
        yield Trace("change-owner", about, {**said, "new": _part(one.after, "owner ")}, one.table)


def _switched(one: Object, said: dict[str, str]) -> Iterator[Trace]:
    about, off = last(one.name), ("; DISABLED", "; enabled replica")
    if one.after.endswith(off) and not one.before.endswith(one.after[one.after.rfind("; ") :]):
        rule = "disable-trigger" if one.kind == "trigger" else "disable-rule"
        yield Trace(rule, about, {**said, "what": f"Trigger {one.name}"}, one.table)
    states = (*off, "; enabled always")
    before, after = (next((t.removesuffix(s) for s in states if t.endswith(s)), t) for t in (one.before, one.after))
    if before != after:
        yield Trace(f"create-{one.kind}", about, said, one.table)


def _constraint(one: Object, said: dict[str, str], all_of: Difference) -> Iterator[Trace]:
    if one.before.removesuffix(" inherited") == one.after.removesuffix(" inherited"):
        return
    if " NOT ENFORCED" in one.after and " NOT ENFORCED" not in one.before:
        yield Trace("constraint-not-enforced", last(one.name), said, one.table)
        return
    validated = one.before.removesuffix(" NOT VALID") == one.after
    others = [*all_of.changed, *(old for old, _new in all_of.renamed), *(new for _old, new in all_of.renamed)]
    follows = any(other.kind == "column" and same(other.table, one.table) for other in others)
    if not validated and not follows and not one.table.startswith("domain "):
        yield Trace("drop-constraint", last(one.name), said, one.table)


def _part(definition: str, begins: str) -> str:
    """The part of a definition that begins with a word."""
    if begins == "as ":
        return definition.partition("; as ")[2].partition("; grants ")[0]
    return next((part for part in definition.split("; ") if part.startswith(begins)), "").removeprefix(begins)


def _new_label(one: Object) -> str:
    labels = [re.findall(r"'(?:[^']|'')*'", _part(text, "labels ")) for text in (one.before, one.after)]
    return next((label for label in labels[1] if label not in labels[0]), "a renamed value")
