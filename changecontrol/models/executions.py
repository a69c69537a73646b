"""Executions (the attempt: what happened), their events, and copies of the ledger rows on targets."""

from __future__ import annotations

from django.db import models
from django.db.models import Exists, F, OuterRef, Q

from changecontrol.rules.lifecycle import OPEN_STATES, Effect, Purpose, State

OPEN = [state.value for state in OPEN_STATES]
BUSY = [State.RUNNING.value, State.LOST.value]


def _choices(enum: type[State] | type[Effect] | type[Purpose]) -> list[tuple[str, str]]:
    return [(one.value, one.value.replace("_", " ")) for one in enum]


class ExecutionQuerySet(models.QuerySet["Execution"]):
    """Queries over executions."""

    def open(self) -> ExecutionQuerySet:
        """Return executions that have not ended: queued, running or lost."""
        return self.filter(state__in=OPEN)

    def since_registration(self) -> ExecutionQuerySet:
        """Return executions whose effect still counts: their database was not rebuilt or restored without them."""
        return self.filter(_still_counts())

    def with_what_counts(self) -> ExecutionQuerySet:
        """Return all executions, each with `counts`: whether since_registration() would return it."""
        return self.annotate(counts=_still_counts())

    def for_lists(self) -> ExecutionQuerySet:
        """Return executions with what a row of a list shows, newest first."""
        return self.select_related("change", "target__environment", "requested_by", "revision").order_by(
            "-queued_at", "-pk"
        )


def _still_counts() -> Q:
    """Return what holds for a run that was claimed since its target was last registered anew, or whose rows are in the
    ledger that was found there then: a restored state holds what ran before it."""
    kept = LedgerCopy.objects.filter(target_uuid=OuterRef("target__uuid"), execution_uuid=OuterRef("uuid"))
    claimed = Q(claimed_at=None) | Q(claimed_at__gte=F("target__rebuilt_at"))
    return Q(target__rebuilt_at=None) | claimed | Q(Exists(kept))


class Execution(models.Model):
    """One attempt to run a revision on a target."""

    code = models.CharField(max_length=12, unique=True, db_comment="E-NNNN.")
    uuid = models.UUIDField(unique=True, db_comment="Identity written into the target's ledger.")
    change = models.ForeignKey(
        "changecontrol.ChangeRequest", models.PROTECT, related_name="executions", db_comment="The change."
    )
    revision = models.ForeignKey(
        "changecontrol.Revision", models.PROTECT, related_name="executions", db_comment="The revision run."
    )
    target = models.ForeignKey("changecontrol.Target", models.PROTECT, related_name="executions", db_comment="Where.")
    purpose = models.CharField(
        max_length=12, choices=_choices(Purpose), db_comment="develop, stage, deploy, roll_back or undo_staging."
    )
    direction = models.CharField(max_length=8, db_comment="forward or rollback.")
    attempt = models.PositiveIntegerField(db_comment="1, 2, 3 ... of this change, target and direction.")
    fence = models.PositiveBigIntegerField(
        default=0, db_comment="Fencing token taken when claimed; the ledger refuses older ones."
    )
    content_digest = models.CharField(
        max_length=64, db_comment="Content the run was asked for; compared by the worker."
    )
    state = models.CharField(
        max_length=10,
        choices=_choices(State),
        default=State.QUEUED.value,
        db_comment="queued, running, succeeded, failed, lost or cancelled.",
    )
    effect = models.CharField(
        max_length=10,
        choices=_choices(Effect),
        default=Effect.NONE.value,
        db_comment="What is on the target now, read from its ledger.",
    )
    sentence = models.TextField(blank=True, db_comment="Why it failed or was refused, as a sentence.")
    outcome = models.JSONField(
        null=True, blank=True, db_comment="Outcome of the runner: steps, checks, verify, comparison."
    )
    requested_by = models.ForeignKey(
        "changecontrol.Person",
        models.PROTECT,
        null=True,
        related_name="+",
        db_comment="Who asked; empty when automatic.",
    )
    reason = models.TextField(blank=True, db_comment="Why, for a retry or a rollback.")
    queued_at = models.DateTimeField(db_comment="When it was asked.")
    claimed_at = models.DateTimeField(null=True, blank=True, db_comment="When a worker claimed it.")
    ended_at = models.DateTimeField(null=True, blank=True, db_comment="When it ended.")
    worker = models.CharField(max_length=120, blank=True, db_comment="Host and process of the worker.")
    lease_token = models.UUIDField(null=True, blank=True, db_comment="Token of the claim; a worker that lost it stops.")
    heartbeat_at = models.DateTimeField(null=True, blank=True, db_comment="Last sign of life of the worker.")
    abort_asked_by = models.ForeignKey(
        "changecontrol.Person",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_comment="Who asked to abort.",
    )
    abort_asked_at = models.DateTimeField(null=True, blank=True, db_comment="When.")
    abort_reason = models.TextField(blank=True, db_comment="Why.")
    pause_asked_by = models.ForeignKey(
        "changecontrol.Person",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_comment="Who asked to pause; empty while it is not to pause.",
    )
    pause_asked_at = models.DateTimeField(null=True, blank=True, db_comment="When; empty while it is not to pause.")
    pause_reason = models.TextField(blank=True, db_comment="Why.")

    objects = ExecutionQuerySet.as_manager()

    class Meta:
        db_table = "execution"
        db_table_comment = "Attempts to run a revision on a target: what happened, and what is on the target."
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=[state.value for state in State]), name="execution_state"
            ),
            models.CheckConstraint(
                condition=models.Q(effect__in=[effect.value for effect in Effect]), name="execution_effect"
            ),
            models.CheckConstraint(
                condition=models.Q(purpose__in=[purpose.value for purpose in Purpose]), name="execution_purpose"
            ),
            models.UniqueConstraint(
                fields=["target"], condition=models.Q(state__in=BUSY), name="execution_one_busy_per_target"
            ),
            models.UniqueConstraint(
                fields=["change", "target", "direction"], condition=models.Q(state__in=OPEN), name="execution_one_open"
            ),
            models.UniqueConstraint(fields=["change", "target", "direction", "attempt"], name="execution_attempt"),
        ]
        indexes = [models.Index(fields=["state", "queued_at"], name="execution_due")]

    def __str__(self) -> str:
        return self.code

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self.state in OPEN


