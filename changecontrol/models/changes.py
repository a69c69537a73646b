"""Change requests, their revisions, authors, waivers and moves."""

from __future__ import annotations

from django.db import models

from changecontrol.models.history import History
from changecontrol.rules import lifecycle
from changecontrol.rules.lifecycle import FINAL, Status

STATUSES = [(status.value, status.value.replace("_", " ")) for status in Status]


class ChangeQuerySet(models.QuerySet["ChangeRequest"]):
    """Queries over change requests."""

    def open(self) -> ChangeQuerySet:
        """Return changes that nothing has ended yet."""
        return self.exclude(status__in=FINAL)

    def for_lists(self) -> ChangeQuerySet:
        """Return changes with what a row of a list shows, in two queries."""
        return self.select_related("opened_by", "revision").order_by("-number")

    def having(self, text: str) -> ChangeQuerySet:
        """Return changes whose code, title, ticket, migration or description contains `text`."""
        names = ("code", "title", "ticket", "migration_name", "description")
        query = models.Q()
        for name in names:
            query |= models.Q(**{f"{name}__icontains": text})
        return self.filter(query)


class CodeCounter(models.Model):
    """The last number given of each series of codes; the row is locked while a code is taken: no gaps, no races."""

    name = models.CharField(max_length=20, primary_key=True, db_comment="change, execution or incident.")
    last = models.PositiveIntegerField(default=0, db_comment="Last number given.")

    class Meta:
        db_table = "code_counter"
        db_table_comment = "The last number given of each series of codes."

    def __str__(self) -> str:
        return f"{self.name} {self.last}"


class ChangeRequest(models.Model):
    """One change: one migration on its way to production (the decision: may we?)."""

    class Level(models.TextChoices):
        LOW = "low"
        MEDIUM = "medium"
        HIGH = "high"

    class Downtime(models.TextChoices):
        NONE = "none"
        WINDOW = "window"

    number = models.PositiveIntegerField(unique=True, db_comment="Number of the change; allocated without gaps.")
    code = models.CharField(max_length=12, unique=True, db_comment="CR-NNNN.")
    title = models.CharField(max_length=200, db_comment="What the change is called on pages.")
    kind = models.CharField(max_length=12, default="normal", db_comment="normal (emergency comes later).")
    status = models.CharField(
        max_length=12,
        choices=STATUSES,
        default=Status.DRAFT.value,
        db_comment="Where the decision stands; written by services.moving alone.",
    )
    status_at = models.DateTimeField(db_comment="Since when.")
    version = models.PositiveIntegerField(
        default=1, db_comment="Counts every move and every change of content; sign requests carry it."
    )
    migration_number = models.PositiveIntegerField(db_comment="NNN of the migration file.")
    migration_name = models.CharField(max_length=200, db_comment="File stem, NNN_description.")
    revision = models.ForeignKey(
        "changecontrol.Revision", models.PROTECT, null=True, related_name="+", db_comment="The current revision."
    )
    opened_by = models.ForeignKey(
        "changecontrol.Person", models.PROTECT, related_name="opened_changes", db_comment="Who opened it."
    )
    opened_at = models.DateTimeField(db_comment="When it was opened.")
    supersedes = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="superseded_by",
        db_comment="The ended change that this one reverses or replaces.",
    )
    # documentation (design 3)
    ticket = models.CharField(max_length=60, blank=True, db_comment="Ticket that asked for it.")
    description = models.TextField(blank=True, db_comment="What is changed and why.")
    impact = models.TextField(blank=True, db_comment="Which systems and data are affected.")
    impact_level = models.CharField(max_length=8, choices=Level, blank=True, db_comment="low, medium or high.")
    downtime = models.CharField(
        max_length=8, choices=Downtime, default=Downtime.NONE, db_comment="none, or needs a window."
    )
    risk = models.TextField(blank=True, db_comment="Potential risks.")
    risk_severity = models.PositiveSmallIntegerField(null=True, blank=True, db_comment="1 to 5.")
    risk_probability = models.PositiveSmallIntegerField(null=True, blank=True, db_comment="1 to 5.")
    risk_detectability = models.PositiveSmallIntegerField(
        null=True, blank=True, db_comment="1 (surely seen) to 5 (hardly seen)."
    )
    mitigation = models.TextField(blank=True, db_comment="How the risk is reduced.")
    compliance_impact = models.TextField(blank=True, db_comment="Does it affect audit trail, validation or compliance?")
    pull_request_url = models.URLField(blank=True, db_comment="Where the code was reviewed.")
    requires_release = models.CharField(
        max_length=120, blank=True, db_comment="Application release that must be out first."
    )
    compliance_asked_by = models.ForeignKey(
        "changecontrol.Person",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_comment="Who asked for the compliance review although no rule demanded it.",
    )
    series = models.ForeignKey(
        "changecontrol.Series",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="changes",
        db_comment="The series it belongs to.",
    )
    series_position = models.PositiveSmallIntegerField(null=True, blank=True, db_comment="1, 2, 3 ... in its series.")
    # identity, fixed at submit
    content = models.TextField(blank=True, db_comment="Canonical JSON of what is signed; fixed at submit.")
    content_digest = models.CharField(
        max_length=64, blank=True, db_comment="SHA-256 of content; printed beside signatures."
    )

    objects = ChangeQuerySet.as_manager()
    history = History(excluded_fields=["content"])

    class Meta:
        db_table = "change_request"
        db_table_comment = "Change requests: one migration each, on its way to production."
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=[status.value for status in Status]), name="change_status"
            ),
            models.UniqueConstraint(
                fields=["migration_number"],
                condition=~models.Q(status__in=[status.value for status in FINAL]),
                name="change_one_open_per_migration",
            ),
            models.CheckConstraint(condition=models.Q(version__gte=1), name="change_version"),
        ]
        indexes = [models.Index(fields=["status", "status_at"], name="change_by_status")]

    def __str__(self) -> str:
        return self.code

    @property
    def is_final(self) -> bool:
        """Whether nothing leaves this status."""
        return self.status in FINAL


