"""Guards in PostgreSQL: no write without an actor, append-only tables, legal moves, separation of duties, privileges."""

from pathlib import Path

from django.conf import settings
from django.db import migrations

APPEND_ONLY = [
    "revision", "signature", "status_move", "evidence", "execution_event", "ledger_copy", "failed_signing",
    "change_author", "waiver", "duty_change", "legal_move",
]  # fmt: skip
#: tables Django itself writes without one of our verbs: sessions come and go with every request
PLUMBING = {"django_session", "django_migrations", "django_content_type", "auth_permission"}
#: the only tables from which a row may go: a session ends, a duty is taken away (duty_change keeps the record)
DELETABLE = ["django_session", "person_groups"]


def ours(apps):
    """Return the names of all tables of the product, histories and duties included."""
    names = set()
    for model in apps.get_models(include_auto_created=True):
        names.add(model._meta.db_table)
    return sorted(names - PLUMBING)


def trigger(table, name, when, function, level):
    return (
        f'CREATE TRIGGER {name} {when} ON "{table}" FOR EACH {level} EXECUTE FUNCTION {function}();'
        f'ALTER TABLE "{table}" ENABLE ALWAYS TRIGGER {name};'
    )


def guard(apps, schema_editor):
    from changecontrol.models.changes import LEGAL_ROWS

    def run(statement):
        schema_editor.execute(statement, params=None)  # the text holds % of its own

    run(Path(__file__).with_name("guards.sql").read_text(encoding="utf-8"))
    LegalMove = apps.get_model("changecontrol", "LegalMove")
    LegalMove.objects.using(schema_editor.connection.alias).bulk_create(
        LegalMove(before=before, move=move, after=after) for before, move, after in LEGAL_ROWS
    )
    for table in ours(apps):
        run(trigger(table, "require_actor", "BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE", "require_actor", "STATEMENT"))
    for table in [*APPEND_ONLY, *(name for name in ours(apps) if name.startswith("changecontrol_historical"))]:
        run(trigger(table, "append_only", "BEFORE UPDATE OR DELETE OR TRUNCATE", "refuse_change", "STATEMENT"))
    run(trigger("change_request", "legal_status", "BEFORE INSERT OR UPDATE", "legal_status", "ROW"))
    run(trigger("change_request", "kept", "BEFORE DELETE OR TRUNCATE", "refuse_change", "STATEMENT"))
    run(trigger("execution", "legal_state", "BEFORE INSERT OR UPDATE", "legal_state", "ROW"))
    run(trigger("execution", "kept", "BEFORE DELETE OR TRUNCATE", "refuse_change", "STATEMENT"))
    run(trigger("signature", "separate_duties", "BEFORE INSERT", "separate_duties", "ROW"))
    run(trigger("change_author", "signer_is_no_author", "BEFORE INSERT", "signer_is_no_author", "ROW"))
    run("CREATE SEQUENCE execution_fence; COMMENT ON SEQUENCE execution_fence IS 'Fencing tokens of claims.'")
    if settings.APP_ROLE:
        grant(run, apps, schema_editor.connection.ops.quote_name(settings.APP_ROLE))


def grant(run, apps, role):
    """Give the app role what it needs and no more: no DDL, no TRUNCATE, DELETE only where something may end."""
    run(f"GRANT USAGE ON SCHEMA public TO {role}")
    run(f"GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO {role}")
    run(f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}")
    fixed = {*APPEND_ONLY, "django_migrations"}
    for table in [*ours(apps), "django_session"]:
        if table not in fixed and not table.startswith("changecontrol_historical"):
            run(f'GRANT UPDATE ON "{table}" TO {role}')
    run(f"REVOKE INSERT ON legal_move, django_migrations FROM {role}")
    for table in DELETABLE:
        run(f'GRANT DELETE ON "{table}" TO {role}')


class Migration(migrations.Migration):
    dependencies = [
        ("changecontrol", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("sessions", "0001_initial"),
    ]

    operations = [migrations.RunPython(guard, migrations.RunPython.noop)]
