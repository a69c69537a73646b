"""Rights, roles and row-level security, in plain words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from changecontrol.rules import parser
from changecontrol.rules.wording.things import noun
from changecontrol.rules.wording.words import (
    Sentence,
    Wording,
    cascades,
    if_there,
    listed,
    name,
    nouns,
    people,
    person,
    relation,
)
from changecontrol.rules.wording.written import expression, signature, value

_RIGHTS = {
    "alter system": "set for the whole server",
    "connect": "connect to",
    "create": "create things in",
    "delete": "delete from",
    "execute": "call",
    "insert": "add rows to",
    "maintain": "maintain (vacuum, analyze, reindex, lock)",
    "references": "refer to",
    "select": "read",
    "set": "set",
    "temporary": "make temporary tables in",
    "trigger": "put triggers on",
    "truncate": "empty",
    "update": "change rows of",
    "usage": "use",
}
_FOR_OTHERS = {"select": "read", "update": "write", "usage": "use"}


def grant(node: Any) -> Sentence | None:
    """GRANT and REVOKE on things."""
    noun_of = parser.choice(node, "objtype")
    verbs = _verbs(node, noun_of)
    things = _granted(node, noun_of)
    who, by = people(node.grantees), _by(node)
    if node.is_grant:
        also = " and to allow that to others" if node.grant_option else ""
        return Sentence(f"Allows {who} to {verbs} {things}{also}{by}.", "access")
    if node.grant_option:
        return Sentence(f"Takes from {who} the right to allow others to {verbs} {things}{by}.{_also(node)}", "access")
    return Sentence(f"Takes from {who} the right to {verbs} {things}{by}.{_also(node)}", "access")


def _also(node: Any) -> str:
    return " Those who have it from them lose it too." if cascades(node) else ""


def _by(node: Any) -> str:
    return f", in the name of {person(node.grantor)}" if node.HasField("grantor") else ""


def _verbs(node: Any, kind: str) -> str:
    table = kind in ("OBJECT_TABLE", "OBJECT_VIEW", "OBJECT_MATVIEW")
    words = _RIGHTS if table else {**_RIGHTS, **_FOR_OTHERS}
    if not node.privileges:
        return "do anything with"
    said = []
    only_columns = all(right.cols for right in map(parser.unwrap, node.privileges))
    for right in map(parser.unwrap, node.privileges):
        if not right.priv_name:
            verb = "read, add to, change and refer to"
        else:
            verb = words.get(right.priv_name, right.priv_name)
        columns = listed(name(each) for each in parser.names(right.cols)) if right.cols else ""
        said.append(
            f"{verb.removesuffix(' rows of').removesuffix(' rows to')} {columns}{'' if only_columns else ' of'}"
            if columns
            else verb
        )
    return listed(said) + (" of" if only_columns else "")


def _granted(node: Any, kind: str) -> str:
    where = parser.choice(node, "targtype")
    if where == "ACL_TARGET_ALL_IN_SCHEMA":
        schemas = nouns("schema", (name(each) for each in parser.names(node.objects)))
        return f"every {noun(kind)} that is now in {schemas}"
    things = [_thing(parser.unwrap(each)) for each in node.objects]
    return listed(things) if kind == "OBJECT_TABLE" else nouns(noun(kind), things)


def _thing(node: Any) -> str:
    kind = parser.kind_of(node)
    if kind == "RangeVar":
        return relation(node)
    if kind == "ObjectWithArgs":
        return signature(node)
    if kind in ("Integer", "Float"):
        return value(node)
    return name(*parser.names([node] if kind == "String" else node))


def defaults(node: Any) -> Sentence | None:
    """ALTER DEFAULT PRIVILEGES."""
    inner = node.action
    kind = parser.choice(inner, "objtype")
    whose = parser.option(node, "options", "roles")
    schemas = parser.option(node, "options", "schemas")
    makers = people(parser.unwrap(whose.arg).items) if whose is not None else "the current role"
    where = ""
    if schemas is not None:
        where = f" in {nouns('schema', (name(each) for each in parser.names(schemas.arg)))}"
    things = f"each {noun(kind)} that {makers} will create{where}"
    verbs, who = _verbs(inner, kind), people(inner.grantees)
    if inner.is_grant:
        also = " and to allow that to others" if inner.grant_option else ""
        return Sentence(f"From then on, allows {who} to {verbs} {things}{also}.", "access")
    return Sentence(f"From then on, no longer gives {who} the right to {verbs} {things}.", "access")


_MEMBER = {
    "admin": ("with the right to let others in", "without the right to let others in"),
    "inherit": ("with its rights at once", "with its rights only after switching to it"),
    "set": ("with the right to switch to it", "without the right to switch to it"),
}


def grant_role(node: Any) -> Sentence | None:
    """GRANT role TO role and REVOKE."""
    roles = listed(name(parser.unwrap(each).priv_name) for each in node.granted_roles)
    who, by = people(node.grantee_roles), _by(node)
    how = list(_membership(node))
    if node.is_grant:
        if not any(parser.unwrap(each).defname == "inherit" for each in node.opt):
            how.insert(0, "with its rights")
        return Sentence(f"Makes {who} a member of {roles}, {listed(how)}{by}.", "access")
    if how:
        return Sentence(f"Leaves {who} a member of {roles}, but {listed(how)}{by}.{_also(node)}", "access")
    return Sentence(f"Ends the membership of {who} in {roles}{by}.{_also(node)}", "access")


def _membership(node: Any) -> Iterator[str]:
    for each in map(parser.unwrap, node.opt):
        yes, no = _MEMBER.get(each.defname, (each.defname, f"not {each.defname}"))
        yield yes if value(each.arg) == "true" else no


_COMMANDS = {
    "all": "see, add, change and delete",
    "delete": "delete",
    "insert": "add",
    "select": "see",
    "update": "change",
}


def policy(node: Any) -> Sentence | None:
    """CREATE POLICY."""
    title = f" (access rule {name(node.policy_name)})"
    who, verb = people(node.roles), _COMMANDS.get(node.cmd_name, node.cmd_name)
    if node.permissive:
        return Sentence(f"Lets {who} {verb} {_which(node)}{title}.", "access")
    return Sentence(f"Lets {who} {verb} only {_which(node)}, whatever else allows more{title}.", "access")


def _which(node: Any) -> str:
    table = relation(node.table)
    seen = expression(node.qual) if node.HasField("qual") else ""
    written = expression(node.with_check) if node.HasField("with_check") else ""
    condition = seen or written
    every = not condition or condition.lower() == "`true`"
    if node.cmd_name == "insert":
        return f"any row to {table}" if every else f"rows to {table} where {condition}"
    which = f"every row of {table}" if every else f"the rows of {table} where {condition}"
    return f"{which}, and write only rows where {written}" if seen and written and seen != written else which


def alter_policy(node: Any) -> Sentence | None:
    """ALTER POLICY."""
    title = f"the access rule {name(node.policy_name)} of {relation(node.table)}"
    parts = [f"for {people(node.roles)}"] if node.roles else []
    parts += [f"for the rows where {expression(node.qual)}"] if node.HasField("qual") else []
    parts += [f"for writing rows where {expression(node.with_check)}"] if node.HasField("with_check") else []
    return Sentence(f"From then on, {title} holds {listed(parts) or 'as before'}.", "access")


_ROLE = {
    "bypassrls": ("sees every row whatever row-level security says", "is held by row-level security"),
    "canlogin": ("can sign in", "cannot sign in"),
    "createdb": ("may create databases", "may not create databases"),
    "createrole": ("may create roles", "may not create roles"),
    "inherit": ("has the rights of its roles at once", "has the rights of its roles only after switching to them"),
    "isreplication": ("may replicate the whole server", "may not replicate the server"),
    "superuser": ("may do everything", "may not do everything"),
}


def _abilities(node: Any) -> Iterator[str]:
    for each in map(parser.unwrap, node.options):
        if each.defname in _ROLE:
            yield _ROLE[each.defname][0 if value(each.arg) == "true" else 1]
        elif each.defname == "password":
            yield "gets a password" if each.HasField("arg") else "has no password"
        elif each.defname == "connectionlimit":
            yield f"may be connected {value(each.arg)} times at most"
        elif each.defname == "validUntil":
            yield f"can use its password until {value(each.arg)}"
        elif each.defname in ("addroleto", "rolemembers", "adminmembers"):
            who = people(parser.unwrap(each.arg).items)
            yield f"is a member of {who}" if each.defname == "addroleto" else f"has the members {who}"


def role(node: Any) -> Sentence | None:
    """CREATE ROLE."""
    said = list(_abilities(node))
    login = parser.choice(node, "stmt_type") == "ROLESTMT_USER"
    if not any("sign in" in each for each in said):
        said.insert(0, _ROLE["canlogin"][0 if login else 1])
    return Sentence(f"Creates the role {name(node.role)}, which {listed(said)}.", "access")


def alter_role(node: Any) -> Sentence | None:
    """ALTER ROLE and ALTER GROUP."""
    members = parser.option(node, "options", "rolemembers")
    if members is not None:
        who, group = people(parser.unwrap(members.arg).items), person(node.role)
        if node.action > 0:
            return Sentence(f"Makes {who} a member of {group}, with its rights.", "access")
        return Sentence(f"Ends the membership of {who} in {group}.", "access")
    said = listed(_abilities(node)) or "stays as it is"
    return Sentence(f"Changes the role {person(node.role)}: from then on it {said}.", "access")


def drop_role(node: Any) -> Sentence | None:
    """DROP ROLE."""
    which = "role" if len(node.roles) == 1 else "roles"
    return Sentence(f"Removes the {which} {people(node.roles)} from the whole server{if_there(node)}.", "access")


WORDS: dict[str, Wording] = {
    "AlterDefaultPrivilegesStmt": defaults,
    "AlterPolicyStmt": alter_policy,
    "AlterRoleStmt": alter_role,
    "CreatePolicyStmt": policy,
    "CreateRoleStmt": role,
    "DropRoleStmt": drop_role,
    "GrantRoleStmt": grant_role,
    "GrantStmt": grant,
}
