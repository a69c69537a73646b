"""Nouns: "the trigger `x` on `t`" for the object of a DROP, COMMENT, ALTER … OWNER and the like, of every kind."""

from __future__ import annotations

from typing import Any

from changecontrol.rules import parser
from changecontrol.rules.wording.words import listed, name, named
from changecontrol.rules.wording.written import signature, type_name, value

NOUNS = {
    "OBJECT_ACCESS_METHOD": "access method",
    "OBJECT_AGGREGATE": "aggregate function",
    "OBJECT_AMOP": "operator of an index family",
    "OBJECT_AMPROC": "function of an index family",
    "OBJECT_ATTRIBUTE": "field",
    "OBJECT_CAST": "conversion",
    "OBJECT_COLLATION": "sort order",
    "OBJECT_COLUMN": "column",
    "OBJECT_CONVERSION": "encoding conversion",
    "OBJECT_DATABASE": "database",
    "OBJECT_DEFACL": "default rights",
    "OBJECT_DEFAULT": "default value",
    "OBJECT_DOMAIN": "domain",
    "OBJECT_DOMCONSTRAINT": "rule",
    "OBJECT_EVENT_TRIGGER": "event trigger",
    "OBJECT_EXTENSION": "extension",
    "OBJECT_FDW": "foreign-data wrapper",
    "OBJECT_FOREIGN_SERVER": "foreign server",
    "OBJECT_FOREIGN_TABLE": "foreign table",
    "OBJECT_FUNCTION": "function",
    "OBJECT_INDEX": "index",
    "OBJECT_LANGUAGE": "procedural language",
    "OBJECT_LARGEOBJECT": "large object",
    "OBJECT_MATVIEW": "materialized view",
    "OBJECT_OPCLASS": "operator class",
    "OBJECT_OPERATOR": "operator",
    "OBJECT_OPFAMILY": "operator family",
    "OBJECT_PARAMETER_ACL": "server setting",
    "OBJECT_POLICY": "access rule",
    "OBJECT_PROCEDURE": "procedure",
    "OBJECT_PUBLICATION": "publication",
    "OBJECT_PUBLICATION_NAMESPACE": "schema of a publication",
    "OBJECT_PUBLICATION_REL": "table of a publication",
    "OBJECT_ROLE": "role",
    "OBJECT_ROUTINE": "routine",
    "OBJECT_RULE": "rewrite rule",
    "OBJECT_SCHEMA": "schema",
    "OBJECT_SEQUENCE": "sequence",
    "OBJECT_STATISTIC_EXT": "statistics",
    "OBJECT_SUBSCRIPTION": "subscription",
    "OBJECT_TABCONSTRAINT": "rule",
    "OBJECT_TABLE": "table",
    "OBJECT_TABLESPACE": "tablespace",
    "OBJECT_TRANSFORM": "transform",
    "OBJECT_TRIGGER": "trigger",
    "OBJECT_TSCONFIGURATION": "text search configuration",
    "OBJECT_TSDICTIONARY": "text search dictionary",
    "OBJECT_TSPARSER": "text search parser",
    "OBJECT_TSTEMPLATE": "text search template",
    "OBJECT_TYPE": "type",
    "OBJECT_USER_MAPPING": "user mapping",
    "OBJECT_VIEW": "view",
}
#: These live on a table: the last part of their name is their own, the parts before are the table's.
ON_TABLE = ("OBJECT_POLICY", "OBJECT_RULE", "OBJECT_TABCONSTRAINT", "OBJECT_TRIGGER")
#: These are named "access method, then name".
_OF_METHOD = ("OBJECT_OPCLASS", "OBJECT_OPFAMILY")


def noun(kind: str) -> str:
    """Give the plain noun of an ObjectType."""
    return NOUNS.get(kind, "object")


def thing(node: Any, kind: str) -> str:
    """Give "the trigger `x` on `t`" for an object named below a generic Node."""
    inner = parser.unwrap(node)
    form = parser.kind_of(inner)
    if form == "ObjectWithArgs":
        return f"the {noun(kind)} {signature(inner)}"
    if kind in ("OBJECT_CAST", "OBJECT_TRANSFORM", "OBJECT_DOMCONSTRAINT"):
        return _of_type([parser.unwrap(each) for each in inner.items], kind)
    if form == "RangeVar":
        return f"the {noun(kind)} {name(inner.catalogname, inner.schemaname, inner.relname)}"
    if form in ("Integer", "Float"):
        return f"the {noun(kind)} {value(inner)}"
    parts = parser.names(inner.names if form == "TypeName" else inner)
    if kind in ON_TABLE and len(parts) > 1:
        return f"the {noun(kind)} {name(parts[-1])} on {name(*parts[:-1])}"
    if kind == "OBJECT_COLUMN" and len(parts) > 1:
        return f"the column {name(parts[-1])} of {name(*parts[:-1])}"
    if kind in _OF_METHOD and len(parts) > 1:
        return f"the {noun(kind)} {name(*parts[1:])} for {name(parts[0])} indexes"
    return f"the {noun(kind)} {name(*parts)}"


def _of_type(parts: list[Any], kind: str) -> str:
    if kind == "OBJECT_CAST":
        return f"the conversion from {name(type_name(parts[0]))} to {name(type_name(parts[1]))}"
    if kind == "OBJECT_TRANSFORM":
        return f"the transform of {name(type_name(parts[0]))} for the language {name(parts[1].sval)}"
    return f"the rule {name(parts[1].sval)} of the domain {named(parts[0].names)}"


def things(nodes: Any, kind: str) -> str:
    """Give several objects of one kind."""
    return listed(thing(each, kind) for each in nodes)
