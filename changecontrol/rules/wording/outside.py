"""Extensions, foreign servers and replication, in plain words: what comes from and goes to elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from changecontrol.rules import parser
from changecontrol.rules.wording.words import (
    Sentence,
    Wording,
    cascades,
    if_there,
    listed,
    name,
    nouns,
    person,
    relation,
    relations,
)
from changecontrol.rules.wording.written import expression, given, options

#: Options that hold a secret: their names are said, their values are not.
_SECRET = ("passfile", "password", "sslpassword")


def _settings(nodes: Iterable[Any]) -> str:
    said = options(nodes, without=_SECRET)
    hidden = [each.defname for each in map(parser.unwrap, nodes) if each.defname in _SECRET]
    also = listed(f"{name(each)} (not shown)" for each in hidden)
    return listed(part for part in (said, also) if part)


def _with(nodes: Iterable[Any]) -> str:
    said = _settings(nodes)
    return f" Settings: {said}." if said else ""


def extension(node: Any) -> Sentence | None:
    """CREATE EXTENSION."""
    there = " (unless it is there already)" if node.if_not_exists else ""
    version, where = given(node, "options", "new_version"), given(node, "options", "schema")
    text = f"Installs the extension {name(node.extname)}{f' in version {version}' if version else ''}"
    text += f" into the schema {name(where)}" if where else ""
    also = " Extensions that it needs are installed too." if parser.option(node, "options", "cascade") else ""
    return Sentence(f"{text}{there}, with its types and functions.{also}", "schema")


def update_extension(node: Any) -> Sentence | None:
    """ALTER EXTENSION … UPDATE."""
    version = given(node, "options", "new_version")
    to = f"version {version}" if version else "the newest version that the server has"
    return Sentence(f"Updates the extension {name(node.extname)} to {to}, by the extension's own script.", "schema")


def wrapper(node: Any) -> Sentence | None:
    """CREATE and ALTER FOREIGN DATA WRAPPER."""
    verb = "Installs" if parser.kind_of(node).startswith("Create") else "Changes"
    how = options(node.func_options)
    return Sentence(
        f"{verb} the foreign-data wrapper {name(node.fdwname)}, the code that reads other servers"
        f"{f': {how}' if how else ''}.{_with(node.options)}",
        "schema",
    )


def server(node: Any) -> Sentence | None:
    """CREATE SERVER."""
    there = " (unless it is there already)" if node.if_not_exists else ""
    kind = f" of type {name(node.servertype)}" if node.servertype else ""
    version = f" in version {name(node.version)}" if node.version else ""
    return Sentence(
        f"Makes another server known as {name(node.servername)}{kind}{version}, reached through {name(node.fdwname)}"
        f"{there}.{_with(node.options)}",
        "schema",
    )


def alter_server(node: Any) -> Sentence | None:
    """ALTER SERVER."""
    version = f", now in version {name(node.version)}" if node.has_version and node.version else ""
    return Sentence(
        f"Changes how the foreign server {name(node.servername)} is reached{version}.{_with(node.options)}", "schema"
    )


def mapping(node: Any) -> Sentence | None:
    """CREATE, ALTER and DROP USER MAPPING."""
    kind, who = parser.kind_of(node), person(node.user)
    if kind.startswith("Drop"):
        return Sentence(
            f"Removes how {who} signs in to the foreign server {name(node.servername)}{if_there(node)}.", "access"
        )
    verb = "Says" if kind.startswith("Create") else "Changes"
    there = " (unless that is said already)" if kind.startswith("Create") and node.if_not_exists else ""
    return Sentence(
        f"{verb} how {who} signs in to the foreign server {name(node.servername)}{there}.{_with(node.options)}",
        "access",
    )


_LIMITS = {"FDW_IMPORT_SCHEMA_EXCEPT": "all but", "FDW_IMPORT_SCHEMA_LIMIT_TO": "only"}


def import_schema(node: Any) -> Sentence | None:
    """IMPORT FOREIGN SCHEMA."""
    limit = _LIMITS.get(parser.choice(node, "list_type"), "")
    which = f": {limit} {relations(node.table_list)}" if limit else ""
    return Sentence(
        f"Makes the tables of the schema {name(node.remote_schema)} on the foreign server {name(node.server_name)} "
        f"readable in the schema {name(node.local_schema)}{which}. No row is copied.{_with(node.options)}",
        "schema",
    )


def publication(node: Any) -> Sentence | None:
    """CREATE PUBLICATION."""
    what = "every table of the database, also future ones" if node.for_all_tables else _published(node.pubobjects)
    return Sentence(
        f"Offers to subscribing servers (publication {name(node.pubname)}) the changes of {what or 'no table yet'}."
        f"{_with(node.options)}",
        "access",
    )


def _published(nodes: Iterable[Any]) -> str:
    said = []
    for each in map(parser.unwrap, nodes):
        kind = parser.choice(each, "pubobjtype")
        if kind == "PUBLICATIONOBJ_TABLES_IN_CUR_SCHEMA":
            said.append("every table in the current schema")
        elif kind == "PUBLICATIONOBJ_TABLES_IN_SCHEMA":
            said.append(f"every table in the schema {name(each.name)}")
        else:
            table = each.pubtable
            columns = f" (only {listed(name(one) for one in parser.names(table.columns))})" if table.columns else ""
            rows = f", for the rows where {expression(table.where_clause)}" if table.HasField("where_clause") else ""
            said.append(f"{relation(table.relation)}{columns}{rows}")
    return listed(said)


_ACTIONS = {"AP_AddObjects": "Adds {} to", "AP_DropObjects": "Takes {} out of", "AP_SetObjects": "Offers only {} in"}


def alter_publication(node: Any) -> Sentence | None:
    """ALTER PUBLICATION."""
    title = f"the publication {name(node.pubname)}"
    if not node.pubobjects:
        return Sentence(
            f"Changes settings of {title}, which offers changes to subscribing servers.{_with(node.options)}", "access"
        )
    said = _ACTIONS.get(parser.choice(node, "action"), "Changes {} in").format(_published(node.pubobjects))
    return Sentence(f"{said} {title}, which offers changes to subscribing servers.", "access")


def subscription(node: Any) -> Sentence | None:
    """CREATE SUBSCRIPTION; where it connects may hold a password and is not said."""
    what = nouns("publication", (name(each) for each in parser.names(node.publication)))
    return Sentence(
        f"From then on, copies into this database (subscription {name(node.subname)}) the changes that {what} of "
        f"another server offers.{_with(node.options)}",
        "data",
    )


_SUBSCRIPTION = {
    "ALTER_SUBSCRIPTION_ADD_PUBLICATION": "also copies {}",
    "ALTER_SUBSCRIPTION_CONNECTION": "connects in another way (not shown)",
    "ALTER_SUBSCRIPTION_DROP_PUBLICATION": "no longer copies {}",
    "ALTER_SUBSCRIPTION_OPTIONS": "has other settings",
    "ALTER_SUBSCRIPTION_REFRESH": "looks anew which tables are offered",
    "ALTER_SUBSCRIPTION_SET_PUBLICATION": "copies only {}",
    "ALTER_SUBSCRIPTION_SKIP": "leaves out one transaction of the other server",
}


def alter_subscription(node: Any) -> Sentence | None:
    """ALTER SUBSCRIPTION."""
    kind = parser.choice(node, "kind")
    what = nouns("publication", (name(each) for each in parser.names(node.publication))) if node.publication else ""
    if kind == "ALTER_SUBSCRIPTION_ENABLED":
        on = given(node, "options", "enabled") == "true"
        said = "copies changes again" if on else "copies no changes"
    else:
        said = _SUBSCRIPTION.get(kind, "works in another way").format(what)
    also = "" if kind == "ALTER_SUBSCRIPTION_ENABLED" else _with(node.options)
    return Sentence(f"From then on, the subscription {name(node.subname)} {said}.{also}", "data")


def drop_subscription(node: Any) -> Sentence | None:
    """DROP SUBSCRIPTION."""
    return Sentence(
        f"Removes the subscription {name(node.subname)}{if_there(node)}: changes of the other server are no longer "
        f"copied here; the rows copied so far stay.{cascades(node)}",
        "schema",
    )


WORDS: dict[str, Wording] = {
    "AlterExtensionStmt": update_extension,
    "AlterFdwStmt": wrapper,
    "AlterForeignServerStmt": alter_server,
    "AlterPublicationStmt": alter_publication,
    "AlterSubscriptionStmt": alter_subscription,
    "AlterUserMappingStmt": mapping,
    "CreateExtensionStmt": extension,
    "CreateFdwStmt": wrapper,
    "CreateForeignServerStmt": server,
    "CreatePublicationStmt": publication,
    "CreateSubscriptionStmt": subscription,
    "CreateUserMappingStmt": mapping,
    "DropSubscriptionStmt": drop_subscription,
    "DropUserMappingStmt": mapping,
    "ImportForeignSchemaStmt": import_schema,
}
