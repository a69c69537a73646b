"""Adding, changing and dropping columns."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from changecontrol.rules.context import last, quoted
from changecontrol.rules.hazards.around import Around, alters_table, commands, definition, relation
from changecontrol.rules.hazards.rule import Hit, Proof, Rule
from changecontrol.rules.hazards.types import is_json, serial, type_name
from changecontrol.rules.parser import choice, find, names, unwrap

RULES = {
    "add-column-rewrites": Rule(
        "error",
        "Adding {column} to {table} computes a value for every row ({what}): the whole table is written anew while"
        " ACCESS EXCLUSIVE keeps every reader and writer out.",
        "ALTER TABLE {table} ADD COLUMN {column} {type}; ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT …; then"
        " fill the rows that exist with a batched step.",
        Proof.REWRITE,
    ),
    "add-column-required": Rule(
        "error",
        "{column} is NOT NULL and has no default: the statement fails as soon as {table} holds one row.",
        "ALTER TABLE {table} ADD COLUMN {column} {type}; a batched step fills it; then CHECK ({column} IS NOT NULL) NOT"
        " VALID, VALIDATE CONSTRAINT in a step of its own, and SET NOT NULL.",
    ),
    "add-column-check": Rule(
        "error",
        "The CHECK written with {column} is verified for every row of {table} while ACCESS EXCLUSIVE keeps everybody"
        " out.",
        "ALTER TABLE {table} ADD COLUMN {column} {type}; ALTER TABLE {table} ADD CONSTRAINT … CHECK (…) NOT VALID; in a"
        " later step ALTER TABLE {table} VALIDATE CONSTRAINT …;",
        Proof.SCAN,
    ),
    "add-column-references": Rule(
        "error",
        "{column} comes with a foreign key: {table} is locked against everybody and {other} against writers, in one"
        " statement. Whoever holds one of them and waits for the other deadlocks with it.",
        "ALTER TABLE {table} ADD COLUMN {column} {type}; in its own step ALTER TABLE {table} ADD CONSTRAINT … FOREIGN"
        " KEY ({column}) REFERENCES {other} NOT VALID; then VALIDATE CONSTRAINT.",
    ),
    "add-column-unique": Rule(
        "error",
        "The {what} written with {column} builds an index on {table} while ACCESS EXCLUSIVE keeps everybody out.",
        "ALTER TABLE {table} ADD COLUMN {column} {type}; CREATE UNIQUE INDEX CONCURRENTLY … ON {table} ({column});"
        " ALTER TABLE {table} ADD CONSTRAINT … UNIQUE USING INDEX …;",
        Proof.BUILD,
    ),
    "json-column": Rule(
        "error",
        "{column} of {table} is json, which has no equality: SELECT DISTINCT and UNION over it fail, and it cannot be"
        " indexed.",
        "Use jsonb for {column}.",
    ),
    "drop-column": Rule(
        "error",
        "The values of {column} in {table} are gone, and every program that still names the column fails at once.",
        "First release a version that no longer uses {table}.{column}; then drop it in a migration of its own, with"
        " the values kept where the regulation asks for them.",
    ),
    "drop-default": Rule(
        "error",
        "Without its default, an INSERT into {table} that leaves out {column} stores NULL or fails.",
        "Release the version that always writes {table}.{column} first.",
    ),
    "drop-generation": Rule(
        "error",
        "{column} of {table} is no longer computed by the database: programs that leave it out store NULL or fail.",
        "Release the version that always writes {table}.{column} first.",
    ),
    "set-expression": Rule(
        "error",
        "Another expression for {column} writes {table} anew while ACCESS EXCLUSIVE keeps everybody out.",
        "Add a new column, fill it with a batched step, and drop {column} later.",
        Proof.REWRITE,
    ),
    "set-not-null": Rule(
        "error",
        "SET NOT NULL reads every row of {table} while ACCESS EXCLUSIVE keeps everybody out.",
        "ALTER TABLE {table} ADD CONSTRAINT {plain}_present CHECK ({column} IS NOT NULL) NOT VALID; in a later step"
        " ALTER TABLE {table} VALIDATE CONSTRAINT {plain}_present; then SET NOT NULL needs no scan.",
        Proof.SCAN,
    ),
    "drop-not-null": Rule(
        "error",
        "{column} of {table} may become NULL, which programs and the hash of a record may not expect.",
        "Keep NOT NULL, or release the version that can read NULL in {table}.{column} first.",
    ),
    "hashed-column-default": Rule(
        "critical",
        "A hash or signature covers {column} of {table}. A default gives it values that nobody signed, and records"
        " stored earlier look tampered with.",
        "Leave {table}.{column} empty for existing rows, and let the program write it for new ones.",
    ),
    "restart-identity": Rule(
        "error",
        "Changing the identity of {column} in {table} may give numbers twice, or leave a gap nobody can explain.",
        "Leave the counter alone; ask for the next free number where it is needed.",
    ),
}

#: Functions whose value is the same for all rows of one statement: no rewrite.
STABLE = frozenset(
    re.findall(
        r"\w+",
        "array coalesce concat current_setting current_database current_schema date_trunc format gettext int4 "
        "json_build_array json_build_object jsonb_build_array jsonb_build_object length lower make_date make_interval "
        "make_timestamptz md5 now numeric round session_user statement_timestamp text timezone to_char to_date "
        "to_timestamp transaction_timestamp upper to_json to_jsonb array_fill repeat abs greatest least "
        "pg_backend_pid",
    )
)
VOLATILE = frozenset(
    re.findall(
        r"\w+",
        "clock_timestamp currval gen_random_uuid gen_random_bytes lastval nextval random random_normal setval "
        "timeofday txid_current pg_current_xact_id uuid_generate_v1 uuid_generate_v1mc uuid_generate_v4 uuidv4 uuidv7",
    )
)


def look(node: Any, around: Around) -> Iterator[Hit]:
    """Find what ALTER TABLE does to columns."""
    if not alters_table(node):
        return
    table = relation(node.relation)
    for kind, command in commands(node):
        if kind == "AT_AddColumn":
            yield from _added(table, definition(command), around)
        elif not around.is_new(table):
            yield from _changed(kind, table, command, around)


def _changed(kind: str, table: str, command: Any, around: Around) -> Iterator[Hit]:
    said = {"table": table, "column": quoted(command.name), "plain": command.name}
    new = around.member_is_new("column", table, command.name)
    if kind == "AT_DropColumn" and not new:
        yield Hit("drop-column", said)
    elif kind == "AT_ColumnDefault":
        if not command.HasField("def"):
            if not (around.rollback and ("default", f"{table}.{command.name}") in around.made) and not new:
                yield Hit("drop-default", said)
        elif around.hashes(table, command.name):
            yield Hit("hashed-column-default", said)
    elif kind in ("AT_DropIdentity", "AT_DropExpression") and not new:
        yield Hit("drop-generation", said)
    elif kind == "AT_SetExpression":
        yield Hit("set-expression", said)
    elif kind in ("AT_SetIdentity", "AT_AddIdentity"):
        yield Hit("restart-identity", said, severity="" if kind == "AT_SetIdentity" else "warning")
    elif kind == "AT_SetNotNull":
        if not _holds_no_null(table, command.name, around):
            yield Hit("set-not-null", said)
    elif kind == "AT_DropNotNull" and ("not null", f"{table}.{command.name}") not in around.made and not new:
        yield Hit("drop-not-null", said)


def _holds_no_null(table: str, column: str, around: Around) -> bool:
    if (table, column) in around.proven:
        return True
    known = around.table(table)
    if known is None:
        return False
    if column in known.columns and known.columns[column].not_null:
        return True
    proof = f"CHECK (({quoted(column)} IS NOT NULL))"
    return any(one.validated and proof in one.definition for one in known.constraints.values())


def _added(table: str, column: Any, around: Around) -> Iterator[Hit]:
    said = {
        "table": table,
        "column": quoted(column.colname),
        "plain": column.colname,
        "type": type_name(column.type_name),
    }
    kinds = {choice(unwrap(item), "contype"): unwrap(item) for item in column.constraints}
    if is_json(column.type_name):
        yield Hit("json-column", said)
    gives = "CONSTR_DEFAULT" in kinds or "CONSTR_GENERATED" in kinds
    if gives and around.hashes(table, column.colname) and not around.is_new(table):
        yield Hit("hashed-column-default", said)
    if around.is_new(table):
        return
    yield from _computed(said, column, kinds, around)
    if "CONSTR_NOTNULL" in kinds and not gives and not serial(column.type_name) and "CONSTR_IDENTITY" not in kinds:
        yield Hit("add-column-required", said)
    if "CONSTR_CHECK" in kinds and not kinds["CONSTR_CHECK"].skip_validation:
        yield Hit("add-column-check", said)
    if "CONSTR_FOREIGN" in kinds:
        other = relation(kinds["CONSTR_FOREIGN"].pktable)
        if not around.is_new(other):
            yield Hit("add-column-references", {**said, "other": other})
    for kind, what in (("CONSTR_UNIQUE", "UNIQUE"), ("CONSTR_PRIMARY", "PRIMARY KEY"), ("CONSTR_EXCLUSION", "EXCLUDE")):
        if kind in kinds:
            yield Hit("add-column-unique", {**said, "what": what})


def _computed(said: dict[str, str], column: Any, kinds: dict[str, Any], around: Around) -> Iterator[Hit]:
    """Whether the new column gets a value of its own for each row."""
    if serial(column.type_name):
        yield Hit("add-column-rewrites", {**said, "what": f"{said['type']} numbers the rows"})
    elif "CONSTR_IDENTITY" in kinds:
        yield Hit("add-column-rewrites", {**said, "what": "an identity numbers the rows"})
    elif "CONSTR_GENERATED" in kinds and kinds["CONSTR_GENERATED"].generated_kind != "v":
        yield Hit("add-column-rewrites", {**said, "what": "a stored generated column"})
    elif around.context and any(last(known) == names(column.type_name.names)[-1] for known in around.context.domains):
        yield Hit("add-column-rewrites", {**said, "what": "a domain may check each value"}, severity="warning")
    elif "CONSTR_DEFAULT" in kinds:
        doubtful = ""
        for call in find(kinds["CONSTR_DEFAULT"].raw_expr, "FuncCall"):
            name = names(call.funcname)[-1]
            volatility = _volatility(name, around)
            if volatility == "v":
                yield Hit("add-column-rewrites", {**said, "what": f"the default calls {name}()"})
                return
            doubtful = doubtful or (name if volatility == "?" else "")
        if doubtful:
            what = f"the default calls {doubtful}(), which may be volatile"
            yield Hit("add-column-rewrites", {**said, "what": what}, severity="warning")


def _volatility(name: str, around: Around) -> str:
    if name in VOLATILE:
        return "v"
    if name in STABLE:
        return "s"
    known = around.context.named_function(name) if around.context else ()
    return max((one.volatility for one in known), default="?")
