"""The policy file: what it may say, and where it is wrong."""

from __future__ import annotations

import pytest

from changecontrol.rules.policy import (
    DEFAULT_ROUTING,
    Limits,
    Policy,
    PolicyNotToml,
    PolicyUnknownKey,
    PolicyWrongValue,
    RoutingRule,
    parse,
)


def test_it_reads_everything_a_policy_can_say() -> None:
    policy = parse("""
        protected_tables = ["record_audit"]
        hashed_columns = ["record_audit.data"]
        [[routing]]
        name = "mine"
        when = ["deletes"]
        kinds = ["DeleteStmt"]
        tables = ["sites"]
        reviews = ["compliance review"]
        [severities]
        add-column-if-not-exists = "error"
        [limits]
        rows_in_one_transaction = 50
        certificate_days = 7
    """)
    assert policy.protected_tables == ("record_audit",)
    assert policy.routing == (RoutingRule("mine", ("compliance review",), ("deletes",), ("DeleteStmt",), ("sites",)),)
    assert policy.severities == {"add-column-if-not-exists": "error"}
    assert policy.limits == Limits(rows_in_one_transaction=50, certificate_days=7)


def test_it_routes_by_the_built_in_rules_without_a_file() -> None:
    assert parse("") == Policy()
    assert Policy().routing == DEFAULT_ROUTING


def test_it_takes_an_empty_list_of_rules_at_its_word() -> None:
    assert parse("routing = []").routing == ()


@pytest.mark.parametrize(
    ("table", "protected"),
    [("record_audit", True), ("public.record_audit", True), ("other.record_audit", True), ("record_audit_2", False)],
)
def test_it_protects_a_name_without_schema_in_every_schema(table: str, protected: bool) -> None:
    assert Policy(protected_tables=("record_audit",)).protects(table) is protected


def test_it_protects_a_name_with_schema_there_and_where_the_schema_is_not_written() -> None:
    policy = Policy(protected_tables=("clinic.visits",))
    assert policy.protects("clinic.visits") and policy.protects("visits") and not policy.protects("public.visits")


def test_it_takes_columns_named_after_hashes_for_hashed() -> None:
    policy = Policy(hashed_columns=("record_audit.data",))
    assert policy.hashes("public.record_audit", "data") and not policy.hashes("sites", "data")
    assert policy.hashes("anything", "signature_hash_v2") and not policy.hashes("anything", "rehashed")


@pytest.mark.parametrize(
    ("text", "refusal", "line"),
    [
        ("protected_tables = [\n'a'\n  oops", PolicyNotToml, 3),
        ("protected_tables = []\n\nprotect = []", PolicyUnknownKey, 3),
        ("protected_tables = 'record_audit'", PolicyWrongValue, 1),
        ("\nprotected_tables = ['']", PolicyWrongValue, 2),
        ("hashed_columns = [\n  'a.b',\n  'c',\n]", PolicyWrongValue, 3),
        ("[[routing]]\nname = 'x'\nwhen = ['drops']\nreviews = []\ncolor = 'red'", PolicyUnknownKey, 5),
        ("[[routing]]\nname = 'x'\nwhen = ['vanishes']\nreviews = []", PolicyWrongValue, 3),
        ("[[routing]]\nname = 'x'\nwhen = ['drops']\nreviews = ['legal review']", PolicyWrongValue, 4),
        ("[[routing]]\nname = 'x'\nwhen = ['drops']", PolicyWrongValue, 2),
        ("[[routing]]\nname = 'x'\nreviews = []", PolicyWrongValue, 2),
        ("[[routing]]\nwhen = ['drops']\nreviews = []", PolicyWrongValue, 1),
        ("routing = 'none'", PolicyWrongValue, 1),
        ("severities = 3", PolicyWrongValue, 1),
        ("[severities]\nempty-rollback = 'fatal'", PolicyWrongValue, 2),
        ("limits = 5", PolicyWrongValue, 1),
        ("[limits]\n\nrows = 5", PolicyUnknownKey, 3),
        ("[limits]\nrows_in_one_transaction = 0", PolicyWrongValue, 2),
        ("[limits]\ncertificate_days = 1\nrehearsal_minutes = true", PolicyWrongValue, 3),
        ("[limits]\nsandbox_bytes = '20 GB'", PolicyWrongValue, 2),
    ],
)
def test_it_refuses_what_it_does_not_know_and_names_the_line(text: str, refusal: type, line: int) -> None:
    with pytest.raises(refusal) as caught:
        parse(text, file="mine/changecontrol.toml")
    assert str(caught.value).startswith(f"mine/changecontrol.toml, line {line}: ")
