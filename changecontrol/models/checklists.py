"""Checklists copied into a change, and evidence by digest."""

from __future__ import annotations

from django.db import models

from changecontrol.models.history import History


class Evidence(models.Model):
    """A file kept by its SHA-256; the same bytes are stored once."""

    digest = models.CharField(max_length=64, primary_key=True, db_comment="SHA-256 of the bytes.")
    name = models.CharField(max_length=200, db_comment="File name when first given.")
    content_type = models.CharField(max_length=100, db_comment="Media type as given.")
    size = models.PositiveBigIntegerField(db_comment="Bytes.")
    bytes = models.BinaryField(db_comment="The file.")
    added_by = models.ForeignKey(
        "changecontrol.Person",
        models.PROTECT,
        null=True,
        related_name="+",
        db_comment="Who gave it; empty for a worker.",
    )
    added_at = models.DateTimeField(db_comment="When.")

    class Meta:
        db_table = "evidence"
        db_table_comment = "Evidence files by digest; immutable."

    def __str__(self) -> str:
        return f"{self.name} ({self.digest[:12]})"


class ChecklistItem(models.Model):
    """One item of a list, copied into the change from rules.checklists when it is opened."""

    class State(models.TextChoices):
        OPEN = "open"
        DONE = "done"
        NOT_APPLICABLE = "not applicable"

    change = models.ForeignKey(
        "changecontrol.ChangeRequest", models.PROTECT, related_name="items", db_comment="The change."
    )
    list_key = models.CharField(max_length=60, db_comment="Which of the twelve lists.")
    list_title = models.CharField(max_length=120, db_comment="Its title.")
    gate = models.CharField(max_length=12, db_comment="The move it gates.")
    position = models.PositiveSmallIntegerField(db_comment="Order within the change.")
    key = models.CharField(max_length=80, db_comment="Key of the item within the list.")
    text = models.CharField(max_length=300, db_comment="Text of the item, word for word from the strategy document.")
    duty = models.CharField(max_length=40, db_comment="Who owes it.")
    automatic = models.BooleanField(db_comment="True: bound to a fact, nobody can tick it by hand.")
    fact = models.CharField(max_length=60, blank=True, db_comment="The fact it is bound to.")
    state = models.CharField(
        max_length=14, choices=State, default=State.OPEN, db_comment="open, done or not applicable (attested items)."
    )
    note = models.TextField(blank=True, db_comment="What was seen, or why it does not apply.")
    evidence = models.ForeignKey(
        Evidence, models.PROTECT, null=True, blank=True, related_name="+", db_comment="File that shows it."
    )
    ticked_by = models.ForeignKey(
        "changecontrol.Person", models.PROTECT, null=True, blank=True, related_name="+", db_comment="Who attested it."
    )
    ticked_at = models.DateTimeField(null=True, blank=True, db_comment="When.")

    history = History()

    class Meta:
        db_table = "checklist_item"
        db_table_comment = "Checklist items of a change, from the strategy document's twelve lists."
        constraints = [
            models.UniqueConstraint(fields=["change", "list_key", "key"], name="checklist_item_once"),
            models.CheckConstraint(
                condition=models.Q(automatic=False) | models.Q(state="open", ticked_by=None),
                name="checklist_automatic_by_nobody",
            ),
        ]

    def __str__(self) -> str:
        return self.text
