"""Operators, casts, collations, text search and languages, in plain words: how the server itself is extended."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from changecontrol.rules import parser
from changecontrol.rules.wording.things import noun
from changecontrol.rules.wording.words import Sentence, Wording, if_there, listed, name, named
from changecontrol.rules.wording.written import options, signature, type_name, types

#: What a thing of CREATE … (…) is for.
_FOR = {
    "OBJECT_AGGREGATE": "which computes one value from many rows",
    "OBJECT_COLLATION": "which decides how texts are sorted and compared",
    "OBJECT_OPERATOR": "a sign for calling a function",
    "OBJECT_TSCONFIGURATION": "which decides how texts are split into words for searching",
    "OBJECT_TSDICTIONARY": "which decides what words are looked for and which are left out",
    "OBJECT_TSPARSER": "which splits texts into words for searching",
    "OBJECT_TSTEMPLATE": "from which text search dictionaries are made",
    "OBJECT_TYPE": "a base type whose functions are code of the server",
}


def define(node: Any) -> Sentence | None:
    """CREATE AGGREGATE, OPERATOR, TYPE, COLLATION and TEXT SEARCH …."""
    kind = parser.choice(node, "kind")
    title = named(node.defnames)
    if kind == "OBJECT_TYPE" and not node.definition:
        return Sentence(f"Announces the type {title}, to be described later; nothing can use it yet.", "schema")
    arguments = [each for item in node.args for each in getattr(parser.unwrap(item), "items", [])]
    over = ", ".join(type_name(parser.unwrap(each).arg_type) for each in arguments)
    title = f"{title[:-1]}({over})`" if over else title
    verb = "Creates or replaces" if node.replace else "Creates"
    there = " (unless it is there already)" if node.if_not_exists else ""
    use = f", {_FOR[kind]}" if kind in _FOR else ""
    how = options(node.definition)
    return Sentence(f"{verb} the {noun(kind)} {title}{there}{use}{f': {how}' if how else ''}.", "schema")


def collation(node: Any) -> Sentence | None:
    """ALTER COLLATION … REFRESH VERSION."""
    return Sentence(
        f"Accepts that the server's rules behind the sort order {named(node.collname)} have changed; indexes built "
        "before must be built anew to be right.",
        "schema",
    )


def cast(node: Any) -> Sentence | None:
    """CREATE CAST."""
    by = "as they are stored"
    if node.inout:
        by = "through their written form"
    elif node.HasField("func"):
        by = f"by the function {signature(node.func)}"
    when = {
        "COERCION_ASSIGNMENT": "when a value is stored",
        "COERCION_IMPLICIT": "wherever it is needed, without being asked",
    }.get(parser.choice(node, "context"), "where a query asks for it")
    source, target = name(type_name(node.sourcetype)), name(type_name(node.targettype))
    return Sentence(f"Lets values of {source} be converted to {target} {by}, {when}.", "schema")


def conversion(node: Any) -> Sentence | None:
    """CREATE CONVERSION."""
    default = ", from then on used by default" if getattr(node, "def") else ""
    return Sentence(
        f"Creates the encoding conversion {named(node.conversion_name)}: the function {named(node.func_name)} turns "
        f"text from {name(node.for_encoding_name)} into {name(node.to_encoding_name)}{default}.",
        "schema",
    )


def transform(node: Any) -> Sentence | None:
    """CREATE TRANSFORM."""
    ways = []
    if node.HasField("fromsql"):
        ways.append(f"{signature(node.fromsql)} hands them in")
    if node.HasField("tosql"):
        ways.append(f"{signature(node.tosql)} takes them back")
    words = "Creates or replaces" if node.replace else "Creates"
    of = name(type_name(node.type_name))
    return Sentence(
        f"{words} the transform of {of} for the language {name(node.lang)}, which turns values for functions in that "
        f"language: {listed(ways)}.",
        "schema",
    )


def operator_class(node: Any) -> Sentence | None:
    """CREATE OPERATOR CLASS."""
    of, default = name(type_name(node.datatype)), ", from then on by default" if node.is_default else ""
    family = f" in the family {named(node.opfamilyname)}" if node.opfamilyname else ""
    return Sentence(
        f"Creates the operator class {named(node.opclassname)}{family}: how {name(node.amname)} indexes sort and "
        f"compare values of {of}{default}, by {_items(node.items)}.",
        "schema",
    )


def _items(nodes: Iterable[Any]) -> str:
    said = []
    for each in map(parser.unwrap, nodes):
        if each.itemtype == 3:
            said.append(f"values stored as {name(type_name(each.storedtype))}")
            continue
        kind = "operator" if each.itemtype == 1 else "function"
        what = f" {signature(each.name)}" if each.HasField("name") else f" for ({types(each.class_args)})"
        said.append(f"the {kind} number {each.number}{what}")
    return listed(said)


def operator_family(node: Any) -> Sentence | None:
    """CREATE OPERATOR FAMILY."""
    return Sentence(
        f"Creates the empty operator family {named(node.opfamilyname)} for {name(node.amname)} indexes: a collection "
        "of ways to sort and compare values.",
        "schema",
    )


def alter_family(node: Any) -> Sentence | None:
    """ALTER OPERATOR FAMILY … ADD and DROP."""
    verb, between = ("Removes", "from") if node.is_drop else ("Adds", "to")
    return Sentence(
        f"{verb} {_items(node.items)} {between} the operator family {named(node.opfamilyname)} for "
        f"{name(node.amname)} indexes.",
        "schema",
    )


def operator(node: Any) -> Sentence | None:
    """ALTER OPERATOR … SET (…)."""
    return Sentence(
        f"Changes what the query planner knows about the operator {signature(node.opername)}: {options(node.options)}.",
        "schema",
    )


def language(node: Any) -> Sentence | None:
    """CREATE LANGUAGE."""
    words = "Installs or replaces" if node.replace else "Installs"
    by = f", carried out by {named(node.plhandler)}" if node.plhandler else ""
    trusted = (
        "; everybody may write functions in it" if node.pltrusted else "; only superusers may write functions in it"
    )
    return Sentence(f"{words} the procedural language {name(node.plname)}{by}{trusted}.", "schema")


def access_method(node: Any) -> Sentence | None:
    """CREATE ACCESS METHOD."""
    what = "indexes" if node.amtype == "i" else "tables"
    return Sentence(
        f"Installs the access method {name(node.amname)}, a way to store {what}, carried out by "
        f"{named(node.handler_name)}.",
        "schema",
    )


def dictionary(node: Any) -> Sentence | None:
    """ALTER TEXT SEARCH DICTIONARY."""
    return Sentence(
        f"Changes settings of the text search dictionary {named(node.dictname)}: {options(node.options)}.", "schema"
    )


def configuration(node: Any) -> Sentence | None:
    """ALTER TEXT SEARCH CONFIGURATION."""
    title = f"the text search configuration {named(node.cfgname)}"
    tokens = listed(name(each) for each in parser.names(node.tokentype)) if node.tokentype else "every kind of word"
    dictionaries = [named(parser.unwrap(each)) for each in node.dicts]
    kind = parser.choice(node, "kind")
    if kind == "ALTER_TSCONFIG_DROP_MAPPING":
        return Sentence(f"Lets {title} leave out {tokens} from then on{if_there(node)}.", "schema")
    if node.replace:
        return Sentence(f"Lets {title} look up {tokens} in {dictionaries[1]} instead of {dictionaries[0]}.", "schema")
    return Sentence(f"Lets {title} look up {tokens} in {listed(dictionaries)}.", "schema")


WORDS: dict[str, Wording] = {
    "AlterCollationStmt": collation,
    "AlterOpFamilyStmt": alter_family,
    "AlterOperatorStmt": operator,
    "AlterTSConfigurationStmt": configuration,
    "AlterTSDictionaryStmt": dictionary,
    "CreateAmStmt": access_method,
    "CreateCastStmt": cast,
    "CreateConversionStmt": conversion,
    "CreateOpClassStmt": operator_class,
    "CreateOpFamilyStmt": operator_family,
    "CreatePLangStmt": language,
    "CreateTransformStmt": transform,
    "DefineStmt": define,
}
