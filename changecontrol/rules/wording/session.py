"""Settings, transactions, cursors and the server itself, in plain words; scripts may hold few of these."""

from __future__ import annotations

from typing import Any

from changecontrol.rules import parser
from changecontrol.rules.wording.queries import query
from changecontrol.rules.wording.words import (
    Sentence,
    Wording,
    if_there,
    listed,
    name,
    nouns,
    people,
    person,
    quoted,
    relation,
)
from changecontrol.rules.wording.written import expressions, options, value

_WORKS_AS = ("role", "session_authorization")
_RISKY = ("role", "row_security", "session_authorization", "session_replication_role")


def assignment(node: Any, to: str = " to ") -> str:
    """Say what a SET or RESET sets."""
    kind = parser.choice(node, "kind")
    if kind == "VAR_RESET_ALL":
        return "every setting back to its default"
    if kind == "VAR_SET_VALUE":
        values = ", ".join(_value(each) for each in node.args)
        return f"{name(node.name)}{to}{quoted(values)}"
    if kind == "VAR_SET_CURRENT":
        return f"{name(node.name)}{to}what it is now"
    if kind == "VAR_SET_MULTI":
        return options(node.args).replace("transaction_", "")
    return f"{name(node.name)} back to its default"


def _value(node: Any) -> str:
    inner = parser.unwrap(node)
    if parser.kind_of(inner) == "A_Const" and inner.HasField("sval"):
        return str(inner.sval.sval)
    return value(inner)


def setting(node: Any) -> Sentence | None:
    """SET and RESET: a setting of the session, put back after the script."""
    group = "access" if node.name.lower() in _RISKY else "other"
    if parser.choice(node, "kind") == "VAR_SET_MULTI":
        which = "this transaction" if node.name == "TRANSACTION" else "each transaction of this script"
        return Sentence(f"Sets for {which}: {_modes(node)}.", group)
    if node.name.lower() in _WORKS_AS and parser.choice(node, "kind") == "VAR_SET_VALUE":
        who = name(_value(node.args[0]))
        return Sentence(f"From here on, this script works as {who}, with the rights of that role.", group)
    return Sentence(f"Sets {assignment(node)}, for this script only.", group)


def _modes(node: Any) -> str:
    """The modes of a transaction."""
    words = []
    for item in node.args:
        mode = parser.unwrap(item)
        title, on = mode.defname.removeprefix("transaction_"), parser.unwrap(parser.unwrap(mode.arg)).ival.ival
        if title == "isolation":
            words.append(f"isolation {quoted(_value(mode.arg))}")
        elif title == "read_only":
            words.append("reading only" if on else "reading and writing")
        else:
            words.append(("" if on else "not ") + title.replace("_", " "))
    return listed(words)


def role_setting(node: Any) -> Sentence | None:
    """ALTER ROLE … SET."""
    who = person(node.role) if node.HasField("role") else "every role"
    where = f" in the database {name(node.database)}" if node.database else ""
    return Sentence(f"For each new session of {who}{where}, sets {assignment(node.setstmt)}.", "access")


def show(node: Any) -> Sentence | None:
    """SHOW."""
    return Sentence(f"Shows the setting {name(node.name)}; changes nothing.", "other")


def constraints(node: Any) -> Sentence | None:
    """SET CONSTRAINTS."""
    which = nouns("rule", (relation(parser.unwrap(each)) for each in node.constraints)) if node.constraints else ""
    which = which or "every rule that allows it"
    return Sentence(f"Checks {which} {'when the step commits' if node.deferred else 'at once from here on'}.", "other")


_ENDS = {
    "TRANS_STMT_BEGIN": "Opens a transaction: what follows takes effect together, or not at all.",
    "TRANS_STMT_COMMIT": "Commits: what ran since the transaction was opened takes effect.",
    "TRANS_STMT_COMMIT_PREPARED": "Commits the transaction {} that was set aside.",
    "TRANS_STMT_PREPARE": "Sets the transaction aside under the name {}, with its locks held.",
    "TRANS_STMT_RELEASE": "Forgets the point {} to which the transaction could go back.",
    "TRANS_STMT_ROLLBACK": "Undoes everything since the transaction was opened.",
    "TRANS_STMT_ROLLBACK_PREPARED": "Undoes the transaction {} that was set aside.",
    "TRANS_STMT_ROLLBACK_TO": "Undoes everything since the point {} in the transaction.",
    "TRANS_STMT_SAVEPOINT": "Remembers the point {} to which the transaction can go back.",
    "TRANS_STMT_START": "Opens a transaction: what follows takes effect together, or not at all.",
}


def transaction(node: Any) -> Sentence | None:
    """BEGIN, COMMIT and their kin."""
    text = _ENDS.get(parser.choice(node, "kind"), "Changes the state of the transaction.")
    how = options(node.options).replace("transaction_", "")
    return Sentence(text.format(name(node.savepoint_name or node.gid)) + (f" Settings: {how}." if how else ""), "other")


def cursor(node: Any) -> Sentence | None:
    """DECLARE … CURSOR."""
    return Sentence(
        f"Opens the cursor {name(node.portalname)} for reading {query(node.query)}; changes nothing.", "other"
    )


def fetch(node: Any) -> Sentence | None:
    """FETCH and MOVE."""
    verb = "Moves" if node.ismove else "Reads rows from"
    return Sentence(f"{verb} the cursor {name(node.portalname)}; changes nothing.", "other")


def close(node: Any) -> Sentence | None:
    """CLOSE."""
    which = f"the cursor {name(node.portalname)}" if node.portalname else "every cursor"
    return Sentence(f"Closes {which}; changes nothing.", "other")