class Revision(models.Model):
    """The exact bytes of one state of a migration, frozen. Never updated, never deleted."""

    change = models.ForeignKey(ChangeRequest, models.PROTECT, related_name="revisions", db_comment="Its change.")
    number = models.PositiveIntegerField(db_comment="1, 2, 3 ... within the change.")
    forward = models.BinaryField(db_comment="Bytes of the migration, as they were on disk.")
    rollback = models.BinaryField(null=True, db_comment="Bytes of the rollback, or null if there is none.")
    verify = models.BinaryField(null=True, db_comment="Bytes of the verify script, or null if there is none.")
    sources = models.JSONField(default=dict, db_comment="Files inlined by \\i: name to base64 bytes.")
    plan = models.JSONField(db_comment="Parsed steps of forward, rollback and verify.")
    findings = models.JSONField(default=list, db_comment="Findings when it was frozen.")
    checks = models.JSONField(default=dict, db_comment="Standing checks as they were: file name to text.")
    routing = models.JSONField(
        default=dict, db_comment="Which reviews it needs, and which rule fired on which statement."
    )
    script_digest = models.CharField(max_length=64, db_comment="SHA-256 over bytes, sources and parsed steps.")
    rollback_class = models.CharField(
        max_length=20, db_comment="Declared way back: lossless, lossy, conditional, forward-fix only, restore only."
    )
    git_commit = models.CharField(max_length=64, blank=True, db_comment="HEAD, if its blob equals these bytes.")
    git_author = models.CharField(max_length=200, blank=True, db_comment="Author of that commit.")
    frozen_by = models.ForeignKey("changecontrol.Person", models.PROTECT, related_name="+", db_comment="Who took it.")
    frozen_at = models.DateTimeField(db_comment="When it was taken.")

    class Meta:
        db_table = "revision"
        db_table_comment = "Frozen bytes of a migration; immutable."
        constraints = [models.UniqueConstraint(fields=["change", "number"], name="revision_number")]

    def __str__(self) -> str:
        return f"{self.change_id} revision {self.number}"


