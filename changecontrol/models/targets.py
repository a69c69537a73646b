"""Environments, targets and the errands workers run for pages."""

from __future__ import annotations

from django.db import models

from changecontrol.models.history import History


class EnvironmentQuerySet(models.QuerySet["Environment"]):
    """Queries over environments."""

    def in_order(self) -> EnvironmentQuerySet:
        """Return environments in the order a change passes them."""
        return self.order_by("position", "name")


class Environment(models.Model):
    """A stage a change passes: development, staging, production."""

    class Kind(models.TextChoices):
        DEVELOPMENT = "development"
        STAGING = "staging"
        PRODUCTION = "production"

    name = models.CharField(max_length=60, unique=True, db_comment="Name people use.")
    kind = models.CharField(
        max_length=20, choices=Kind, db_comment="What the rules make of it: development, staging or production."
    )
    queue = models.CharField(max_length=60, db_comment="Celery queue whose workers reach its targets.")
    position = models.PositiveSmallIntegerField(default=0, db_comment="Order on pages.")
    stage_on_approval = models.BooleanField(
        default=False, db_comment="Start the staging run by itself when a change is approved."
    )
    second_person_at_start = models.BooleanField(
        default=False, db_comment="A second person must sign before a production run starts."
    )

    objects = EnvironmentQuerySet.as_manager()
    history = History()

    class Meta:
        db_table = "environment"
        db_table_comment = "Stages a change passes on its way to production."
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind__in=["development", "staging", "production"]), name="environment_kind"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class TargetQuerySet(models.QuerySet["Target"]):
    """Queries over targets."""

    def in_use(self) -> TargetQuerySet:
        """Return targets that are not retired."""
        return self.filter(retired_at=None).select_related("environment")

    def of(self, kind: str) -> TargetQuerySet:
        """Return targets in use whose environment is of `kind`."""
        return self.in_use().filter(environment__kind=kind).order_by("name")


class Target(models.Model):
    """A database that changes are run on. Holds a reference to its connection string, never the string."""

    name = models.CharField(max_length=60, unique=True, db_comment="Name people use.")
    environment = models.ForeignKey(Environment, models.PROTECT, related_name="targets", db_comment="Its environment.")
    reference = models.CharField(
        max_length=200, db_comment="Where a worker finds the connection string: env:NAME, file:/path or service:name."
    )
    set_role = models.CharField(
        max_length=63, blank=True, db_comment="Role that migrations run as (SET ROLE), or empty."
    )
    uuid = models.UUIDField(
        null=True, blank=True, unique=True, db_comment="Identity written into the ledger's schema on the target."
    )
    fingerprint = models.JSONField(
        null=True, blank=True, db_comment="System identifier, database, version, extensions, encoding at registration."
    )
    registered_at = models.DateTimeField(
        null=True, blank=True, db_comment="When the ledger was created and the fingerprint stored."
    )
    rebuilt_at = models.DateTimeField(
        null=True,
        blank=True,
        db_comment="When it was registered anew, restored or rebuilt: what was claimed before no longer counts.",
    )
    catalog_digest = models.CharField(
        max_length=64, blank=True, db_comment="Catalog fingerprint after the last execution here."
    )
    probe = models.JSONField(null=True, blank=True, db_comment="What a worker saw at the last probe.")
    probed_at = models.DateTimeField(null=True, blank=True, db_comment="When the last probe was made.")
    retired_at = models.DateTimeField(null=True, blank=True, db_comment="When the target was taken out of use.")

    objects = TargetQuerySet.as_manager()
    history = History(excluded_fields=["probe", "probed_at"])

    class Meta:
        db_table = "target"
        db_table_comment = "Databases that changes are run on."

    def __str__(self) -> str:
        return self.name


class Errand(models.Model):
    """A small piece of work a worker does at a target outside any execution: the web process cannot connect there."""

    class Kind(models.TextChoices):
        REGISTER = "register"
        REGISTER_ANEW = "register anew"
        PROBE = "probe"
        COMPARE = "compare"
        ADOPT = "adopt"
        RESOLVE = "resolve"
        REHEARSE = "rehearse"

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        REFUSED = "refused"

    kind = models.CharField(
        max_length=20, choices=Kind, db_comment="register, register anew, probe, compare, adopt, resolve or rehearse."
    )
    target = models.ForeignKey(Target, models.PROTECT, related_name="errands", db_comment="The target.")
    execution = models.ForeignKey(
        "changecontrol.Execution",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="errands",
        db_comment="The lost execution to resolve, if any.",
    )
    signature = models.ForeignKey(
        "changecontrol.Signature",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="errands",
        db_comment="Signature that allows it, where one is needed.",
    )
    revision = models.ForeignKey(
        "changecontrol.Revision",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="errands",
        db_comment="The revision to rehearse, if any.",
    )
    params = models.JSONField(default=dict, db_comment="What was asked.")
    said = models.CharField(max_length=300, blank=True, db_comment="What its worker is doing right now, for pages.")
    state = models.CharField(
        max_length=20, choices=State, default=State.QUEUED, db_comment="queued, running, done or refused."
    )
    result = models.JSONField(null=True, blank=True, db_comment="What the worker found.")
    sentence = models.TextField(blank=True, db_comment="Why it was refused, as a sentence.")
    requested_by = models.ForeignKey(
        "changecontrol.Person",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_comment="Who asked; empty for the sweep.",
    )
    requested_at = models.DateTimeField(db_comment="When it was asked.")
    lease_token = models.UUIDField(null=True, blank=True, db_comment="Token of the worker that claimed it.")
    heartbeat_at = models.DateTimeField(
        null=True, blank=True, db_comment="When that worker claimed it or was last alive."
    )
    ended_at = models.DateTimeField(null=True, blank=True, db_comment="When it ended.")

    class Meta:
        db_table = "errand"
        db_table_comment = "Small pieces of work that a worker does at a target outside any execution."
        indexes = [models.Index(fields=["state", "requested_at"], name="errand_due")]

    def __str__(self) -> str:
        return f"{self.kind} {self.target}"
