"""Which relations a statement locks, how strongly, and what it reaches beyond those it names (manual 13.3.1).

For looking first: whoever holds a conflicting lock is waited for before the statement is tried. What is not known here
is taken for ACCESS EXCLUSIVE on every relation named; a body whose tables nobody can know has no needs at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from changecontrol.rules.locks import lock_class
from changecontrol.rules.observed import MODES, STRENGTH
from changecontrol.rules.parser import choice, find, kind_of, names, parse_one, switched_on, unwrap
from changecontrol.rules.plan import LockClass

#: children: partitions and inheriting tables. parents: what it is a partition of, and its default. default: the
#: default partition, wholly. table: of an index. indexes: of a table. neighbors: tables at the other end of its foreign
#: keys. sequences: owned ones. dependents: views on it.
Reach = Literal["children", "parents", "default", "table", "indexes", "neighbors", "sequences", "dependents"]

_SUE, _S, _SRE, _X, _AEL = "SHARE UPDATE EXCLUSIVE", "SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE", "ACCESS EXCLUSIVE"
_CONFLICTS = {
    "ACCESS SHARE": (_AEL,),
    "ROW SHARE": (_X, _AEL),
    "ROW EXCLUSIVE": (_S, _SRE, _X, _AEL),
    _SUE: (_SUE, _S, _SRE, _X, _AEL),
    _S: ("ROW EXCLUSIVE", _SUE, _SRE, _X, _AEL),
    _SRE: ("ROW EXCLUSIVE", _SUE, _S, _SRE, _X, _AEL),
    _X: ("ROW SHARE", "ROW EXCLUSIVE", _SUE, _S, _SRE, _X, _AEL),
    _AEL: tuple(MODES.values()),
}
_SPELLED = {words: name for name, words in MODES.items()}

#: ALTER TABLE actions below ACCESS EXCLUSIVE.
_ACTIONS = {
    **dict.fromkeys(
        ("AT_EnableTrig", "AT_EnableAlwaysTrig", "AT_EnableReplicaTrig", "AT_EnableTrigAll", "AT_EnableTrigUser"), _SRE
    ),
    **dict.fromkeys(("AT_DisableTrig", "AT_DisableTrigAll", "AT_DisableTrigUser"), _SRE),
    **dict.fromkeys(("AT_ValidateConstraint", "AT_SetStatistics", "AT_SetOptions", "AT_ResetOptions"), _SUE),
    **dict.fromkeys(("AT_SetRelOptions", "AT_ResetRelOptions", "AT_ClusterOn", "AT_DropCluster"), _SUE),
    "AT_AttachPartition": _SUE,
}
#: ALTER TABLE actions that lock the other end of a foreign key as well.
_FAR = ("AT_DropColumn", "AT_DropConstraint", "AT_AlterColumnType", "AT_DetachPartition")


@dataclass(frozen=True, slots=True)
class Need:
    """One relation by its name as SQL, and the mode in the manual's words."""

    relation: str
    mode: str
    reach: frozenset[Reach] = frozenset()

    @property
    def conflicts(self) -> tuple[str, ...]:
        """The modes that stand in the way, as pg_locks spells them."""
        return tuple(_SPELLED[mode] for mode in _CONFLICTS[self.mode])


@lru_cache(maxsize=512)
def needs(sql: str) -> tuple[Need, ...]:
    """Give what one statement locks; () when its text does not tell, or when it locks nothing."""
    node = parse_one(sql)
    if node is None:
        return ()
    decide = _BY_KIND.get(kind_of(node))
    if decide is not None:
        return tuple(decide(node))
    mode = {LockClass.STRONG: _AEL, LockClass.PATIENT: _SUE, LockClass.WRITE: "ROW EXCLUSIVE"}.get(lock_class(node))
    return tuple(_each(find(node, "RangeVar"), mode)) if mode else ()


def _name(parts: Iterable[str]) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts if part)


def _need(relation: Any, mode: str, *reach: Reach) -> Need:
    """`relation` is a RangeVar; ONLY leaves its children alone."""
    reached = set(reach) - (set() if relation.inh else {"children"})
    return Need(_name((relation.schemaname, relation.relname)), mode, frozenset(reached))


def _each(relations: Iterable[Any], mode: str, *reach: Reach) -> Iterator[Need]:
    return (_need(found, mode, *reach) for found in relations)


def _alter_table(node: Any) -> Iterator[Need]:
    if lock_class(node) is LockClass.PATIENT:
        yield _need(node.relation, _SUE)
        return
    mode, reach = _SUE, {"children"}
    for command in (unwrap(item) for item in node.cmds):
        action = choice(command, "subtype")
        mode = max(mode, _action_mode(command, action), key=STRENGTH.__getitem__)
        reach |= {"neighbors"} if action in _FAR else set()
        reach |= {"sequences"} if action in ("AT_ChangeOwner", "AT_DropColumn") else set()
    partitions = list(find(node, "PartitionCmd"))
    for found in partitions:  # attached or detached: the partition itself, and the default one wholly
        reach = (reach - {"children"}) | {"default"}
        yield _need(found.name, _AEL, "children")
    yield _need(node.relation, mode, *reach)  # type: ignore[arg-type]
    yield from _referenced(node)


