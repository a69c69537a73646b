"""ALTER TABLE of the table as a whole, in plain words: storage, partitions, inheritance, owner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from changecontrol.rules import parser
from changecontrol.rules.wording.columns import bound
from changecontrol.rules.wording.words import name, named, person, relation
from changecontrol.rules.wording.written import options, value

Worded = tuple[str, str]  # text, kind

FIXED: dict[str, Worded] = {
    "AT_ClusterOn": ("Remembers the index {name} as the order in which CLUSTER sorts {table}.", "other"),
    "AT_DropCluster": ("Forgets the order in which CLUSTER sorts {table}.", "other"),
    "AT_DropOf": ("Frees {table} from the type that gave it its columns; they stay.", "schema"),
    "AT_DropOids": (
        "Takes the hidden row numbers out of {table}, which has none any more since PostgreSQL 12.",
        "other",
    ),
    "AT_SetLogged": ("Makes {table} survive a crash from then on; writes all of it anew.", "data"),
    "AT_SetTableSpace": ("Moves {table} to the tablespace {name}, writing it anew while everybody waits.", "data"),
    "AT_SetUnLogged": ("Makes {table} lose its rows after a crash from then on; writes all of it anew.", "data"),
}


#: settings of a view that decide who sees which rows, and what each means when it is on and when it is off
_SEEN: dict[str, tuple[str, str]] = {
    "security_barrier": (
        "functions of whoever reads it no longer meet rows that it hides",
        "functions of whoever reads it may meet rows that it hides",
    ),
    "security_invoker": (
        "its tables are read with the rights and row policies of whoever reads it",
        "its tables are read with the rights and row policies of its owner, whoever reads it",
    ),
}
_OFF = ("false", "off", "no", "0")


def _storage(command: Any, table: str) -> Worded:
    items = parser.unwrap(getattr(command, "def")).items
    return _settings(items, f"Changes settings of {table}: {options(items)}.", reset=False)


def _no_storage(command: Any, table: str) -> Worded:
    items = parser.unwrap(getattr(command, "def")).items
    return _settings(items, f"Puts settings of {table} back to their defaults: {options(items)}.", reset=True)


def _settings(items: Any, text: str, *, reset: bool) -> Worded:
    effects = []
    for each in map(parser.unwrap, items):
        if each.defname in _SEEN:
            off = reset or (each.HasField("arg") and value(each.arg).lower() in _OFF)
            effects.append(_SEEN[each.defname][off])
    if not effects:
        return f"{text} No row is touched.", "other"
    said = "; ".join(effects)
    return f"{text} No row is changed, but it bears on who sees which rows: from then on {said}.", "access"


def _foreign(command: Any, table: str) -> Worded:
    said = options(parser.unwrap(getattr(command, "def")).items)
    return f"Changes how {table} is read from the foreign server: {said}.", "schema"


def _method(command: Any, table: str) -> Worded:
    method = name(command.name) if command.name else "the default one"
    return f"Keeps the rows of {table} by the access method {method}, writing it anew while everybody waits.", "data"


def _owner(command: Any, table: str) -> Worded:
    return f"Makes {person(command.newowner)} the owner of {table}, with every right on it.", "access"


def _replica(command: Any, table: str) -> Worded:
    inner = parser.unwrap(getattr(command, "def"))
    how = {
        "d": "by their primary key",
        "f": "by all their columns",
        "i": f"by the index {name(inner.name)}",
        "n": "not at all, so that no update and no delete can be replicated",
    }
    return f"Lets replication tell the rows of {table} apart {how.get(inner.identity_type, 'anew')}.", "other"


def _inherit(command: Any, table: str) -> Worded:
    parent = relation(parser.unwrap(getattr(command, "def")))
    return f"Makes {table} a child of {parent}: whoever reads {parent} sees its rows too.", "schema"


def _no_inherit(command: Any, table: str) -> Worded:
    parent = relation(parser.unwrap(getattr(command, "def")))
    return f"Ends that {table} is a child of {parent}: its rows are no longer seen there.", "schema"


def _of(command: Any, table: str) -> Worded:
    kind = named(parser.unwrap(getattr(command, "def")).names)
    return f"Ties the columns of {table} to the fields of the type {kind}.", "schema"


def _attach(command: Any, table: str) -> Worded:
    inner = parser.unwrap(getattr(command, "def"))
    part = relation(inner.name)
    if not inner.HasField("bound"):
        return f"Makes {part} a part of {table}.", "index"
    return (
        f"Makes {part} the partition of {table} for {bound(inner.bound)}; its rows are read first unless a check "
        "proves that they fit.",
        "schema",
    )


def _detach(command: Any, table: str) -> Worded:
    inner = parser.unwrap(getattr(command, "def"))
    waiting = " while people keep working" if inner.concurrent else ""
    return (
        f"Takes the partition {relation(inner.name)} out of {table}{waiting}; its rows stay in a table of its own.",
        ("schema"),
    )


def _detach_finally(command: Any, table: str) -> Worded:
    part = relation(parser.unwrap(getattr(command, "def")).name)
    return f"Ends a removal of the partition {part} from {table} that was cut short; its rows stay.", "schema"


PARTS: dict[str, Callable[[Any, str], Worded]] = {
    "AT_AddInherit": _inherit,
    "AT_AddOf": _of,
    "AT_AttachPartition": _attach,
    "AT_ChangeOwner": _owner,
    "AT_DetachPartition": _detach,
    "AT_DetachPartitionFinalize": _detach_finally,
    "AT_DropInherit": _no_inherit,
    "AT_GenericOptions": _foreign,
    "AT_ReplicaIdentity": _replica,
    "AT_ResetRelOptions": _no_storage,
    "AT_SetAccessMethod": _method,
    "AT_SetRelOptions": _storage,
}
