"""Series: changes that belong together and keep their order; and releases of the application that gate them."""

from __future__ import annotations

from django.db import models

from changecontrol.models.history import History


class Series(models.Model):
    """Expand, backfill, release, contract: several changes with one purpose and one page."""

    slug = models.CharField(max_length=80, unique=True, db_comment="Name in the files' headers (-- Series:).")
    title = models.CharField(max_length=200, db_comment="What it is called on pages.")
    length = models.PositiveSmallIntegerField(db_comment="How many migrations it has, as its files say.")
    opened_by = models.ForeignKey(
        "changecontrol.Person", models.PROTECT, related_name="+", db_comment="Who opened its first change."
    )
    opened_at = models.DateTimeField(db_comment="When.")

    history = History()

    class Meta:
        db_table = "series"
        db_table_comment = "Series of changes that belong together and keep their order."
        verbose_name_plural = "series"

    def __str__(self) -> str:
        return self.title


class ReleaseAttestation(models.Model):
    """A person says which release of the application runs against a target. Append-only; the newest counts."""

    target = models.ForeignKey(
        "changecontrol.Target", models.PROTECT, related_name="releases", db_comment="The target the release works on."
    )
    application = models.CharField(max_length=60, db_comment="Name of the application, such as app.")
    version = models.CharField(max_length=60, db_comment="Release that is out everywhere, such as 4.2.0.")
    note = models.TextField(db_comment="How that is known.")
    attested_by = models.ForeignKey("changecontrol.Person", models.PROTECT, related_name="+", db_comment="Who says so.")
    attested_at = models.DateTimeField(db_comment="When.")

    class Meta:
        db_table = "release_attestation"
        db_table_comment = "Which release of the application runs against a target, as attested. Append-only."
        indexes = [models.Index(fields=["target", "application", "attested_at"], name="release_of_target")]

    def __str__(self) -> str:
        return f"{self.application} {self.version} on {self.target_id}"
