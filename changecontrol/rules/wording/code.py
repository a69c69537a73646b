"""Functions, triggers, rewrite rules and code blocks, in plain words; what their code does is said by `bodies`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from changecontrol.rules import parser
from changecontrol.rules.forbidden import code_of
from changecontrol.rules.wording.bodies import Say, Teller, Told
from changecontrol.rules.wording.session import assignment
from changecontrol.rules.wording.things import noun
from changecontrol.rules.wording.words import Sentence, Wording, listed, name, named, quoted, relation
from changecontrol.rules.wording.written import expression, shown, signature, type_name, value

_LANGUAGES = {"c": "C", "internal": "code of the server", "plpgsql": "PL/pgSQL", "sql": "SQL"}
_MODES = {"FUNC_PARAM_INOUT": "in and out ", "FUNC_PARAM_OUT": "out ", "FUNC_PARAM_VARIADIC": "any number of "}
_UNREAD = "Its code is in a language or shape that we cannot read; read it in the SQL tab."


def function(node: Any, say: Say) -> Sentence | None:
    """CREATE FUNCTION and PROCEDURE, with what the code does."""
    returned = parser.names(node.return_type.names)[-1] if node.return_type.names else ""
    kind = "procedure" if node.is_procedure else "trigger function" if returned == "trigger" else "function"
    text = f"{'Replaces or creates' if node.replace else 'Creates'} the {kind} {_head(node)}"
    if returned and returned not in ("trigger", "void"):
        text += f", which gives back {_table(node) or type_name(node.return_type)}"
    language = _option(node, "language").lower()
    text += f", in {_LANGUAGES.get(language, name(language))}" if language else ""
    said = listed(_properties(node.options))
    text += f". It {said}" if said else ""
    when = (
        "Whatever calls it runs the new code from then on" if node.replace else "It runs only when something calls it"
    )
    told = _body(node, language, say)
    if told is None:
        return Sentence(f"{text}. {when}. {_UNREAD}", "schema", understood=False)
    return Sentence(f"{text}. {when}. Its code: {told.text}", "schema", told.understood)


def _head(node: Any) -> str:
    said = []
    for each in map(parser.unwrap, node.parameters):
        mode = parser.choice(each, "mode")
        if mode != "FUNC_PARAM_TABLE":
            default = f" = {(expression(each.defexpr)).strip('`')}" if each.HasField("defexpr") else ""
            said.append(
                f"{_MODES.get(mode, '')}{each.name}{' ' if each.name else ''}{type_name(each.arg_type)}{default}"
            )
    return f"{named(node.funcname)[:-1]}({', '.join(said)})`"


def _table(node: Any) -> str:
    columns = [
        each for each in map(parser.unwrap, node.parameters) if parser.choice(each, "mode") == "FUNC_PARAM_TABLE"
    ]
    said = listed(f"{name(each.name)} ({type_name(each.arg_type)})" for each in columns)
    return f"rows of {said}" if said else ""


def _option(node: Any, title: str) -> str:
    found = parser.option(node, "options", title)
    return value(found.arg) if found is not None else ""


def _body(node: Any, language: str, say: Say) -> Told | None:
    teller = Teller(say)
    if node.HasField("sql_body"):
        inner = parser.unwrap(node.sql_body)
        if parser.kind_of(inner) == "ReturnStmt":
            return Told(f"Gives back {expression(inner.returnval)}.", "other", True)
        return teller.statements([parser.unwrap(each) for part in inner.items for each in parser.unwrap(part).items])
    if language == "plpgsql":
        return teller.block(code_of(node))
    if language == "sql":
        nodes = parser.parse_all(code_of(node))
        return teller.statements(nodes) if nodes is not None else None
    return None


_VOLATILITY = {
    "immutable": "promises to give the same result forever",
    "stable": "promises to give the same result within a statement",
    "volatile": "may give another result each time",
}


def _properties(options: Any) -> Iterator[str]:
    """What a function promises and with whose rights it runs."""
    sets = [each.arg for each in map(parser.unwrap, options) if each.defname == "set"]
    settings = [parser.unwrap(each) for each in sets]
    for each in map(parser.unwrap, options):
        given = value(each.arg) if each.defname != "set" else ""
        if each.defname == "security":
            pinned = any(setting.name == "search_path" for setting in settings)
            path = f", {'with' if pinned else 'without'} a fixed search path"
            yield f"runs with the rights of its owner{path}" if given == "true" else "runs with its caller's rights"
        elif each.defname == "volatility":
            yield _VOLATILITY.get(given, given)
        elif each.defname == "strict":
            yield (
                "gives nothing back when an argument is empty"
                if given == "true"
                else "is called with empty arguments as well"
            )
        elif each.defname == "leakproof":
            yield "promises to reveal nothing of its arguments" if given == "true" else "promises no secrecy"
        elif each.defname == "support":
            yield f"is helped by {name(given)} in planning"
        elif each.defname in ("cost", "rows", "parallel"):
            yield f"tells the query planner {name(each.defname)} = {quoted(given)}"
    for setting in settings:
        kind = parser.choice(setting, "kind")
        if kind == "VAR_RESET_ALL":
            yield "no longer sets anything"
        elif kind in ("VAR_SET_DEFAULT", "VAR_RESET"):
            yield f"no longer sets {name(setting.name)}"
        else:
            yield f"runs with {assignment(setting, ' set to ')}"


def alter_function(node: Any) -> Sentence | None:
    """ALTER FUNCTION … of its properties."""
    kind = noun(parser.choice(node, "objtype"))
    return Sentence(
        f"Changes the {kind} {signature(node.func)}: from then on it {listed(_properties(node.actions))}.", "access"
    )


def block(node: Any, say: Say) -> Sentence | None:
    """DO: what its code does."""
    language = parser.option(node, "args", "language")
    told = Teller(say).block(code_of(node)) if language is None or value(language.arg).lower() == "plpgsql" else None
    if told is None:
        spoken = value(language.arg) if language is not None else "plpgsql"
        code = f"Runs code in {_LANGUAGES.get(spoken.lower(), name(spoken))} that we cannot put in words"
        return Sentence(f"{code}: {shown(code_of(node))}.", "data", understood=False)
    return Sentence(f"Runs code once: {told.text}", told.kind, told.understood)


_EVENTS = ((4, "insert"), (16, "update"), (8, "delete"), (32, "truncate"))
_TIMES = {2: "before", 0: "after", 64: "instead of"}


def trigger(node: Any) -> Sentence | None:
    """CREATE TRIGGER: what calls which function when."""
    columns = listed((name(column) for column in parser.names(node.columns)), "or") if node.columns else ""
    of = {"update": f" of {columns}"} if columns else {}
    events = listed((word + of.get(word, "") for bit, word in _EVENTS if node.events & bit), "or")
    each = "each row" if node.row else "each statement"
    only = f", where {expression(node.when_clause)}" if node.HasField("when_clause") else ""
    given = f" with {listed(quoted(each) for each in parser.names(node.args))}" if node.args else ""
    late = " It waits until the transaction commits." if node.initdeferred else ""
    again = "If it is there already, replaces it: calls" if node.replace else "Calls"
    return Sentence(
        f"{again} {named(node.funcname)}{given} from then on {_TIMES.get(node.timing, 'around')} every {events}"
        f" on {relation(node.relation)}, for {each}{only} (trigger {name(node.trigname)}).{late}",
        "access",
    )


_MOMENTS = {
    "ddl_command_end": "after every change of the schema",
    "ddl_command_start": "before every change of the schema",
    "login": "whenever somebody connects",
    "sql_drop": "whenever something is removed",
    "table_rewrite": "before a table is written anew",
}


def event_trigger(node: Any) -> Sentence | None:
    """CREATE EVENT TRIGGER."""
    when = _MOMENTS.get(node.eventname, f"at {name(node.eventname)}")
    tags = [tag for each in node.whenclause for tag in parser.names(parser.unwrap(each).arg)]
    only = f", for {listed(tags)} only" if tags else ""
    return Sentence(
        f"Calls {named(node.funcname)} from then on {when} in this database{only} "
        f"(event trigger {name(node.trigname)}).",
        "access",
    )


_STATES = {
    "A": "on, in every session",
    "D": "off",
    "O": "on, in its ordinary mode",
    "R": "on, in replication sessions only",
}


def alter_event_trigger(node: Any) -> Sentence | None:
    """ALTER EVENT TRIGGER … ENABLE and DISABLE."""
    return Sentence(
        f"Switches the event trigger {name(node.trigname)} {_STATES.get(node.tgenabled, 'over')}.", "access"
    )


_RULE_EVENTS = {"CMD_DELETE": "delete", "CMD_INSERT": "insert", "CMD_SELECT": "read", "CMD_UPDATE": "update"}


def rule(node: Any, say: Say) -> Sentence | None:
    """CREATE RULE."""
    event = _RULE_EVENTS.get(parser.choice(node, "event"), "change")
    only = f", where {expression(node.where_clause)}" if node.HasField("where_clause") else ""
    title = f"(rewrite rule {name(node.rulename)})"
    again = ", in place of the rule of that name" if node.replace else ""
    acts = Teller(say).statements([parser.unwrap(each) for each in node.actions]) if node.actions else None
    what = "something else" if acts else "nothing, silently"
    where = f"every {event} on {relation(node.relation)}{only}"
    does = f"replaces {where} with {what}" if node.instead else f"does {what} beside {where}"
    text = f"From then on {does} {title}{again}."
    return Sentence(f"{text} Namely: {acts.text}" if acts else text, "access", acts is None or acts.understood)


WORDS: dict[str, Wording] = {
    "AlterEventTrigStmt": alter_event_trigger,
    "AlterFunctionStmt": alter_function,
    "CreateEventTrigStmt": event_trigger,
    "CreateTrigStmt": trigger,
}
