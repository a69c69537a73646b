"""Creating, dropping, renaming and describing things, in plain words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from changecontrol.rules import parser
from changecontrol.rules.wording import Sentence, counted, in_parentheses, listed, name, relation, type_name

_NOUNS = {
    "OBJECT_AGGREGATE": "aggregate",
    "OBJECT_COLUMN": "column",
    "OBJECT_DOMAIN": "domain",
    "OBJECT_DOMCONSTRAINT": "rule",
    "OBJECT_EVENT_TRIGGER": "event trigger",
    "OBJECT_EXTENSION": "extension",
    "OBJECT_FOREIGN_TABLE": "foreign table",
    "OBJECT_FUNCTION": "function",
    "OBJECT_INDEX": "index",
    "OBJECT_MATVIEW": "materialized view",
    "OBJECT_POLICY": "access rule",
    "OBJECT_PROCEDURE": "procedure",
    "OBJECT_ROLE": "role",
    "OBJECT_RULE": "rewrite rule",
    "OBJECT_SCHEMA": "schema",
    "OBJECT_SEQUENCE": "sequence",
    "OBJECT_STATISTIC_EXT": "statistics",
    "OBJECT_TABCONSTRAINT": "rule",
    "OBJECT_TABLE": "table",
    "OBJECT_TRIGGER": "trigger",
    "OBJECT_TYPE": "type",
    "OBJECT_VIEW": "view",
}
#: These live on a table: the last part of their name is their own, the parts before are the table's.
_ON_TABLE = ("OBJECT_POLICY", "OBJECT_RULE", "OBJECT_TABCONSTRAINT", "OBJECT_TRIGGER")


def _object(node: Any, kind: str) -> str:
    """Give "the trigger `x` on `t`" for the object of a COMMENT or DROP; empty when its form is not known."""
    inner = parser.unwrap(node)
    form = parser.kind_of(inner)
    noun = _NOUNS.get(kind)
    if noun is None:
        return ""
    if form == "ObjectWithArgs":
        return f"the {noun} {name(*parser.names(inner.objname))}"
    parts = parser.names(inner.names if form == "TypeName" else inner)
    if kind in _ON_TABLE:
        return f"the {noun} {name(parts[-1])} on {name(*parts[:-1])}"
    if kind == "OBJECT_COLUMN":
        return f"the column {name(parts[-1])} of {name(*parts[:-1])}"
    return f"the {noun} {name(*parts)}"


def comment(node: Any, sql: str) -> Sentence | None:
    """COMMENT ON: nothing but a description changes."""
    thing = _object(node.object, parser.choice(node, "objtype"))
    if not thing:
        return None
    if not node.comment:
        return Sentence(f"Removes the description of {thing}.", "other")
    said = " ".join(node.comment.replace("`", "'").split())
    return Sentence(f"Describes {thing}: “{said}”.", "other")


_DROP_KIND = {
    "OBJECT_INDEX": "index",
    "OBJECT_MATVIEW": "data",
    "OBJECT_POLICY": "access",
    "OBJECT_RULE": "access",
    "OBJECT_SCHEMA": "data",
    "OBJECT_TABLE": "data",
    "OBJECT_TRIGGER": "access",
}


def drop(node: Any, sql: str) -> Sentence | None:
    """DROP of nearly everything."""
    kind = parser.choice(node, "remove_type")
    things = [_object(each, kind) for each in node.objects]
    if not all(things):
        return None
    text = f"Removes {listed(things)}"
    if kind in ("OBJECT_TABLE", "OBJECT_FOREIGN_TABLE"):
        text += f", with every row in {'it' if len(things) == 1 else 'them'}"
    elif node.concurrent:
        text += " while people keep working"
    if node.missing_ok:
        text += ", if there"
    also = " Whatever depends on it goes too." if parser.choice(node, "behavior") == "DROP_CASCADE" else ""
    return Sentence(f"{text}.{also}", _DROP_KIND.get(kind, "schema"))


def table(node: Any, sql: str) -> Sentence | None:
    """CREATE TABLE, its columns counted and named, its key and references said."""
    title = relation(node.relation)
    if node.inh_relations:
        parent = relation(parser.unwrap(node.inh_relations[0]))
        how = "as a partition of" if node.HasField("partbound") else "which inherits from"
        return Sentence(f"Creates the table {title} {how} {parent}.", "schema")
    parts = [parser.unwrap(each) for each in node.table_elts]
    columns = [each for each in parts if parser.kind_of(each) == "ColumnDef"]
    rules = [each for each in parts if parser.kind_of(each) == "Constraint"]
    rules += [parser.unwrap(each) for column in columns for each in column.constraints]
    text = f"Creates the empty table {title} with {counted(len(columns), 'column')}"
    text += f": {listed(name(column.colname) for column in columns)}." if columns else "."
    targets = [relation(each.pktable) for each in rules if parser.choice(each, "contype") == "CONSTR_FOREIGN"]
    if targets:
        text += f" Its rows refer to {listed(dict.fromkeys(targets))}."
    if node.HasField("partspec"):
        text += " Its rows are kept in partitions."
    return Sentence(text, "schema")


_EVENTS = ((4, "insert"), (16, "update"), (8, "delete"), (32, "truncate"))
_TIMES = {2: "before", 0: "after", 64: "instead of"}


def trigger(node: Any, sql: str) -> Sentence | None:
    """CREATE TRIGGER: what calls which function when."""
    columns = listed((name(column) for column in parser.names(node.columns)), "or") if node.columns else ""
    of = {"update": f" of {columns}"} if columns else {}
    events = listed((word + of.get(word, "") for bit, word in _EVENTS if node.events & bit), "or")
    each = "each row" if node.row else "each statement"
    only = ", where a condition holds" if node.HasField("when_clause") else ""
    return Sentence(
        f"Calls {name(*parser.names(node.funcname))} from then on {_TIMES.get(node.timing, 'around')} every {events}"
        f" on {relation(node.relation)}, for {each}{only} (trigger {name(node.trigname)}).",
        "access",
    )


_LANGUAGES = {"c": "C", "plpgsql": "PL/pgSQL", "sql": "SQL"}


def function(node: Any, sql: str) -> Sentence | None:
    """CREATE FUNCTION: its frame; what its code does is not put into words, and the sentence says so."""
    returned = parser.names(node.return_type.names)[-1] if node.return_type.names else ""
    noun = "procedure" if node.is_procedure else "trigger function" if returned == "trigger" else "function"
    text = f"{'Replaces or creates' if node.replace else 'Creates'} the {noun} {name(*parser.names(node.funcname))}"
    language = parser.option(node, "options", "language")
    if language is not None:
        spoken = parser.unwrap(language.arg).sval
        text += f" in {_LANGUAGES.get(spoken, name(spoken))}"
    if node.replace:
        later = "Whatever calls it runs the new code from then on; read it in the SQL tab."
    else:
        later = "It runs only when something calls it; read its code in the SQL tab."
    return Sentence(f"{text}.{_with_rights(node)} {later}", "schema")


def _with_rights(node: Any) -> str:
    """Say that a function runs with its owner's rights, and whether that can be abused through the search path."""
    security = parser.option(node, "options", "security")
    if security is None or not parser.unwrap(security.arg).boolval:
        return ""
    path = parser.option(node, "options", "set")
    pinned = path is not None and parser.unwrap(path.arg).name == "search_path"
    return f" It runs with the rights of its owner, {'with a fixed' if pinned else 'without a fixed'} search path."


