"""ALTER TABLE in plain words: one sentence per subcommand, joined."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from changecontrol.rules import parser
from changecontrol.rules.deeds import gives_values
from changecontrol.rules.wording import (
    Sentence,
    clause,
    counted,
    in_parentheses,
    listed,
    name,
    person,
    piece,
    type_name,
)
from changecontrol.rules.wording import relation as relation_name

_Worded = tuple[str, str]  # text, kind


def alter_table(node: Any, sql: str) -> Sentence | None:
    """Put a whole ALTER TABLE into words; None when one of its parts is not understood."""
    table = relation_name(node.relation)
    commands = [parser.unwrap(command) for command in node.cmds]
    if parser.choice(node, "objtype") not in ("OBJECT_TABLE", "OBJECT_MATVIEW", "OBJECT_VIEW", "OBJECT_SEQUENCE"):
        return None
    said = list(_grouped(commands, table, sql))
    if not said or any(part is None for part in said):
        return None
    parts = [part for part in said if part is not None]
    kinds = [kind for _text, kind in parts]
    kind = next((each for each in ("access", "data", "schema") if each in kinds), "other")
    return Sentence(" ".join(text for text, _kind in parts), kind)


def _grouped(commands: list[Any], table: str, sql: str) -> Iterator[_Worded | None]:
    """Say several empty columns, dropped columns or switched triggers at once; the rest one by one, in order."""
    at = 0
    while at < len(commands):
        kind = _group(commands[at])
        end = at + 1
        while kind and end < len(commands) and _group(commands[end]) == kind:
            end += 1
        group = commands[at:end]
        yield _GROUPS[kind](group, table) if kind else _one(group[0], table, sql)
        at = end


def _group(command: Any) -> str:
    kind = parser.choice(command, "subtype")
    if kind == "AT_AddColumn":
        return "" if gives_values(command) else kind
    return kind if kind in _GROUPS else ""


def _add_empty(commands: list[Any], table: str) -> _Worded:
    columns = [parser.unwrap(getattr(command, "def")) for command in commands]
    names = listed(f"{name(column.colname)} ({type_name(column.type_name)})" for column in columns)
    many = "an empty column" if len(columns) == 1 else f"{counted(len(columns), 'empty column')}:"
    return f"Adds {many} {names} to {table}. No existing row is changed or read.", "schema"


def _drop(commands: list[Any], table: str) -> _Worded:
    names = listed(name(command.name) for command in commands)
    noun = "column" if len(commands) == 1 else "columns"
    also = " Whatever depends on it goes too." if any(_cascades(command) for command in commands) else ""
    return f"Removes the {noun} {names} from {table}, with everything stored in {_it(commands)}.{also}", "data"


def _it(commands: list[Any]) -> str:
    return "it" if len(commands) == 1 else "them"


def _cascades(command: Any) -> bool:
    return parser.choice(command, "behavior") == "DROP_CASCADE"


def _always(commands: list[Any], table: str) -> _Worded:
    names = listed(name(command.name) for command in commands)
    return (
        f"Makes the trigger{'' if len(commands) == 1 else 's'} {names} on {table} fire in every session, "
        "also in one that switches ordinary triggers off.",
        "access",
    )


_GROUPS: dict[str, Callable[[list[Any], str], _Worded]] = {
    "AT_AddColumn": _add_empty,
    "AT_DropColumn": _drop,
    "AT_EnableAlwaysTrig": _always,
}

_FIXED: dict[str, _Worded] = {
    "AT_EnableRowSecurity": ("Switches row-level security on for {table}: who has no policy sees no row.", "access"),
    "AT_DisableRowSecurity": ("Switches row-level security off for {table}: who may read it sees every row.", "access"),
    "AT_ForceRowSecurity": ("Makes row-level security of {table} hold for its owner as well.", "access"),
    "AT_NoForceRowSecurity": ("Frees the owner of {table} from its row-level security.", "access"),
    "AT_EnableTrig": ("Switches the trigger {name} on {table} on, in its ordinary mode.", "access"),
    "AT_EnableReplicaTrig": ("Makes the trigger {name} on {table} fire in replication sessions only.", "access"),
    "AT_DisableTrig": ("Switches the trigger {name} on {table} off.", "access"),
    "AT_EnableTrigAll": ("Switches all triggers on {table} on, in their ordinary mode.", "access"),
    "AT_DisableTrigAll": ("Switches all triggers on {table} off, also those that keep references whole.", "access"),
    "AT_EnableTrigUser": ("Switches all triggers of users on {table} on, in their ordinary mode.", "access"),
    "AT_DisableTrigUser": ("Switches all triggers of users on {table} off.", "access"),
    "AT_EnableRule": ("Switches the rule {name} on {table} on.", "access"),
    "AT_DisableRule": ("Switches the rule {name} on {table} off.", "access"),
    "AT_SetNotNull": (
        "From then on, refuses rows of {table} without a value in {name}. Existing rows are read first, with everybody "
        "waiting, unless a validated check already proves it.",
        "schema",
    ),
    "AT_DropNotNull": ("Allows rows of {table} without a value in {name}.", "schema"),
    "AT_ValidateConstraint": (
        "Checks that every existing row of {table} obeys the rule {name}, while people keep working.",
        "schema",
    ),
    "AT_DropConstraint": ("Removes the rule {name} from {table}.", "schema"),
    "AT_DropIdentity": ("Stops numbering {name} of {table} automatically.", "schema"),
    "AT_DropExpression": ("Stops computing {name} of {table}; the values it has stay.", "schema"),
    "AT_ClusterOn": ("Remembers the index {name} as the order in which CLUSTER sorts {table}.", "other"),
    "AT_SetStatistics": ("Changes how closely the planner looks at {name} of {table}.", "other"),
    "AT_SetStorage": ("Changes how large values of {name} in {table} are stored from then on.", "other"),
    "AT_ReplicaIdentity": ("Changes how replication tells the rows of {table} apart.", "other"),
    "AT_SetRelOptions": ("Changes storage settings of {table}; no row is touched.", "other"),
    "AT_ResetRelOptions": ("Puts storage settings of {table} back to their defaults.", "other"),
    "AT_SetLogged": ("Makes {table} survive a crash from then on; writes the whole table anew.", "data"),
    "AT_SetUnLogged": ("Makes {table} lose its rows after a crash from then on; writes the whole table anew.", "data"),
}


def _one(command: Any, table: str, sql: str) -> _Worded | None:
    kind = parser.choice(command, "subtype")
    if kind in _FIXED:
        text, group = _FIXED[kind]
        also = " Whatever depends on it goes too." if _cascades(command) else ""
        return text.format(table=table, name=name(command.name)) + also, group
    words = _PARTS.get(kind)
    return words(command, table, sql) if words else None


def _add_valued(command: Any, table: str, sql: str) -> _Worded:
    column = parser.unwrap(getattr(command, "def"))
    constraints = {parser.choice(each, "contype"): each for each in map(parser.unwrap, column.constraints)}
    text = f"Adds the column {name(column.colname)} ({type_name(column.type_name)}) to {table}."
    default = constraints.get("CONSTR_DEFAULT")
    if default is not None:
        value = piece(sql, default.location + len("default"), *_AFTER_DEFAULT)
        computed = any(parser.find(default.raw_expr, "FuncCall"))
        text += f" Existing and new rows get {value}."
        text += " Every existing row may be written anew." if computed else ""
    elif "CONSTR_IDENTITY" in constraints or "serial" in type_name(column.type_name):
        text += " Every row is numbered, so the whole table is written anew."
    elif "CONSTR_GENERATED" in constraints:
        text += f" Its value is computed: {in_parentheses(sql, constraints['CONSTR_GENERATED'].location)}."
    elif not constraints:
        text += " Whether existing rows get a value depends on that type."
    text += _limits(constraints, column)
    return text, "data" if default is not None or "CONSTR_IDENTITY" in constraints else "schema"


_AFTER_DEFAULT = ("NOT", "NULL", "CONSTRAINT", "CHECK", "UNIQUE", "PRIMARY", "REFERENCES", "COLLATE", "GENERATED")


def _limits(constraints: dict[str, Any], column: Any) -> str:
    said = {
        "CONSTR_NOTNULL": " Rows without a value are refused.",
        "CONSTR_UNIQUE": " No value may occur twice.",
        "CONSTR_PRIMARY": " It becomes the primary key.",
        "CONSTR_CHECK": " Its values are checked.",
    }
    text = "".join(words for kind, words in said.items() if kind in constraints)
    if "CONSTR_FOREIGN" in constraints:
        text += f" Its values must exist in {relation_name(constraints['CONSTR_FOREIGN'].pktable)}."
    return text


def _default(command: Any, table: str, sql: str) -> _Worded:
    if not command.HasField("def"):
        return f"New rows of {table} get no value in {name(command.name)} of their own accord any more.", "schema"
    alone = sql.upper().count("DEFAULT") == 1 and "," not in sql
    value = clause(sql, "DEFAULT") if alone else "a default value"
    return (
        f"From then on, new rows of {table} get {value} in {name(command.name)} unless they bring a value. "
        "No existing row is changed.",
        "schema",
    )


def _retype(command: Any, table: str, sql: str) -> _Worded:
    column = parser.unwrap(getattr(command, "def"))
    return (
        f"Changes the type of {name(command.name)} in {table} to {type_name(column.type_name)}. "
        "Unless both types are stored alike, every row is written anew while everybody waits.",
        "data",
    )


def _constraint(command: Any, table: str, sql: str) -> _Worded | None:
    rule = parser.unwrap(getattr(command, "def"))
    later = rule.skip_validation
    kind = parser.choice(rule, "contype")
    waiting = "writers wait" if kind == "CONSTR_FOREIGN" else "everybody waits"
    existing = "Existing rows are not read." if later else f"Existing rows are read first, while {waiting}."
    keys = listed(name(key) for key in parser.names(rule.keys))
    if kind == "CONSTR_CHECK":
        text = f"From then on, refuses rows of {table} {_unless(rule, sql)}. {existing}"
    elif kind == "CONSTR_FOREIGN":
        columns = listed(name(key) for key in parser.names(rule.fk_attrs))
        text = f"From then on, {columns} of {table} must exist in {relation_name(rule.pktable)}. {existing}"
    elif kind in ("CONSTR_UNIQUE", "CONSTR_PRIMARY"):
        what = "the primary key of" if kind == "CONSTR_PRIMARY" else "unique within"
        if rule.indexname:
            text = f"Makes the columns of the index {name(rule.indexname)} {what} {table}; the index is there already."
        else:
            text = f"Makes {keys} {what} {table}; builds an index while everybody waits."
    elif kind == "CONSTR_NOTNULL":
        text = f"From then on, refuses rows of {table} without a value in {keys}. {existing}"
    elif kind == "CONSTR_EXCLUSION":
        text = (
            f"From then on, refuses rows of {table} that clash with another one ({in_parentheses(sql, rule.location)})."
        )
        text += " Builds an index while everybody waits."
    else:
        return None
    return text, "schema"


def _unless(rule: Any, sql: str) -> str:
    """Say a plain IS NOT NULL in words, anything else as it is written."""
    test = parser.unwrap(rule.raw_expr)
    if parser.kind_of(test) == "NullTest" and parser.choice(test, "nulltesttype") == "IS_NOT_NULL":
        column = parser.unwrap(test.arg)
        if parser.kind_of(column) == "ColumnRef" and len(column.fields) == 1:
            return f"without a value in {name(*parser.names(column.fields))}"
    return f"unless {in_parentheses(sql, rule.location)}"


def _owner(command: Any, table: str, sql: str) -> _Worded:
    return f"Makes {person(command.newowner)} the owner of {table}.", "access"


def _attach(command: Any, table: str, sql: str) -> _Worded:
    part = relation_name(parser.unwrap(getattr(command, "def")).name)
    return (
        f"Makes {part} a partition of {table}; its rows are read first unless a check proves that they fit.",
        "schema",
    )


def _detach(command: Any, table: str, sql: str) -> _Worded:
    part = relation_name(parser.unwrap(getattr(command, "def")).name)
    return f"Takes the partition {part} out of {table}; its rows stay in a table of its own.", "schema"


_PARTS: dict[str, Callable[[Any, str, str], _Worded | None]] = {
    "AT_AddColumn": _add_valued,
    "AT_AddConstraint": _constraint,
    "AT_AlterColumnType": _retype,
    "AT_AttachPartition": _attach,
    "AT_ChangeOwner": _owner,
    "AT_ColumnDefault": _default,
    "AT_DetachPartition": _detach,
}
