"""Who may see and do what: row-level security, policies, grants, functions that run with their owner's rights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from changecontrol.rules.context import quoted
from changecontrol.rules.hazards.around import Around, alters_table, commands, relation
from changecontrol.rules.hazards.rule import Hit, Rule
from changecontrol.rules.parser import choice, find, kind_of, names, option, unwrap

RULES = {
    "disable-row-security": Rule(
        "critical",
        "{what} on {table}: from here on people read and write rows of sites that are not theirs.",
        "Keep row-level security on {table}. Grant what is missing with a policy for the role that needs it.",
    ),
    "enable-row-security": Rule(
        "error",
        "Once row-level security is on, {table} shows nothing to whoever has no policy: programs see empty tables, not"
        " errors.",
        "CREATE POLICY for every role that uses {table} first, in the same transaction before ALTER TABLE {table}"
        " ENABLE ROW LEVEL SECURITY;",
    ),
    "drop-policy": Rule(
        "critical",
        "Without policy {name}, {table} shows other rows than before: more with a restrictive one gone, none where it"
        " was the only one.",
        "CREATE POLICY with the new condition first, then drop {name} in the same transaction, and say in the change"
        " who sees what.",
    ),
    "alter-policy": Rule(
        "error",
        "Policy {name} decides who sees and writes which rows of {table}; from here on it decides otherwise.",
        "Say in the change who sees more and who sees less, and let a verify script show it.",
    ),
    "create-policy": Rule(
        "warning",
        "Another permissive policy shows more rows of {table}; a restrictive one hides some.",
        "Say in the change who sees more and who sees less.",
    ),
    "grant-to-public": Rule(
        "critical",
        "{what} on {name} is granted to PUBLIC: every role of this server that may connect has it, today and later.",
        "GRANT {what} ON {name} TO the role that needs it;",
    ),
    "security-definer-path": Rule(
        "critical",
        "{name} runs with its owner's rights and without a search_path of its own: whoever may create an object in a"
        " schema before the right one has those rights too.",
        "ALTER FUNCTION {name} SET search_path = pg_catalog, pg_temp; and name every object in it with its schema.",
    ),
    "change-owner": Rule(
        "warning",
        "{name} belongs to {new} from here on: it may change and drop it, and row-level security does not bind it.",
    ),
    "role-past-security": Rule(
        "critical",
        "{name} becomes {what}: no grant and no policy binds it any more.",
        "Give {name} the rights it needs by GRANT and by a policy.",
    ),
    "mighty-role": Rule(
        "critical",
        "{name} becomes a member of {what}: a right over every table, file or session of the server that no grant on"
        " a table limits.",
        "GRANT {name} what it needs on the tables it needs it for.",
    ),
}

#: Roles that PostgreSQL brings along whose members reach past the grants on tables.
_MIGHTY = ("pg_read_all_data", "pg_write_all_data", "pg_read_server_files", "pg_write_server_files",
           "pg_execute_server_program", "pg_maintain", "pg_database_owner", "pg_create_subscription",
           "pg_signal_backend", "pg_use_reserved_connections")  # fmt: skip
_OFF = {
    "AT_DisableRowSecurity": "Row-level security is switched off",
    "AT_NoForceRowSecurity": "NO FORCE lets the owner past the policies",
}


def look(node: Any, around: Around) -> Iterator[Hit]:
    """Find changes of access."""
    kind = kind_of(node)
    if alters_table(node):
        yield from _row_security(node, around)
    elif kind == "DropStmt" and choice(node, "remove_type") == "OBJECT_POLICY":
        for item in node.objects:
            *place, name = names(item)
            if not around.member_is_new("policy", quoted(*place), name):
                yield Hit("drop-policy", {"table": quoted(*place), "name": quoted(name)})
    elif kind in ("AlterPolicyStmt", "CreatePolicyStmt"):
        table = relation(node.table)
        rule = "alter-policy" if kind == "AlterPolicyStmt" else "create-policy"
        if not around.member_is_new("policy", table, node.policy_name):
            yield Hit(rule, {"table": table, "name": quoted(node.policy_name)})
    elif kind in ("GrantStmt", "AlterDefaultPrivilegesStmt"):
        for found in find(node, "GrantStmt"):
            yield from _granted(found)
    elif kind in ("CreateFunctionStmt", "AlterFunctionStmt"):
        yield from _definer(node, around)
    elif kind == "AlterOwnerStmt":
        name = relation(node.relation) if node.HasField("relation") else "It"
        yield Hit("change-owner", {"name": name, "new": node.newowner.rolename or "the current role"})
    elif kind == "GrantRoleStmt" and node.is_grant:
        mighty = [name for item in node.granted_roles if (name := unwrap(item).priv_name) in _MIGHTY]
        for who in node.grantee_roles if mighty else ():
            name = unwrap(who).rolename or "everybody"
            yield Hit("mighty-role", {"name": name, "what": ", ".join(mighty)})
    elif kind in ("CreateRoleStmt", "AlterRoleStmt"):
        role = node.role if kind == "CreateRoleStmt" else node.role.rolename
        for word, what in (("superuser", "superuser"), ("bypassrls", "a role that bypasses row-level security")):
            given = option(node, "options", word)
            if given is not None and unwrap(given.arg).boolval:
                yield Hit("role-past-security", {"name": role, "what": what})


def _row_security(node: Any, around: Around) -> Iterator[Hit]:
    table = relation(node.relation)
    if around.is_new(table):
        return
    for kind, command in commands(node):
        if kind in _OFF and not (around.rollback and ("row security", table) in around.made):
            yield Hit("disable-row-security", {"table": table, "what": _OFF[kind]})
        elif kind in ("AT_EnableRowSecurity", "AT_ForceRowSecurity"):
            known = around.table(table)
            if known is None or not (known.row_security and (known.forced or kind == "AT_EnableRowSecurity")):
                yield Hit("enable-row-security", {"table": table})
        elif kind == "AT_ChangeOwner":
            yield Hit("change-owner", {"name": table, "new": command.newowner.rolename or "the current role"})


def _granted(node: Any) -> Iterator[Hit]:
    if not node.is_grant or not any(choice(unwrap(who), "roletype") == "ROLESPEC_PUBLIC" for who in node.grantees):
        return
    rights = ", ".join(unwrap(one).priv_name.upper() for one in node.privileges) or "ALL"
    found = [relation(one) for item in node.objects for one in find(item, "RangeVar")]
    found += [quoted(*names(one.objname)) for item in node.objects for one in find(item, "ObjectWithArgs")]
    found += [quoted(*names(item)) for item in node.objects if kind_of(unwrap(item)) in ("String", "List")]
    default = choice(node, "targtype") == "ACL_TARGET_DEFAULTS"
    name = ", ".join(found) or ("whatever is created later" if default else "everything")
    yield Hit("grant-to-public", {"what": rights, "name": name, "table": name})


def _definer(node: Any, around: Around) -> Iterator[Hit]:
    created = kind_of(node) == "CreateFunctionStmt"
    field = "options" if created else "actions"
    settings = [unwrap(unwrap(item).arg) for item in getattr(node, field) if unwrap(item).defname == "set"]
    reset = any(one.name == "search_path" and "RESET" in choice(one, "kind") for one in settings) or any(
        choice(one, "kind") == "VAR_RESET_ALL" for one in settings
    )
    paths = any(one.name == "search_path" for one in settings) and not reset
    security = option(node, field, "security")
    definer = security is not None and bool(unwrap(security.arg).boolval)
    name = quoted(*names(node.funcname if created else node.func.objname))
    if (definer and not paths) or (not created and reset):
        yield Hit("security-definer-path", {"name": name})