def index(node: Any, sql: str) -> Sentence | None:
    """CREATE INDEX."""
    columns = [parser.unwrap(each) for each in node.index_params]
    over = listed(name(each.name) if each.name else "a computed value" for each in columns)
    waiting = "while people keep working" if node.concurrent else "while writers wait"
    unique = "From then on the same values may not occur twice. " if node.unique else ""
    some = " for some of its rows" if node.HasField("where_clause") else ""
    title = f" {name(node.idxname)}" if node.idxname else ""
    return Sentence(
        f"Builds the index{title} over {over} of {relation(node.relation)}{some} {waiting}. {unique}".strip(), "index"
    )


def reindex(node: Any, sql: str) -> Sentence | None:
    """REINDEX."""
    waiting = "while people keep working" if parser.option(node, "params", "concurrently") else "while writers wait"
    what = relation(node.relation) if node.relation.relname else name(node.name)
    whole = parser.choice(node, "kind") != "REINDEX_OBJECT_INDEX"
    return Sentence(f"Builds {'the indexes of ' if whole else 'the index '}{what} anew {waiting}.", "index")


def sequence(node: Any, sql: str) -> Sentence | None:
    """CREATE SEQUENCE and ALTER SEQUENCE."""
    if parser.kind_of(node) == "CreateSeqStmt":
        return Sentence(f"Creates the sequence {relation(node.sequence)}, which hands out numbers.", "schema")
    return Sentence(f"Changes how the sequence {relation(node.sequence)} hands out numbers.", "schema")


def view(node: Any, sql: str) -> Sentence | None:
    """CREATE VIEW."""
    words = "Creates or replaces" if node.replace else "Creates"
    sources = _sources(node.query)
    return Sentence(f"{words} the view {relation(node.view)}{sources}. No data is copied.", "schema")


def _sources(query: Any) -> str:
    tables = dict.fromkeys(relation(each) for each in parser.find(query, "RangeVar"))
    return f" over {listed(tables)}" if tables else ""


def table_as(node: Any, sql: str) -> Sentence | None:
    """CREATE TABLE AS and CREATE MATERIALIZED VIEW."""
    noun = "materialized view" if parser.choice(node, "objtype") == "OBJECT_MATVIEW" else "table"
    return Sentence(
        f"Creates the {noun} {relation(node.into.rel)} and fills it from a query{_sources(node.query)}.", "data"
    )


