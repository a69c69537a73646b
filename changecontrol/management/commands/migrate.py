"""`migrate`, run as the owner role where one is configured, with the actor `migrate` named to PostgreSQL."""

from typing import Any

from django.conf import settings
from django.core.management.commands.migrate import Command as Django
from django.db import connections


class Command(Django):
    """Django's migrate, as owner."""

    def handle(self, *args: Any, **options: Any) -> Any:
        """Run the migrations; every table refuses a write without an actor, so the session names `migrate`."""
        if options["database"] == "default" and "owner" in settings.DATABASES:
            options["database"] = "owner"
        connection = connections[options["database"]]
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('changecontrol.actor', '{\"name\": \"migrate\"}', false)")
        return super().handle(*args, **options)
