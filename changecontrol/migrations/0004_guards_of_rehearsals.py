"""The guards of 0002 for the tables of 0003: no write without an actor, append-only, privileges."""

from django.conf import settings
from django.db import migrations

APPEND_ONLY = ["rehearsal", "release_attestation", "changecontrol_historicalseries"]
TABLES = ["rehearsal", "series", "release_attestation", "changecontrol_historicalseries"]


def trigger(table, name, when, function, level):
    return (
        f'CREATE TRIGGER {name} {when} ON "{table}" FOR EACH {level} EXECUTE FUNCTION {function}();'
        f'ALTER TABLE "{table}" ENABLE ALWAYS TRIGGER {name};'
    )


def guard(apps, schema_editor):
    def run(statement):
        schema_editor.execute(statement, params=None)

    for table in TABLES:
        run(trigger(table, "require_actor", "BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE", "require_actor", "STATEMENT"))
    for table in APPEND_ONLY:
        run(trigger(table, "append_only", "BEFORE UPDATE OR DELETE OR TRUNCATE", "refuse_change", "STATEMENT"))
    if settings.APP_ROLE:
        role = schema_editor.connection.ops.quote_name(settings.APP_ROLE)
        for table in TABLES:
            run(f'GRANT SELECT, INSERT ON "{table}" TO {role}')
            run(f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}")
        run(f"GRANT UPDATE ON series TO {role}")


class Migration(migrations.Migration):
    dependencies = [("changecontrol", "0003_rehearsals_series")]

    operations = [migrations.RunPython(guard, migrations.RunPython.noop)]
