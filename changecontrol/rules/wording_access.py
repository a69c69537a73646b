"""Rights, roles, row-level security, rules, settings and code blocks, in plain words."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from changecontrol.rules import parser
from changecontrol.rules.deeds import reads_only
from changecontrol.rules.wording import Sentence, clause, listed, name, people, person, relation

_RIGHTS = {
    "create": "create things in",
    "delete": "delete from",
    "execute": "call",
    "insert": "add rows to",
    "references": "refer to",
    "select": "read",
    "trigger": "put triggers on",
    "truncate": "empty",
    "update": "change rows of",
    "usage": "use",
    "connect": "connect to",
    "temporary": "make temporary tables in",
}


def grant(node: Any, sql: str) -> Sentence | None:
    """GRANT and REVOKE on things."""
    if parser.choice(node, "targtype") == "ACL_TARGET_DEFAULTS":
        return None
    rights = [parser.unwrap(each) for each in node.privileges]
    columns = any(right.cols for right in rights)
    verbs = listed((_RIGHTS.get(right.priv_name, right.priv_name) for right in rights), "and") or "do anything with"
    things = _granted(node)
    part = " (some columns only)" if columns else ""
    who = people(node.grantees)
    if node.is_grant:
        also = " and to allow that to others" if node.grant_option else ""
        return Sentence(f"Allows {who} to {verbs} {things}{part}{also}.", "access")
    return Sentence(f"Takes from {who} the right to {verbs} {things}{part}.", "access")


def _granted(node: Any) -> str:
    noun = parser.choice(node, "objtype").removeprefix("OBJECT_").lower()
    if parser.choice(node, "targtype") == "ACL_TARGET_ALL_IN_SCHEMA":
        return f"every {noun} in the schema {listed(name(each) for each in parser.names(node.objects))}"
    things = [parser.unwrap(each) for each in node.objects]
    words = [_thing(each) for each in things]
    many = {"sequence": "the sequence ", "function": "the function ", "schema": "the schema "}.get(noun, "")
    return many + listed(words)


def _thing(node: Any) -> str:
    kind = parser.kind_of(node)
    if kind == "RangeVar":
        return relation(node)
    if kind == "ObjectWithArgs":
        return name(*parser.names(node.objname))
    return name(*parser.names([node] if kind == "String" else node))


def grant_role(node: Any, sql: str) -> Sentence | None:
    """GRANT role TO role and REVOKE."""
    roles = listed(name(parser.unwrap(each).priv_name) for each in node.granted_roles)
    if node.is_grant:
        return Sentence(f"Makes {people(node.grantee_roles)} a member of {roles}, with its rights.", "access")
    return Sentence(f"Ends the membership of {people(node.grantee_roles)} in {roles}.", "access")


def role(node: Any, sql: str) -> Sentence | None:
    """CREATE ROLE."""
    login = parser.option(node, "options", "canlogin")
    may = login is not None and parser.unwrap(login.arg).boolval
    strong = parser.option(node, "options", "superuser")
    text = f"Creates the role {name(node.role)}, which can{'' if may else 'not'} sign in"
    text += " and may do everything" if strong is not None and parser.unwrap(strong.arg).boolval else ""
    return Sentence(f"{text}.", "access")


def drop_role(node: Any, sql: str) -> Sentence | None:
    """DROP ROLE."""
    return Sentence(f"Removes the role {people(node.roles)} from the whole server.", "access")


_COMMANDS = {
    "all": "see, add, change and delete",
    "delete": "delete",
    "insert": "add",
    "select": "see",
    "update": "change",
}


def policy(node: Any, sql: str) -> Sentence | None:
    """CREATE POLICY."""
    rows = clause(sql, "USING", "WITH") if node.HasField("qual") else ""
    rows = rows or (clause(sql, "CHECK") if node.HasField("with_check") else "")
    condition = rows.replace("`(", "`", 1).replace(")`", "`") if rows.startswith("`(") else rows
    every = condition.lower() == "`true`"
    which = f"every row of {relation(node.table)}" if every else f"the rows of {relation(node.table)} where {condition}"
    verb = _COMMANDS.get(node.cmd_name, node.cmd_name)
    if node.permissive:
        return Sentence(f"Lets {people(node.roles)} {verb} {which} (access rule {name(node.policy_name)}).", "access")
    return Sentence(
        f"Lets {people(node.roles)} {verb} only {which}, whatever else allows more (access rule "
        f"{name(node.policy_name)}).",
        "access",
    )


def alter_policy(node: Any, sql: str) -> Sentence | None:
    """ALTER POLICY."""
    return Sentence(
        f"Changes for whom or for which rows of {relation(node.table)} the access rule {name(node.policy_name)} holds.",
        "access",
    )


_RULE_EVENTS = {"CMD_DELETE": "delete", "CMD_INSERT": "insert", "CMD_SELECT": "read", "CMD_UPDATE": "update"}


def rule(node: Any, sql: str) -> Sentence | None:
    """CREATE RULE."""
    event = _RULE_EVENTS.get(parser.choice(node, "event"), "change")
    instead = "replaces" if node.instead else "adds to"
    what = "something else" if node.actions else "nothing, silently"
    return Sentence(
        f"From then on {instead} every {event} on {relation(node.relation)} with {what} (rewrite rule "
        f"{name(node.rulename)}).",
        "access",
    )


def owner(node: Any, sql: str) -> Sentence | None:
    """ALTER … OWNER TO of other things than tables."""
    noun = parser.choice(node, "object_type").removeprefix("OBJECT_").lower()
    return Sentence(
        f"Makes {person(node.newowner)} the owner of the {noun} {_thing(parser.unwrap(node.object))}.", "access"
    )


def setting(node: Any, sql: str) -> Sentence | None:
    """SET: a setting of the session, put back after the script."""
    if parser.choice(node, "kind") not in ("VAR_SET_VALUE", "VAR_SET_DEFAULT", "VAR_RESET"):
        return None
    risky = node.name.lower() in ("role", "row_security", "session_authorization", "session_replication_role")
    return Sentence(f"Changes the setting {name(node.name)} for this script.", "access" if risky else "other")


# DO blocks: two forms are known completely, from BEGIN to END; anything else is not put into words.
_GUARD = re.compile(
    r"\s*BEGIN\s+IF\b(?P<condition>[^;]*?)\bTHEN\s+RAISE\s+EXCEPTION\s+'(?P<message>(?:[^']|'')*)'[^;]*;"
    r"\s*END\s+IF\s*;\s*END\s*;?\s*",
    re.IGNORECASE,
)
_ROLE = re.compile(
    r"IF\s+NOT\s+EXISTS\s*\(\s*SELECT\s+(?:1\s+)?FROM\s+(?:pg_catalog\.)?pg_roles\s+WHERE\s+rolname\s*=\s*'(\w+)'\s*\)"
    r"\s*THEN\s+CREATE\s+ROLE\s+(\w+)\s+NOLOGIN\s*;\s*END\s+IF\s*;\s*",
    re.IGNORECASE,
)


def block(node: Any, sql: str) -> Sentence | None:
    """DO: a guard that only looks and stops, or roles created where missing."""
    body = next((string.sval for each in node.args for string in parser.find(parser.unwrap(each), "String")), "")
    if "--" in body or "/*" in body:
        return None
    guard = _GUARD.fullmatch(body)
    if guard and _only_looks(guard.group("condition")):
        message = guard.group("message").replace("''", "'").replace("`", "'")
        return Sentence(f"Looks before it acts: stops the step with “{message}” if that is so.", "other")
    inner = re.fullmatch(r"\s*BEGIN\s+(.*?)END\s*;?\s*", body, re.IGNORECASE | re.DOTALL)
    roles = _ROLE.findall(inner.group(1)) if inner else []
    if inner and roles and not _ROLE.sub("", inner.group(1)).strip() and all(one == two for one, two in roles):
        names = listed(name(one) for one, _two in roles)
        noun = "role" if len(roles) == 1 else "roles"
        return Sentence(f"Creates the {noun} {names} where missing; nobody can sign in with them.", "access")
    return None


def _only_looks(condition: str) -> bool:
    """Whether a PL/pgSQL condition reads and calls nothing unknown."""
    node = parser.parse_one(f"SELECT {condition}")
    return node is not None and reads_only(node)


WORDS: dict[str, Callable[[Any, str], Sentence | None]] = {
    "AlterOwnerStmt": owner,
    "AlterPolicyStmt": alter_policy,
    "CreatePolicyStmt": policy,
    "CreateRoleStmt": role,
    "DoStmt": block,
    "DropRoleStmt": drop_role,
    "GrantRoleStmt": grant_role,
    "GrantStmt": grant,
    "RuleStmt": rule,
    "VariableSetStmt": setting,
}