class ChangeAuthor(models.Model):
    """A person who opened or revised the content, or whom the commit or the header names (design 3, Author)."""

    change = models.ForeignKey(ChangeRequest, models.PROTECT, related_name="authors", db_comment="The change.")
    person = models.ForeignKey("changecontrol.Person", models.PROTECT, related_name="+", db_comment="The author.")
    because = models.CharField(max_length=40, db_comment="opened, revised, edited, git author or header.")
    at = models.DateTimeField(db_comment="Since when.")

    class Meta:
        db_table = "change_author"
        db_table_comment = "Authors of a change; they sign nothing but authorship."
        constraints = [models.UniqueConstraint(fields=["change", "person"], name="change_author_once")]

    def __str__(self) -> str:
        return f"{self.person_id} ({self.because})"


class Waiver(models.Model):
    """A finding that the author accepts with a reason; part of the signed content."""

    change = models.ForeignKey(ChangeRequest, models.PROTECT, related_name="waivers", db_comment="The change.")
    rule = models.CharField(max_length=80, db_comment="Rule of the finding.")
    file = models.CharField(max_length=200, db_comment="File of the finding.")
    line = models.PositiveIntegerField(db_comment="Line of the finding.")
    reason = models.TextField(db_comment="Why it is acceptable here.")
    waived_by = models.ForeignKey("changecontrol.Person", models.PROTECT, related_name="+", db_comment="Who waived it.")
    waived_at = models.DateTimeField(db_comment="When.")
    revision = models.ForeignKey(
        Revision, models.PROTECT, related_name="waivers", db_comment="The revision it belongs to."
    )

    class Meta:
        db_table = "waiver"
        db_table_comment = "Findings accepted with a reason."
        constraints = [models.UniqueConstraint(fields=["revision", "rule", "file", "line"], name="waiver_once")]

    def __str__(self) -> str:
        return f"{self.rule}: {self.reason}"


class StatusMove(models.Model):
    """One move of a change: old, new, who, why. Append-only."""

    change = models.ForeignKey(ChangeRequest, models.PROTECT, related_name="moves", db_comment="The change.")
    move = models.CharField(max_length=12, db_comment="The move.")
    before = models.CharField(max_length=12, db_comment="Status before.")
    after = models.CharField(max_length=12, db_comment="Status after.")
    version = models.PositiveIntegerField(db_comment="Version of the change after the move.")
    person = models.ForeignKey(
        "changecontrol.Person",
        models.PROTECT,
        null=True,
        related_name="+",
        db_comment="Who moved it; empty for automatic moves.",
    )
    actor = models.CharField(max_length=120, db_comment="Printed name, or the system actor.")
    duty = models.CharField(max_length=40, blank=True, db_comment="Duty used.")
    reason = models.TextField(blank=True, db_comment="Why.")
    at = models.DateTimeField(db_comment="When.")

    class Meta:
        db_table = "status_move"
        db_table_comment = "Every move of every change: old, new, who, why. Append-only."
        indexes = [models.Index(fields=["change", "at"], name="status_move_of_change")]

    def __str__(self) -> str:
        return f"{self.before} -> {self.after}"


class LegalMove(models.Model):
    """One row of rules.lifecycle.TABLE, repeated for the trigger that refuses every other change of status."""

    before = models.CharField(max_length=12, db_comment="Status before.")
    move = models.CharField(max_length=12, db_comment="The move.")
    after = models.CharField(max_length=12, db_comment="Status after.")

    class Meta:
        db_table = "legal_move"
        db_table_comment = "Legal moves; a trigger on change_request refuses every other."
        constraints = [models.UniqueConstraint(fields=["before", "move"], name="legal_move_once")]

    def __str__(self) -> str:
        return f"{self.before} {self.move} {self.after}"


LEGAL_ROWS = [(legal.before.value, legal.move.value, legal.after.value) for legal in lifecycle.TABLE]
