"""Environments and targets: what administrators set up, and what they cannot bend by it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from changecontrol.models import ChangeRequest, Environment, Errand, Execution, Person, Revision, Target
from changecontrol.services import administering, environments, site_names, sites
from changecontrol.services.recording import acting
from changecontrol.targets.connection import ReferenceWithoutScheme

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SECRET = "postgresql://diary:hunter2@db.example.org/diary"


def olga() -> Person:
    return Person.objects.get(username="olga")


def environment(kind: str = "staging", **changed: Any) -> Environment:
    given = {"name": kind.title(), "kind": kind, "queue": kind, "actor": olga(), "reason": "set-up", "now": NOW}
    return sites.add_environment(**{**given, **changed})


def target(place: Environment, **changed: Any) -> Target:
    given = {
        "name": f"{place.kind} diary",
        "environment_id": place.pk,
        "reference": f"env:CHANGECONTROL_TARGET_{place.kind.upper()}",
        "set_role": "",
        "actor": olga(),
        "reason": "set-up",
        "now": NOW,
    }
    return sites.add_target(**{**given, **changed})


def registered(one: Target) -> Target:
    with acting("setup"):
        one.uuid, one.registered_at, one.fingerprint = uuid.uuid4(), NOW, {"database": "diary"}
        one.save()
    return one


def change() -> ChangeRequest:
    """A draft with a revision, as a row; the verbs that make one are tested elsewhere."""
    ada = Person.objects.get(username="ada")
    with acting("setup"):
        made = ChangeRequest.objects.create(
            number=1, code="CR-0001", title="t", status_at=NOW, migration_number=1, migration_name="001_a",
            opened_by=ada, opened_at=NOW,
        )  # fmt: skip
        made.revision = Revision.objects.create(
            change=made, number=1, forward=b"SELECT 1;", plan={}, script_digest="0" * 64,
            rollback_class="lossless", frozen_by=ada, frozen_at=NOW,
        )  # fmt: skip
        made.save()
    return made


def execution(made: ChangeRequest, where: Target) -> Execution:
    with acting("setup"):
        return Execution.objects.create(
            code="E-0001", uuid=uuid.uuid4(), change=made, revision=made.revision, target=where, purpose="develop",
            direction="forward", attempt=1, content_digest="0" * 64, queued_at=NOW,
        )  # fmt: skip


def change_environment(place: Environment, **changed: Any) -> Environment:
    given = {name: getattr(place, name) for name in ("name", "kind", "queue", "position", "second_person_at_start")}
    given |= {"environment_id": place.pk, "actor": olga(), "reason": "because", "now": NOW}
    return sites.change_environment(**{**given, **changed})


def test_it_adds_an_environment_and_a_target_with_history() -> None:
    made = target(environment())
    assert (made.registered_at, made.uuid) == (None, None)
    record = made.history.get()
    assert (record.history_user, record.history_change_reason) == (olga(), "set-up")


@pytest.mark.parametrize("username", ["ada", "theo", "ines", "mallory"])
def test_it_refuses_everybody_who_is_no_administrator(username: str) -> None:
    actor, place = Person.objects.get(username=username), environment()
    made = target(place)
    with pytest.raises(administering.NotAnAdministrator):
        environment("production", actor=actor)
    with pytest.raises(administering.NotAnAdministrator):
        change_environment(place, actor=actor, name="mine")
    with pytest.raises(administering.NotAnAdministrator):
        target(place, actor=actor, name="mine")
    with pytest.raises(administering.NotAnAdministrator):
        sites.retire_target(target_id=made.pk, actor=actor, reason="why", now=NOW)
    with pytest.raises(administering.NotAnAdministrator):
        sites.point_target(target_id=made.pk, reference="env:X", set_role="", actor=actor, reason="why", now=NOW)


def test_it_asks_for_a_reason() -> None:
    with pytest.raises(administering.ReasonMissing):
        environment(reason=" ")


@pytest.mark.parametrize(
    "reference",
    [
        SECRET,
        f"env:{SECRET}",
        f"file:{SECRET}",
        f"service:{SECRET}",
        "host=db user=diary password=hunter2",
        "file:/run/secrets/dsn?password=hunter2",
        "file:relative/hunter2",
        "file:/run/../etc/hunter2",
        "env:hunter2 oops",
        "service:hunter2 dbname=x",
        "ENV:hunter2",
        "hunter2",
        "",
        "file:/" + "hunter2" * 40,
        "file:/hunter2\x00",
    ],
)
def test_it_refuses_what_is_no_reference_without_repeating_it(reference: str) -> None:
    with pytest.raises(ReferenceWithoutScheme, match="Connection strings themselves are not stored") as refused:
        target(environment(), reference=reference)
    assert "hunter2" not in str(refused.value) + str(refused.value.details)


@pytest.mark.parametrize("reference", ["env:A_B1", "file:/run/secrets/diary.dsn", "service:diary-1", " env:X "])
def test_it_takes_the_three_kinds_of_reference(reference: str) -> None:
    assert target(environment(), reference=reference).reference == reference.strip()


@pytest.mark.parametrize("reference", ["env:DATABASE_URL", "env:DATABASE_OWNER_URL_FILE", "env:SECRET_KEY"])
def test_it_refuses_our_own_references(reference: str) -> None:
    with pytest.raises(sites.ReferenceIsOurs):
        target(environment(), reference=reference)


def test_it_refuses_a_second_target_behind_one_reference_of_a_queue() -> None:
    place = environment()
    target(place)
    with pytest.raises(sites.ReferenceInUse, match="staging diary"):
        target(place, name="other")
    # the workers of another queue have variables of their own
    target(environment("production"), reference="env:CHANGECONTROL_TARGET_STAGING")


def test_it_refuses_names_taken_whatever_their_case_and_odd_values() -> None:
    place = environment()
    target(place)
    with pytest.raises(site_names.NameInUse):
        environment(name="staging")
    with pytest.raises(site_names.NameInUse):
        target(place, name="STAGING  diary", reference="env:X")
    with pytest.raises(site_names.NameMissing):
        target(place, name="\x07", reference="env:X")
    with pytest.raises(environments.KindUnknown):
        environment("moon", queue="staging")
    with pytest.raises(environments.QueueUnknown, match="development, staging, production"):
        environment("production", queue="moon")
    with pytest.raises(sites.RoleUnusable):
        target(place, name="x", reference="env:X", set_role="r" * 64)


def test_the_kind_of_an_environment_is_fixed_by_its_first_run_or_registration() -> None:
    place = environment("development")
    assert change_environment(place, kind="staging").kind == "staging"
    assert change_environment(place, kind="development", name="Playground").name == "Playground"
    made = registered(target(place))
    with pytest.raises(environments.KindIsFixed, match="ledgers"):
        change_environment(place, kind="production")
    execution(change(), made)
    with pytest.raises(environments.KindIsFixed, match="changes were run there"):
        change_environment(place, kind="production")


def test_a_second_person_cannot_be_switched_off_while_a_run_waits_for_one() -> None:
    place = environment("production", second_person_at_start=True)
    execution(change(), registered(target(place)))
    with pytest.raises(environments.EnvironmentBusy, match="E-0001"):
        change_environment(place, second_person_at_start=False)
    assert change_environment(place, second_person_at_start=True, position=3).position == 3


def test_it_points_an_unregistered_target_elsewhere_at_once() -> None:
    made = target(environment())
    asked = sites.point_target(
        target_id=made.pk, reference="service:other", set_role="r", actor=olga(), reason="typo", now=NOW
    )
    made.refresh_from_db()
    assert (asked, made.reference, made.set_role) == (None, "service:other", "r")
    with pytest.raises(sites.NothingChanges):
        sites.point_target(
            target_id=made.pk, reference="service:other", set_role="r", actor=olga(), reason="typo", now=NOW
        )


def test_it_asks_a_worker_before_a_registered_target_is_pointed_elsewhere() -> None:
    made = registered(target(environment()))
    errand = sites.point_target(
        target_id=made.pk, reference="service:other", set_role="", actor=olga(), reason="moved", now=NOW
    )
    made.refresh_from_db()
    assert errand is not None
    assert (errand.kind, errand.state) == (Errand.Kind.REGISTER, Errand.State.QUEUED)
    assert made.reference == "env:CHANGECONTROL_TARGET_STAGING"
    with pytest.raises(sites.TargetBusy, match="register"):
        sites.point_target(target_id=made.pk, reference="env:Y", set_role="", actor=olga(), reason="again", now=NOW)


def test_it_retires_a_target_that_nothing_counts_on_and_keeps_it() -> None:
    made = registered(target(environment()))
    sites.retire_target(target_id=made.pk, actor=olga(), reason="replaced", now=NOW)
    assert Target.objects.get(pk=made.pk).retired_at == NOW
    assert not Target.objects.in_use().exists()
    with pytest.raises(sites.AlreadyRetired):
        sites.retire_target(target_id=made.pk, actor=olga(), reason="again", now=NOW)
    with pytest.raises(site_names.NameInUse):
        target(made.environment, reference="env:X")


def test_it_refuses_to_retire_a_target_with_a_run_or_a_change_that_counts_on_it() -> None:
    made = registered(target(environment("development")))
    run = execution(change(), made)
    with pytest.raises(sites.TargetBusy, match="E-0001"):
        sites.retire_target(target_id=made.pk, actor=olga(), reason="in the way", now=NOW)
    with acting("setup"):
        Execution.objects.filter(pk=run.pk).update(state="cancelled")
    with pytest.raises(sites.CountedOn, match="CR-0001"):
        sites.retire_target(target_id=made.pk, actor=olga(), reason="in the way", now=NOW)


def test_it_refuses_what_does_not_exist() -> None:
    with pytest.raises(sites.TargetMissing):
        sites.retire_target(target_id=0, actor=olga(), reason="why", now=NOW)
    with pytest.raises(environments.EnvironmentMissing):
        target(Environment(pk=0, kind="staging"))
