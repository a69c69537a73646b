"""Every kind of statement, subcommand and object that PostgreSQL knows has a sentence; each was read by a person.

`sentences/*.txt` hold examples: a statement, and below it the sentence as it was approved. To write them anew after a
change of words, run with CHANGECONTROL_TEST_WRITE_SENTENCES=1, and read what changed before keeping it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import postgast
import pytest

from changecontrol.rules import parser, summary
from changecontrol.rules.plan import LockClass, Statement
from changecontrol.rules.summary import Sentence, sentence
from changecontrol.rules.wording.things import NOUNS

FOLDER = Path(__file__).parent / "sentences"
FILES = sorted(FOLDER.glob("*.txt"))
GRAMMAR = postgast.parse("SELECT 1").DESCRIPTOR.file

#: Kinds of node that are never a statement by themselves.
INSIDE_OTHERS = {"PLAssignStmt", "RawStmt", "ReplicaIdentityStmt", "ReturnStmt", "SetOperationStmt"}
#: Subcommands that the grammar never gives: the server makes them up for itself.
INTERNAL = {
    "ALTER_TABLE_TYPE_UNDEFINED",
    "AT_AddColumnToView",
    "AT_AddIndex",
    "AT_AddIndexConstraint",
    "AT_CookedColumnDefault",
    "AT_ReAddComment",
    "AT_ReAddConstraint",
    "AT_ReAddDomainConstraint",
    "AT_ReAddIndex",
    "AT_ReAddStatistics",
    "AT_ReplaceRelOptions",
}
#: Kinds of object that no statement names as such.
NAMELESS = {
    "OBJECT_AMOP",
    "OBJECT_AMPROC",
    "OBJECT_DEFACL",
    "OBJECT_DEFAULT",
    "OBJECT_PUBLICATION_NAMESPACE",
    "OBJECT_PUBLICATION_REL",
    "OBJECT_TYPE_UNDEFINED",
    "OBJECT_USER_MAPPING",
}
#: Examples whose code we cannot read, and say so.
IN_PART = re.compile(r"LANGUAGE (c|plpython3u) (AS )?'|EXECUTE format")
#: Names of the grammar itself that a sentence says in its own words.
SPOKEN = {"TRANSACTION"}
#: Fields that name nothing a signer looks for.
SILENT = {"access_method", "amname", "catalogname", "cmd_name", "eventname"}


def read(file: Path) -> list[tuple[str, str]]:
    pairs = file.read_text(encoding="utf-8").strip().split("\n\n")
    return [(sql, said.strip()) for sql, _line, said in (pair.partition("\n") for pair in pairs)]


@cache
def examples() -> list[tuple[str, Any, Sentence]]:
    return [(sql, parser.parse_one(sql), said(sql)) for file in FILES for sql, _approved in read(file)]


def said(sql: str) -> Sentence:
    node = parser.parse_one(sql)
    assert node is not None, sql
    return sentence(Statement(1, sql, 0, len(sql), 1, 1, parser.kind_of(node), LockClass.NONE, (), "x.sql"))


def shown(found: Sentence) -> str:
    return f"{found.kind}{'' if found.understood else ', in part'}: {found.text}"


def values(enum: str) -> set[str]:
    return {value.name for value in GRAMMAR.enum_types_by_name[enum].values}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_says_what_was_approved(file: Path) -> None:
    found = [(sql, shown(said(sql))) for sql, _approved in read(file)]
    if os.environ.get("CHANGECONTROL_TEST_WRITE_SENTENCES"):
        file.write_text("".join(f"{sql}\n  {text}\n\n" for sql, text in found).rstrip() + "\n", encoding="utf-8")
    assert found == read(file)


def test_every_kind_of_statement_has_an_example() -> None:
    kinds = {field.message_type.name for field in GRAMMAR.message_types_by_name["Node"].fields}
    statements = {kind for kind in kinds if kind.endswith("Stmt")} - INSIDE_OTHERS
    assert statements - {parser.kind_of(node) for _sql, node, _said in examples()} == set()


def test_every_subcommand_of_alter_table_has_an_example() -> None:
    seen = {parser.choice(each, "subtype") for _sql, node, _said in examples() for each in _commands(node)}
    assert values("AlterTableType") - INTERNAL - seen == set()


def _commands(node: Any) -> Iterator[Any]:
    return parser.find(node, "AlterTableCmd")


def test_every_kind_of_object_has_a_noun_and_an_example() -> None:
    assert values("ObjectType") - {"OBJECT_TYPE_UNDEFINED"} == set(NOUNS)
    seen = {
        value
        for _sql, node, _said in examples()
        for field in node.DESCRIPTOR.fields
        if field.enum_type is not None and field.enum_type.name == "ObjectType"
        for value in (parser.choice(node, field.name),)
    }
    assert set(NOUNS) - seen - NAMELESS == set()


@pytest.mark.parametrize(
    "enum",
    [
        "AlterPublicationAction",
        "AlterSubscriptionType",
        "AlterTSConfigType",
        "ImportForeignSchemaType",
        "MergeMatchKind",
        "OnConflictAction",
        "PartitionStrategy",
        "PublicationObjSpecType",
        "ReindexObjectType",
        "TransactionStmtKind",
        "VariableSetKind",
        "ViewCheckOption",
    ],
)
def test_every_variant_has_an_example(enum: str) -> None:
    seen = {
        parser.choice(found, field.name)
        for _sql, node, _said in examples()
        for found in parser.walk(node)
        for field in found.DESCRIPTOR.fields
        if field.enum_type is not None and field.enum_type.name == enum
    }
    left_out = {value for value in values(enum) if value.endswith(("_UNDEFINED", "_CONTINUATION", "ONCONFLICT_NONE"))}
    assert values(enum) - left_out - seen == set()


def test_nothing_falls_to_the_sentence_for_the_unknown() -> None:
    assert [sql for sql, _node, found in examples() if "cannot put in words (" in found.text] == []
    assert [sql for sql, _node, found in examples() if found.understood and IN_PART.search(sql)] == []
    assert [sql for sql, _node, found in examples() if not found.understood and not IN_PART.search(sql)] == []


def test_a_sentence_carries_the_names_of_its_objects() -> None:
    missing = [(sql, name) for sql, node, found in examples() for name in set(_names(node)) if name not in found.text]
    assert missing == []


def _names(node: Any) -> Iterator[str]:
    """Names that stand in fields called …name, of the statement itself and of relations, columns and constraints."""
    places = [node, *(each for kind in ("RangeVar", "ColumnDef", "Constraint") for each in parser.find(node, kind))]
    for place in places:
        for field in place.DESCRIPTOR.fields:
            if field.name.endswith("name") and field.name not in SILENT:
                value = getattr(place, field.name)
                if isinstance(value, str) and value and value not in SPOKEN:
                    yield value
                elif field.message_type is not None and parser.kind_of(place) != "CreateFunctionStmt":
                    yield from parser.names(value) if field.is_repeated else ()


def test_sentences_are_plain_english() -> None:
    wrong = [(sql, found.text) for sql, _node, found in examples() if list(_faults(found.text))]
    assert wrong == []


def _faults(text: str) -> Iterator[str]:
    words = re.sub(r"`[^`]*`|“[^”]*”", "x", text)  # without what is quoted from the statement
    if not re.search(r"\.\]?$", text):
        yield "ends without a period"
    if not text[0].isupper() or text.count("`") % 2:
        yield "starts small, or leaves a quotation open"
    if re.search(r"  |,,| ,| \.|\.\.|\(\)|: \.|\) \(|None|[a-z]_[a-z]|[A-Z]_|Stmt|\bxs?\b.*\bof of\b", words):
        yield "looks put together by a machine"


def test_an_unknown_kind_says_so_and_shows_the_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(summary.WORDS, "CheckPointStmt")
    sentence.cache_clear()
    found = said("CHECKPOINT")
    sentence.cache_clear()
    assert found == Sentence(
        "Runs a statement of a kind that we cannot put in words (CheckPointStmt): `CHECKPOINT`.",
        "other",
        understood=False,
    )