def _action_mode(command: Any, action: str) -> str:
    if action == "AT_AddConstraint":
        return _SRE if choice(unwrap(command.__getattribute__("def")), "contype") == "CONSTR_FOREIGN" else _AEL
    return _ACTIONS.get(action, _AEL)


def _referenced(node: Any) -> Iterator[Need]:
    for constraint in find(node, "Constraint"):
        if constraint.HasField("pktable"):
            yield _need(constraint.pktable, _SRE, "children")


def _create_table(node: Any) -> Iterator[Need]:
    yield from _referenced(node)
    mode = _AEL if node.HasField("partbound") else _SUE
    yield from _each((unwrap(item) for item in node.inh_relations), mode, *(("default",) if mode == _AEL else ()))


def _drop(node: Any) -> Iterator[Need]:
    what, cascades = choice(node, "remove_type"), choice(node, "behavior") == "DROP_CASCADE"
    reach: dict[str, tuple[Reach, ...]] = {
        "OBJECT_TABLE": ("children", "parents", "neighbors", "sequences"),
        "OBJECT_FOREIGN_TABLE": ("parents",),
        "OBJECT_VIEW": (),
        "OBJECT_MATVIEW": (),
        "OBJECT_SEQUENCE": (),
        "OBJECT_INDEX": ("table",),
    }
    mode = _SUE if node.concurrent else _AEL
    for item in node.objects:
        parts = names(item)
        if what in reach:
            more: tuple[Reach, ...] = ("dependents",) if cascades else ()
            yield Need(_name(parts), mode, frozenset((*reach[what], *more)))
        elif what in ("OBJECT_TRIGGER", "OBJECT_POLICY", "OBJECT_RULE"):
            yield Need(_name(parts[:-1]), _AEL, frozenset({"children"}))


def _rename(node: Any) -> Iterator[Need]:
    if node.HasField("relation"):
        index = "OBJECT_INDEX" in (choice(node, "rename_type"), choice(node, "relation_type"))
        yield _need(node.relation, _SUE if index else _AEL, *(() if index else ("children",)))


def _reindex(node: Any) -> Iterator[Need]:
    if not node.HasField("relation"):
        return
    if switched_on(node, "params", "concurrently"):
        yield _need(node.relation, _SUE)
    elif choice(node, "kind") == "REINDEX_OBJECT_INDEX":
        yield _need(node.relation, _AEL, "children")
        yield _need(node.relation, _S, "table")
    else:
        yield _need(node.relation, _S, "children")
        yield _need(node.relation, _AEL, "indexes", "children")


def _lock(node: Any) -> Iterator[Need]:
    mode = next(words for words, strength in STRENGTH.items() if strength == node.mode)
    return _each((unwrap(item) for item in node.relations), mode, "children")


def _truncate(node: Any) -> Iterator[Need]:
    far: tuple[Reach, ...] = ("neighbors",) if choice(node, "behavior") == "DROP_CASCADE" else ()
    return _each((unwrap(item) for item in node.relations), _AEL, "children", *far)


def _vacuum(node: Any) -> Iterator[Need]:
    mode = _AEL if switched_on(node, "options", "full") else _SUE
    return _each(find(node, "RangeVar"), mode)


def _owned(node: Any) -> Iterator[Need]:
    if node.HasField("relation"):
        yield _need(node.relation, _AEL, "sequences")


def _on(field: str, mode: str, *reach: Reach) -> Callable[[Any], Iterator[Need]]:
    return lambda node: _each((getattr(node, field),) if node.HasField(field) else (), mode, *reach)


def _unknown(node: Any) -> Iterator[Need]:
    return iter(())


_BY_KIND: dict[str, Callable[[Any], Iterator[Need]]] = {
    "AlterObjectSchemaStmt": _owned,
    "AlterPolicyStmt": _on("table", _AEL),
    "AlterSeqStmt": _on("sequence", _SRE),
    "AlterTableStmt": _alter_table,
    "CallStmt": _unknown,
    "ClusterStmt": _on("relation", _AEL, "indexes"),
    "CreatePolicyStmt": _on("table", _AEL),
    "CreateStmt": _create_table,
    "CreateTrigStmt": _on("relation", _SRE, "children"),
    "DoStmt": _unknown,
    "DropStmt": _drop,
    "IndexStmt": lambda node: _each((node.relation,), _SUE if node.concurrent else _S, "children"),
    "LockStmt": _lock,
    "RefreshMatViewStmt": lambda node: _each((node.relation,), _X if node.concurrent else _AEL),
    "ReindexStmt": _reindex,
    "RenameStmt": _rename,
    "RuleStmt": _on("relation", _AEL),
    "TruncateStmt": _truncate,
    "VacuumStmt": _vacuum,
    "ViewStmt": _on("view", _AEL),
}