class ExecutionEvent(models.Model):
    """One thing that happened during an execution. Append-only; readable while it runs."""

    execution = models.ForeignKey(Execution, models.PROTECT, related_name="events", db_comment="The execution.")
    number = models.PositiveIntegerField(db_comment="1, 2, 3 ... within the execution.")
    at = models.DateTimeField(db_comment="When.")
    kind = models.CharField(max_length=40, db_comment="Kind of event.")
    phase = models.CharField(
        max_length=20, blank=True, db_comment="Pass of a staging run: forward, rollback, forward again."
    )
    step = models.PositiveIntegerField(null=True, db_comment="Step, if it belongs to one.")
    statement = models.PositiveIntegerField(null=True, db_comment="Statement, if it belongs to one.")
    text = models.TextField(db_comment="What is shown.")
    data = models.JSONField(default=dict, db_comment="Figures: ms, rows, pid, user ...")

    class Meta:
        db_table = "execution_event"
        db_table_comment = "Events of executions; append-only."
        constraints = [models.UniqueConstraint(fields=["execution", "number"], name="execution_event_number")]

    def __str__(self) -> str:
        return self.text


class LedgerCopy(models.Model):
    """A copy of one ledger row, read from a target after each step and compared before each run."""

    target = models.ForeignKey(
        "changecontrol.Target", models.PROTECT, related_name="ledger_rows", db_comment="The target."
    )
    target_uuid = models.UUIDField(
        db_comment="Identity the target's ledger had; a database registered anew has another, and its own rows."
    )
    ledger_id = models.PositiveBigIntegerField(db_comment="Id of the row on the target.")
    execution_uuid = models.UUIDField(null=True, db_comment="Execution that wrote it.")
    kind = models.CharField(
        max_length=20, db_comment="Kind of row: began, done, progress, finished, baseline, resolved."
    )
    change_code = models.CharField(max_length=12, blank=True, db_comment="Change.")
    migration = models.CharField(max_length=200, db_comment="File stem.")
    direction = models.CharField(max_length=10, db_comment="forward or rollback.")
    step = models.PositiveIntegerField(null=True, db_comment="Step number.")
    steps = models.PositiveIntegerField(null=True, db_comment="Number of steps.")
    script_digest = models.CharField(max_length=64, blank=True, db_comment="Script digest.")
    content_digest = models.CharField(max_length=64, blank=True, db_comment="Content digest.")
    server_at = models.DateTimeField(null=True, db_comment="The target's clock.")
    row = models.JSONField(db_comment="The whole row.")

    class Meta:
        db_table = "ledger_copy"
        db_table_comment = "Copies of the ledger rows of targets; append-only."
        constraints = [models.UniqueConstraint(fields=["target_uuid", "ledger_id"], name="ledger_copy_once")]
        indexes = [models.Index(fields=["target", "migration"], name="ledger_copy_by_migration")]

    def __str__(self) -> str:
        return f"{self.target_id}:{self.ledger_id} {self.migration} {self.kind}"
