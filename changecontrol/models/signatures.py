"""Electronic signatures (21 CFR 11.50, 11.70)."""

from __future__ import annotations

from django.db import models


class Signature(models.Model):
    """One signature: printed name, time with zone, meaning, content and context. Never updated, never deleted."""

    change = models.ForeignKey(
        "changecontrol.ChangeRequest",
        models.PROTECT,
        null=True,
        related_name="signatures",
        db_comment="The change signed; empty for a target's bootstrap.",
    )
    target = models.ForeignKey(
        "changecontrol.Target",
        models.PROTECT,
        null=True,
        related_name="signatures",
        db_comment="The target signed for, if no change.",
    )
    execution = models.ForeignKey(
        "changecontrol.Execution",
        models.PROTECT,
        null=True,
        related_name="signatures",
        db_comment="The run signed for, where the meaning is about one.",
    )
    meaning = models.CharField(max_length=40, db_comment="Meaning of the signature (21 CFR 11.50(a)(3)).")
    duty = models.CharField(max_length=40, db_comment="Duty under which it was given.")
    signer = models.ForeignKey(
        "changecontrol.Person", models.PROTECT, related_name="signatures", db_comment="Who signed."
    )
    username = models.CharField(max_length=60, db_comment="User name at signing.")
    printed_name = models.CharField(max_length=120, db_comment="Printed name at signing (21 CFR 11.50(a)(1)).")
    signed_at = models.DateTimeField(db_comment="Instant of signing (21 CFR 11.50(a)(2)).")
    zone = models.CharField(max_length=60, db_comment="Time zone the signer reads times in.")
    statement = models.TextField(db_comment="The statement shown above the credentials.")
    reason = models.TextField(blank=True, db_comment="Reason given, where the meaning asks for one.")
    status = models.CharField(max_length=12, blank=True, db_comment="Status of the change when signed.")
    content_digest = models.CharField(max_length=64, db_comment="SHA-256 of the content signed.")
    context = models.TextField(db_comment="Canonical JSON of what else the signer was shown.")
    context_digest = models.CharField(max_length=64, db_comment="SHA-256 of context.")

    class Meta:
        db_table = "signature"
        db_table_comment = "Electronic signatures; immutable."
        indexes = [models.Index(fields=["change", "meaning"], name="signature_of_change")]

    def __str__(self) -> str:
        return f"{self.meaning} by {self.printed_name}"


class FailedSigning(models.Model):
    """A sign request whose password was wrong. Committed before the refusal is raised (21 CFR 11.300(d))."""

    person = models.ForeignKey(
        "changecontrol.Person", models.PROTECT, null=True, related_name="+", db_comment="Whose session it was."
    )
    username = models.CharField(max_length=150, db_comment="User name given.")
    what = models.CharField(max_length=120, db_comment="sign-in, or the meaning and the change.")
    at = models.DateTimeField(db_comment="When.")

    class Meta:
        db_table = "failed_signing"
        db_table_comment = "Failed sign-ins and signings; append-only."

    def __str__(self) -> str:
        return f"{self.username}: {self.what}"