def enum(node: Any, sql: str) -> Sentence | None:
    """CREATE TYPE … AS ENUM and ALTER TYPE … ADD VALUE."""
    title = name(*parser.names(node.type_name))
    if parser.kind_of(node) == "CreateEnumStmt":
        values = listed(f"“{value}”" for value in parser.names(node.vals))
        return Sentence(f"Creates the type {title} with the values {values}.", "schema")
    if node.old_val:
        return Sentence(f"Renames the value “{node.old_val}” of the type {title} to “{node.new_val}”.", "schema")
    return Sentence(f"Adds the value “{node.new_val}” to the type {title}. It can never be removed again.", "schema")


def composite(node: Any, sql: str) -> Sentence | None:
    """CREATE TYPE of several fields."""
    return Sentence(f"Creates the type {relation(node.typevar)} made of several fields.", "schema")


def domain(node: Any, sql: str) -> Sentence | None:
    """CREATE DOMAIN."""
    title = name(*parser.names(node.domainname))
    rules = [parser.unwrap(each) for each in node.constraints]
    checks = [each for each in rules if parser.choice(each, "contype") == "CONSTR_CHECK"]
    text = f"Creates the type {title}: {type_name(node.type_name)}"
    text += f", where {in_parentheses(sql, checks[0].location)}" if len(checks) == 1 else ""
    return Sentence(f"{text}.", "schema")


def alter_domain(node: Any, sql: str) -> Sentence | None:
    """ALTER DOMAIN: a new or removed check."""
    title = name(*parser.names(node.type_name))
    if node.subtype == "X":
        return Sentence(f"Removes the rule {name(node.name)} from the type {title}.", "schema")
    if node.subtype != "C":
        return None
    rule = parser.unwrap(getattr(node, "def"))
    existing = "are not read" if rule.skip_validation else "are read first, in every table, while writers wait"
    check = in_parentheses(sql, rule.location)
    return Sentence(
        f"From then on, values of the type {title} must obey {check}. Existing values {existing}.", "schema"
    )


def schema(node: Any, sql: str) -> Sentence | None:
    """CREATE SCHEMA without anything inside."""
    if node.schema_elts:
        return None
    return Sentence(f"Creates the schema {name(node.schemaname or node.authrole.rolename)}.", "schema")


def extension(node: Any, sql: str) -> Sentence | None:
    """CREATE EXTENSION."""
    return Sentence(f"Installs the extension {name(node.extname)}.", "schema")


def statistics(node: Any, sql: str) -> Sentence | None:
    """CREATE STATISTICS."""
    tables = listed(relation(parser.unwrap(each)) for each in node.relations)
    return Sentence(f"Lets the planner watch how columns of {tables} belong together. No row is changed.", "other")


def rename(node: Any, sql: str) -> Sentence | None:
    """ALTER … RENAME."""
    kind = parser.choice(node, "rename_type")
    noun = _NOUNS.get(kind)
    if noun is None or not node.relation.relname:
        return None
    where = relation(node.relation)
    if kind in (*_ON_TABLE, "OBJECT_COLUMN"):
        between = "of" if kind in ("OBJECT_COLUMN", "OBJECT_TABCONSTRAINT") else "on"
        text = f"Renames the {noun} {name(node.subname)} {between} {where} to {name(node.newname)}."
    else:
        text = f"Renames the {noun} {where} to {name(node.newname)}."
    breaks = kind in ("OBJECT_COLUMN", "OBJECT_TABLE", "OBJECT_VIEW")
    return Sentence(text + (" Whatever still uses the old name fails." if breaks else ""), "schema")


def move(node: Any, sql: str) -> Sentence | None:
    """ALTER … SET SCHEMA."""
    noun = _NOUNS.get(parser.choice(node, "object_type"))
    if noun is None or not node.relation.relname:
        return None
    return Sentence(f"Moves the {noun} {relation(node.relation)} into the schema {name(node.newschema)}.", "schema")


WORDS: dict[str, Callable[[Any, str], Sentence | None]] = {
    "AlterDomainStmt": alter_domain,
    "AlterEnumStmt": enum,
    "AlterObjectSchemaStmt": move,
    "AlterSeqStmt": sequence,
    "CommentStmt": comment,
    "CompositeTypeStmt": composite,
    "CreateDomainStmt": domain,
    "CreateEnumStmt": enum,
    "CreateExtensionStmt": extension,
    "CreateFunctionStmt": function,
    "CreateSchemaStmt": schema,
    "CreateSeqStmt": sequence,
    "CreateStatsStmt": statistics,
    "CreateStmt": table,
    "CreateTableAsStmt": table_as,
    "CreateTrigStmt": trigger,
    "DropStmt": drop,
    "IndexStmt": index,
    "ReindexStmt": reindex,
    "RenameStmt": rename,
    "ViewStmt": view,
}
