"""The one Django app, and its system checks for dangerous settings."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register


class ChangeControlConfig(AppConfig):
    """Change Control."""

    name = "changecontrol"
    verbose_name = "Change Control"

    def ready(self) -> None:
        """Register the system checks."""
        register(check_settings)


def check_settings(**_: Any) -> list[CheckMessage]:
    """Return what is dangerous in the settings: no secret, DEBUG outside the demonstration, one role for everything."""
    found: list[CheckMessage] = []
    if settings.SECRET_KEY == "no-secret-key-given":  # noqa: S105 - the placeholder, not a secret
        found.append(
            Error("SECRET_KEY is not set.", hint="Set SECRET_KEY or SECRET_KEY_FILE.", id="changecontrol.E001")
        )
    if settings.DEBUG:
        found.append(Error("DEBUG shows internals to everybody.", hint="Unset DEBUG.", id="changecontrol.E002"))
    if not settings.APP_ROLE:
        found.append(
            Warning(
                "Owner and application use one database role, so the database cannot refuse a forbidden write.",
                hint="Set CHANGECONTROL_APP_ROLE and DATABASE_OWNER_URL (README, Roles).",
                id="changecontrol.W001",
            )
        )
    return found