def notify(node: Any) -> Sentence | None:
    """NOTIFY, LISTEN and UNLISTEN."""
    kind, channel = parser.kind_of(node), name(node.conditionname or "*")
    if kind == "NotifyStmt":
        with_ = f" with the text {quoted(node.payload)}" if node.payload else ""
        return Sentence(f"Sends a message on {channel}{with_} to programs that listen, when the step commits.", "other")
    verb = "Listens" if kind == "ListenStmt" else "Stops listening"
    which = f"messages on {channel}" if node.conditionname else "every message"
    return Sentence(f"{verb} for {which} in this session.", "other")


def prepare(node: Any) -> Sentence | None:
    """PREPARE."""
    return Sentence(f"Keeps a statement under the name {name(node.name)} in this session, without running it.", "other")


def prepared(node: Any) -> Sentence | None:
    """EXECUTE and DEALLOCATE of a prepared statement."""
    which = f"the prepared statement {name(node.name)}" if node.name else "every prepared statement"
    if parser.kind_of(node) == "DeallocateStmt":
        return Sentence(f"Forgets {which} of this session.", "other")
    with_ = f" with {expressions(node.params)}" if node.params else ""
    return Sentence(f"Runs {which}{with_}; what it does stands where it was prepared.", "data")


def discard(node: Any) -> Sentence | None:
    """DISCARD."""
    what = parser.choice(node, "target").removeprefix("DISCARD_").lower()
    words = {"all": "everything that this session remembers", "temp": "the temporary tables of this session"}
    return Sentence(f"Forgets {words.get(what, f'the {what} of this session')}.", "other")


def system(node: Any) -> Sentence | None:
    """ALTER SYSTEM and ALTER DATABASE … SET."""
    if parser.kind_of(node) == "AlterSystemStmt":
        return Sentence(f"For the whole server, sets {assignment(node.setstmt)}.", "access")
    return Sentence(
        f"For each new session in the database {name(node.dbname)}, sets {assignment(node.setstmt)}.", "access"
    )


_DATABASE = {
    "AlterDatabaseRefreshCollStmt": "Accepts that the server's sorting rules behind the database {} have changed",
    "AlterDatabaseStmt": "Changes the database {}",
    "CreatedbStmt": "Creates the database {}",
    "DropdbStmt": "Removes the database {} with everything in it",
}


def database(node: Any) -> Sentence | None:
    """CREATE, ALTER and DROP DATABASE."""
    kind = parser.kind_of(node)
    how = options(node.options) if hasattr(node, "options") else ""
    there = if_there(node) if kind == "DropdbStmt" else ""
    text = _DATABASE[kind].format(name(node.dbname))
    return Sentence(f"{text}{there}{f': {how}' if how else ''}.", "data" if kind == "DropdbStmt" else "schema")


def tablespace(node: Any) -> Sentence | None:
    """CREATE, ALTER and DROP TABLESPACE."""
    kind, title = parser.kind_of(node), f"the tablespace {name(node.tablespacename)}, a place on the server's disk"
    if kind == "CreateTableSpaceStmt":
        whose = f", owned by {person(node.owner)}" if node.HasField("owner") else ""
        return Sentence(f"Creates {title}{f' ({quoted(node.location)})' if node.location else ''}{whose}.", "schema")
    if kind == "DropTableSpaceStmt":
        return Sentence(f"Removes {title}{if_there(node)}.", "schema")
    verb = "Puts settings back to their defaults for" if node.is_reset else "Changes settings of"
    return Sentence(f"{verb} {title}: {options(node.options)}.", "other")


def move_all(node: Any) -> Sentence | None:
    """ALTER … ALL IN TABLESPACE."""
    kind = {"OBJECT_INDEX": "index", "OBJECT_MATVIEW": "materialized view"}
    what = kind.get(parser.choice(node, "objtype"), "table")
    whose = f" of {people(node.roles)}" if node.roles else ""
    return Sentence(
        f"Moves every {what}{whose} from the tablespace {name(node.orig_tablespacename)} to "
        f"{name(node.new_tablespacename)}, writing each anew while everybody waits.",
        "data",
    )


def load(node: Any) -> Sentence | None:
    """LOAD."""
    return Sentence(f"Loads code from the server's file {quoted(node.filename)} into this session.", "other")


def checkpoint(node: Any) -> Sentence | None:
    """CHECKPOINT."""
    return Sentence("Makes the server write everything to disk at once; changes nothing.", "other")


WORDS: dict[str, Wording] = {
    "AlterDatabaseRefreshCollStmt": database,
    "AlterDatabaseSetStmt": system,
    "AlterDatabaseStmt": database,
    "AlterRoleSetStmt": role_setting,
    "AlterSystemStmt": system,
    "AlterTableMoveAllStmt": move_all,
    "AlterTableSpaceOptionsStmt": tablespace,
    "CheckPointStmt": checkpoint,
    "ClosePortalStmt": close,
    "ConstraintsSetStmt": constraints,
    "CreateTableSpaceStmt": tablespace,
    "CreatedbStmt": database,
    "DeallocateStmt": prepared,
    "DeclareCursorStmt": cursor,
    "DiscardStmt": discard,
    "DropTableSpaceStmt": tablespace,
    "DropdbStmt": database,
    "ExecuteStmt": prepared,
    "FetchStmt": fetch,
    "ListenStmt": notify,
    "LoadStmt": load,
    "NotifyStmt": notify,
    "PrepareStmt": prepare,
    "TransactionStmt": transaction,
    "UnlistenStmt": notify,
    "VariableSetStmt": setting,
    "VariableShowStmt": show,
}
