"""What can be done with a thing of any kind: drop, describe, rename, move, give away, label, tie to an extension."""

from __future__ import annotations

from typing import Any

from changecontrol.rules import parser
from changecontrol.rules.wording.things import ON_TABLE, noun, thing, things
from changecontrol.rules.wording.words import (
    Sentence,
    Wording,
    cascades,
    if_there,
    name,
    named,
    people,
    person,
    quoted,
    relation,
)

#: What a rename or a move breaks: whatever says the old name.
_BREAKS = " Whatever still uses the old name fails."
_UNBROKEN = (
    "OBJECT_DOMCONSTRAINT",
    "OBJECT_EVENT_TRIGGER",
    "OBJECT_INDEX",
    "OBJECT_POLICY",
    "OBJECT_RULE",
    "OBJECT_STATISTIC_EXT",
    "OBJECT_TABCONSTRAINT",
    "OBJECT_TRIGGER",
)

_DROP_KIND = {
    "OBJECT_EVENT_TRIGGER": "access",
    "OBJECT_EXTENSION": "data",
    "OBJECT_INDEX": "index",
    "OBJECT_MATVIEW": "data",
    "OBJECT_POLICY": "access",
    "OBJECT_RULE": "access",
    "OBJECT_SCHEMA": "data",
    "OBJECT_TABLE": "data",
    "OBJECT_TRIGGER": "access",
}
#: What going without the thing means, where its name alone does not tell.
_LOSES = {
    "OBJECT_EXTENSION": " Its types and functions go with it.",
    "OBJECT_FOREIGN_TABLE": " The rows stay on the other server.",
    "OBJECT_MATVIEW": " Its stored result goes; the tables behind it stay.",
    "OBJECT_POLICY": " What only it allowed is allowed no longer; what only it forbade is forbidden no longer.",
    "OBJECT_PUBLICATION": " Subscribers get no further changes through it.",
    "OBJECT_SEQUENCE": " Its next number is forgotten.",
    "OBJECT_TRIGGER": " What it did on every change of a row is no longer done.",
    "OBJECT_VIEW": " No stored row is touched.",
}


def drop(node: Any) -> Sentence | None:
    """DROP of everything that has no statement of its own."""
    kind = parser.choice(node, "remove_type")
    text = f"Removes {things(node.objects, kind)}"
    if kind == "OBJECT_TABLE":
        text += f", with every row in {'it' if len(node.objects) == 1 else 'them'}"
    elif node.concurrent:
        text += " while people keep working"
    elif kind == "OBJECT_INDEX":
        text += " while everybody who uses its table waits"
    also = cascades(node)
    if kind == "OBJECT_SCHEMA" and also:
        also = " Every table, row and function in it goes too, and whatever depends on them."
    lost = _LOSES.get(kind, "") if len(node.objects) == 1 else ""
    return Sentence(f"{text}{if_there(node)}.{lost}{also}", _DROP_KIND.get(kind, "schema"))


def comment(node: Any) -> Sentence | None:
    """COMMENT ON: nothing but a description changes."""
    said = thing(node.object, parser.choice(node, "objtype"))
    if not node.comment:
        return Sentence(f"Removes the description of {said}.", "other")
    return Sentence(f"Describes {said}: {quoted(node.comment)}.", "other")


def label(node: Any) -> Sentence | None:
    """SECURITY LABEL."""
    said = thing(node.object, parser.choice(node, "objtype"))
    by = f" of the provider {name(node.provider)}" if node.provider else ""
    if not node.label:
        return Sentence(f"Removes the security label{by} from {said}.", "access")
    return Sentence(
        f"Puts the security label {quoted(node.label)}{by} on {said}; it may open or close access.", "access"
    )


def _subject(node: Any, kind: str) -> str:
    """The object of RENAME, SET SCHEMA, OWNER TO and DEPENDS ON, whichever field it stands in."""
    if node.HasField("relation") and node.relation.relname:
        where = relation(node.relation)
        if getattr(node, "subname", ""):
            return f"the {noun(kind)} {name(node.subname)} of {where}"
        of = parser.names(node.object) if node.HasField("object") else []
        return f"the {noun(kind)} {name(of[-1])} on {where}" if of else f"the {noun(kind)} {where}"
    return thing(node.object, kind)


def rename(node: Any) -> Sentence | None:
    """ALTER … RENAME."""
    kind = parser.choice(node, "rename_type")
    to = f"to {name(node.newname)}{if_there(node)}."
    if kind in ("OBJECT_ROLE", "OBJECT_DATABASE", "OBJECT_TABLESPACE", "OBJECT_SCHEMA"):
        said = f"the {noun(kind)} {name(node.subname)}"
    elif kind == "OBJECT_DOMCONSTRAINT":
        said = f"the rule {name(node.subname)} of the domain {named(node.object)}"
    elif kind in ON_TABLE:
        between = "of" if kind == "OBJECT_TABCONSTRAINT" else "on"
        said = f"the {noun(kind)} {name(node.subname)} {between} {relation(node.relation)}"
    elif not node.relation.relname and not node.HasField("object"):
        said = f"the {noun(kind)} {name(node.subname)}"
    else:
        said = _subject(node, kind)
    return Sentence(f"Renames {said} {to}{'' if kind in _UNBROKEN else _BREAKS}", "schema")


def move(node: Any) -> Sentence | None:
    """ALTER … SET SCHEMA."""
    kind = parser.choice(node, "object_type")
    text = f"Moves {_subject(node, kind)} into the schema {name(node.newschema)}{if_there(node)}."
    return Sentence(f"{text} Whatever does not look for it there fails.", "schema")


def owner(node: Any) -> Sentence | None:
    """ALTER … OWNER TO of other things than tables."""
    said = _subject(node, parser.choice(node, "object_type"))
    return Sentence(f"Makes {person(node.newowner)} the owner of {said}, with every right on it.", "access")


def depends(node: Any) -> Sentence | None:
    """ALTER … DEPENDS ON EXTENSION."""
    said = _subject(node, parser.choice(node, "object_type"))
    extension = name(node.extname.sval)
    if node.remove:
        return Sentence(f"Lets {said} stay when the extension {extension} is removed.", "schema")
    return Sentence(f"Ties {said} to the extension {extension}: removing that removes it as well.", "schema")


def reassign(node: Any) -> Sentence | None:
    """REASSIGN OWNED."""
    return Sentence(
        f"Makes {person(node.newrole)} the owner of everything in this database that belongs to {people(node.roles)}.",
        "access",
    )


def drop_owned(node: Any) -> Sentence | None:
    """DROP OWNED."""
    return Sentence(
        f"Removes everything in this database that belongs to {people(node.roles)}, tables with their rows included, "
        f"and takes every right away that was given there.{cascades(node)}",
        "data",
    )


def contents(node: Any) -> Sentence | None:
    """ALTER EXTENSION … ADD and DROP."""
    said = thing(node.object, parser.choice(node, "objtype"))
    extension = name(node.extname)
    if node.action > 0:
        return Sentence(f"Makes {said} a part of the extension {extension}; removing that removes it.", "schema")
    return Sentence(f"Takes {said} out of the extension {extension}; it stays, on its own.", "schema")


WORDS: dict[str, Wording] = {
    "AlterExtensionContentsStmt": contents,
    "AlterObjectDependsStmt": depends,
    "AlterObjectSchemaStmt": move,
    "AlterOwnerStmt": owner,
    "CommentStmt": comment,
    "DropOwnedStmt": drop_owned,
    "DropStmt": drop,
    "ReassignOwnedStmt": reassign,
    "RenameStmt": rename,
    "SecLabelStmt": label,
}
