"""Incidents and watches."""

from __future__ import annotations

from django.db import models

from changecontrol.models.history import History


class Incident(models.Model):
    """Opened by every production rollback and every partly applied production run."""

    code = models.CharField(max_length=12, unique=True, db_comment="I-NNNN.")
    change = models.ForeignKey(
        "changecontrol.ChangeRequest", models.PROTECT, related_name="incidents", db_comment="The change."
    )
    execution = models.ForeignKey(
        "changecontrol.Execution",
        models.PROTECT,
        null=True,
        related_name="incidents",
        db_comment="The run that opened it.",
    )
    title = models.CharField(max_length=200, db_comment="What happened.")
    opened_at = models.DateTimeField(db_comment="When it was opened.")
    told = models.TextField(blank=True, db_comment="Who was told, and when.")
    cause = models.TextField(blank=True, db_comment="Why it happened.")
    lesson = models.TextField(blank=True, db_comment="What is learned from it.")
    closed_at = models.DateTimeField(null=True, blank=True, db_comment="When both closure signatures were there.")

    history = History()

    class Meta:
        db_table = "incident"
        db_table_comment = "Incidents: production rollbacks and partly applied production runs."

    def __str__(self) -> str:
        return self.code


class Watch(models.Model):
    """The period after a production run in which production is watched."""

    change = models.OneToOneField(
        "changecontrol.ChangeRequest", models.PROTECT, related_name="watch", db_comment="The change."
    )
    started_at = models.DateTimeField(db_comment="When the last production target was complete.")
    ends_at = models.DateTimeField(db_comment="When the verdict may be given.")
    verdict = models.CharField(max_length=20, blank=True, db_comment="within, drifted or breached, once QA signed.")
    note = models.TextField(blank=True, db_comment="What QA saw.")
    ended_at = models.DateTimeField(null=True, blank=True, db_comment="When the verdict was signed.")

    history = History()

    class Meta:
        db_table = "watch"
        db_table_comment = "Watches of production after a change."

    def __str__(self) -> str:
        return f"watch of {self.change_id}"
