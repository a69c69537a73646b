"""People: our own user model from the first migration (21 CFR 11.100)."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import hashers
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models.functions import Lower

from changecontrol.models.history import History


class People(BaseUserManager["Person"]):
    """Queries over people."""

    def create_user(self, username: str, password: str | None = None, **fields: Any) -> Person:
        """Create an active person with a hashed password."""
        person = self.model(username=username.casefold(), **fields)
        person.set_password(password)
        person.save(using=self._db)
        return person

    def create_superuser(self, username: str, password: str | None = None, **fields: Any) -> Person:
        """Create a person with the superuser flag; the flag opens nothing here."""
        return self.create_user(username, password, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> Person:
        """Return the person with this user name, whatever its case."""
        return self.get(username=(username or "").casefold())

    def with_duty(self, duty: str) -> models.QuerySet[Person]:
        """Return the active people who hold `duty`."""
        return self.filter(is_active=True, groups__name=duty)


class Person(AbstractBaseUser, PermissionsMixin):
    """A person with an account. Never deleted, the name never reused."""

    password = models.CharField(max_length=200, db_comment="Argon2 hash of the password.")
    last_login = models.DateTimeField(null=True, blank=True, db_comment="When this person last signed in.")
    is_superuser = models.BooleanField(default=False, db_comment="Django flag; it opens nothing in this product.")
    username = models.CharField(max_length=60, unique=True, db_comment="Sign-in name, case-folded; never reused.")
    printed_name = models.CharField(max_length=120, db_comment="Name printed beside signatures (21 CFR 11.50(a)(1)).")
    email = models.EmailField(blank=True, db_comment="Address for notices; also maps git authors to people.")
    is_active = models.BooleanField(default=True, db_comment="False once deactivated; accounts are never deleted.")
    time_zone = models.CharField(
        max_length=60, default="UTC", db_comment="Zone in which this person signs and reads times."
    )
    identity_verified_at = models.DateTimeField(
        null=True, blank=True, db_comment="When the identity was verified (21 CFR 11.100(b))."
    )
    joined_at = models.DateTimeField(auto_now_add=True, db_comment="When the account was made.")

    USERNAME_FIELD = "username"
    REQUIRED_FIELDS = ["printed_name"]
    EMAIL_FIELD = "email"

    objects = People()
    history = History(excluded_fields=["password", "last_login"])

    class Meta:
        db_table = "person"
        db_table_comment = "People with an account. Never deleted; duties are group memberships."
        constraints = [
            models.UniqueConstraint(Lower("username"), name="person_username_folded"),
            models.CheckConstraint(condition=models.Q(username=Lower("username")), name="person_username_is_folded"),
        ]

    def __str__(self) -> str:
        return self.printed_name

    def check_password(self, raw_password: str | None) -> bool:
        """Whether this is the password. Never rehashes on the way: a check is no write."""
        return hashers.check_password(raw_password, self.password)

    def get_full_name(self) -> str:
        """Return the printed name."""
        return self.printed_name

    @property
    def duties(self) -> frozenset[str]:
        """The names of the duties held, asked fresh of the database unless prefetched; none when deactivated."""
        return frozenset(group.name for group in self.groups.all()) if self.is_active else frozenset()


class DutyChange(models.Model):
    """A duty given to a person or taken away, by whom and why (21 CFR 11.10(d), (g)). Append-only."""

    person = models.ForeignKey(Person, models.PROTECT, related_name="duty_changes", db_comment="Whose duty.")
    duty = models.CharField(max_length=40, db_comment="The duty.")
    given = models.BooleanField(db_comment="True: given; false: taken away.")
    changed_by = models.ForeignKey(
        Person, models.PROTECT, null=True, related_name="+", db_comment="Administrator; empty for the set-up."
    )
    reason = models.TextField(db_comment="Why.")
    at = models.DateTimeField(db_comment="When.")

    class Meta:
        db_table = "duty_change"
        db_table_comment = "Duties given and taken away; append-only."

    def __str__(self) -> str:
        return f"{self.duty} {'given to' if self.given else 'taken from'} {self.person_id}"
