"""Rehearsals: what a revision did on a copy. Append-only."""

from __future__ import annotations

from django.db import models

from changecontrol.rules.certificate import Verdict


class RehearsalQuerySet(models.QuerySet["Rehearsal"]):
    """Queries over rehearsals."""

    def newest_first(self) -> RehearsalQuerySet:
        """Return rehearsals without their certificates, newest first."""
        return self.select_related("target__environment", "revision", "asked_by").order_by("-pk")


class Rehearsal(models.Model):
    """One rehearsal of one revision, with its certificate."""

    code = models.CharField(max_length=12, unique=True, db_comment="R-NNNN.")
    change = models.ForeignKey(
        "changecontrol.ChangeRequest", models.PROTECT, related_name="rehearsals", db_comment="The change."
    )
    revision = models.ForeignKey(
        "changecontrol.Revision", models.PROTECT, related_name="rehearsals", db_comment="The revision rehearsed."
    )
    target = models.ForeignKey(
        "changecontrol.Target",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="rehearsals",
        db_comment="Whose schema the copy had; empty for an upload.",
    )
    errand = models.OneToOneField(
        "changecontrol.Errand",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="rehearsal",
        db_comment="The errand that made it; empty for an upload.",
    )
    script_digest = models.CharField(max_length=64, db_comment="Digest of the script that was rehearsed.")
    verdict = models.CharField(
        max_length=20, choices=[(one.value, one.value) for one in Verdict], db_comment="How it came out."
    )
    passed = models.BooleanField(db_comment="Whether that is as good as what the author declared.")
    sentence = models.TextField(blank=True, db_comment="Why it did not pass; empty when it did.")
    lossless = models.BooleanField(null=True, db_comment="Whether the rollback keeps all data; null: not exercised.")
    basis = models.CharField(max_length=12, db_comment="schema, copy or migrations: what the copy was built from.")
    catalog_before = models.CharField(max_length=64, blank=True, db_comment="Catalog fingerprint of the copy before.")
    findings = models.JSONField(default=list, db_comment="Final findings, as the certificate has them.")
    certificate = models.TextField(db_comment="Canonical JSON of the certificate.")
    certificate_digest = models.CharField(max_length=64, db_comment="SHA-256 of the certificate.")
    asked_by = models.ForeignKey(
        "changecontrol.Person",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_comment="Who asked for it, or uploaded it.",
    )
    rehearsed_at = models.DateTimeField(db_comment="When it ended.")
    counts_days = models.PositiveIntegerField(
        null=True, db_comment="How long it counts, as the folder's policy said then; null: as the site says."
    )
    milliseconds = models.PositiveIntegerField(default=0, db_comment="How long it took.")

    objects = RehearsalQuerySet.as_manager()

    class Meta:
        db_table = "rehearsal"
        db_table_comment = "Rehearsals of revisions on disposable databases, with their certificates. Append-only."
        indexes = [models.Index(fields=["revision", "rehearsed_at"], name="rehearsal_of_revision")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(verdict__in=[verdict.value for verdict in Verdict]), name="rehearsal_verdict"
            ),
            models.CheckConstraint(
                condition=models.Q(basis__in=["schema", "copy", "migrations", "upload"]), name="rehearsal_basis"
            ),
        ]

    def __str__(self) -> str:
        return self.code
