"""Settings and locks taken by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from changecontrol.rules.hazards.around import Around, relation
from changecontrol.rules.hazards.rule import Hit, Rule
from changecontrol.rules.parser import choice, find, kind_of, names, unwrap

RULES = {
    "replication-role": Rule(
        "critical",
        "session_replication_role switches off every trigger and every foreign key of the session: rows get past the"
        " audit trail.",
        "Remove the line. Write the change so that triggers may run, in batches if they are slow.",
    ),
    "row-security-setting": Rule(
        "critical",
        "row_security decides whether policies apply to this session; the script reads or writes rows past them, or"
        " fails on them.",
        "Remove the line.",
    ),
    "guarded-setting": Rule(
        "error",
        "{name} weakens what protects data while this script runs.",
        "Remove the line.",
    ),
    "lock-table": Rule(
        "error",
        "LOCK TABLE holds {mode} on {name} until the transaction ends: everybody who {who} waits.",
        "Remove it; each statement takes the lock it needs. To keep two runs apart, the runner holds a lock of its"
        " own.",
    ),
}

_GUARDED = ("ignore_checksum_failure", "zero_damaged_pages", "fsync", "full_page_writes", "synchronous_commit",
            "allow_system_table_mods", "event_triggers", "lo_compat_privileges")  # fmt: skip
_OFF = ("off", "false")
_SAFE = {"session_replication_role": ("origin",), "ignore_checksum_failure": _OFF, "zero_damaged_pages": _OFF,
         "allow_system_table_mods": _OFF, "lo_compat_privileges": _OFF}  # fmt: skip
_MODES = ("", "ACCESS SHARE", "ROW SHARE", "ROW EXCLUSIVE", "SHARE UPDATE EXCLUSIVE", "SHARE", "SHARE ROW EXCLUSIVE",
          "EXCLUSIVE", "ACCESS EXCLUSIVE")  # fmt: skip


def guarded(name: str) -> str:
    """The rule about a setting, or nothing."""
    name = name.lower()
    if name == "session_replication_role":
        return "replication-role"
    if name == "row_security":
        return "row-security-setting"
    return "guarded-setting" if name in _GUARDED else ""


def look(node: Any, around: Around) -> Iterator[Hit]:
    """Find SET, set_config(), SET of a function or role, and LOCK TABLE."""
    for found in find(node, "VariableSetStmt"):
        if guarded(found.name) and not _harmless(found):
            yield Hit(guarded(found.name), {"name": found.name})
    for call in find(node, "FuncCall"):
        if names(call.funcname)[-1] == "set_config" and call.args:
            name = next((one.sval for one in find(call.args[0], "String")), "")
            if guarded(name):
                yield Hit(guarded(name), {"name": name})
    if kind_of(node) == "LockStmt":
        who = "writes" if node.mode < 8 else "reads or writes"
        for item in node.relations:
            name = relation(unwrap(item))
            if not around.is_new(name):
                severity = "" if node.mode >= 5 else "note"
                said = {"name": name, "table": name, "mode": _MODES[node.mode], "who": who}
                yield Hit("lock-table", said, severity=severity)


def _harmless(node: Any) -> bool:
    """RESET and SET … TO DEFAULT, and settings put to their safe value."""
    value = next((one.sval for arg in node.args for one in find(arg, "String")), "").lower()
    safe = _SAFE.get(node.name.lower(), ("on", "true", "local", "remote_write", "remote_apply"))
    return not choice(node, "kind").startswith("VAR_SET_VALUE") or value in safe
