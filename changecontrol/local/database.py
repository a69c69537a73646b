"""Roles and databases inside a server that just started: ours (owner and app apart) and the target databases."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict


@dataclass(frozen=True, slots=True)
class Prepared:
    """Our database with its two doors: migrations go through the owner's, everything else through the app's."""

    owner_url: str
    app_url: str
    owner_role: str
    app_role: str


def prepare_database(
    superuser_dsn: str,
    *,
    database: str,
    prefix: str,
    owner_password: str,
    app_password: str,
    owner_creates_databases: bool = False,
) -> Prepared:
    """Make (or bring in line) roles `<prefix>_owner` and `<prefix>_app` and the database, owned by the owner.

    Safe to repeat; existing data stays. The app role may connect and use schema public, and gets nothing else here:
    what it may do with each table is granted by the migrations, to the role named in CHANGECONTROL_APP_ROLE.
    Tests pass `owner_creates_databases`, to make a database per test. Raises psycopg.Error.
    """
    owner, app = f"{prefix}_owner", f"{prefix}_app"
    with psycopg.connect(superuser_dsn, autocommit=True) as connection:
        _role(connection, owner, owner_password, "CREATEDB" if owner_creates_databases else "NOCREATEDB")
        _role(connection, app, app_password, "NOCREATEDB")
        _database(connection, database, owner)
        _run(connection, "GRANT CONNECT ON DATABASE {} TO {}", database, app)
    with psycopg.connect(superuser_dsn, dbname=database, autocommit=True) as connection:
        _run(connection, "REVOKE ALL ON SCHEMA public FROM PUBLIC")
        _run(connection, "GRANT USAGE ON SCHEMA public TO {}", app)
    return Prepared(
        owner_url=url(superuser_dsn, user=owner, password=owner_password, database=database),
        app_url=url(superuser_dsn, user=app, password=app_password, database=database),
        owner_role=owner,
        app_role=app,
    )


def prepare_target(superuser_dsn: str, *, database: str, role: str, password: str) -> str:
    """Make (or bring in line) a target database and its migration role; returns that role's URL.

    The role owns the database. It may create roles (the diary's first migration does) and databases (sandbox, restore),
    read in spite of row level security (a backup must be whole) and see other sessions (who holds the lock).
    """
    with psycopg.connect(superuser_dsn, autocommit=True) as connection:
        _role(connection, role, password, "CREATEDB CREATEROLE BYPASSRLS")
        _run(connection, "GRANT pg_monitor, pg_signal_backend TO {}", role)
        _database(connection, database, role)
    return url(superuser_dsn, user=role, password=password, database=database)


def url(server_dsn: str, *, user: str, password: str, database: str) -> str:
    """A connection URL to the same server for somebody else."""
    where = conninfo_to_dict(server_dsn)
    return f"postgresql://{quote(user)}:{quote(password)}@{where['host']}:{where.get('port', 5432)}/{quote(database)}"


def _role(connection: psycopg.Connection, role: str, password: str, attributes: str) -> None:
    known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
    statement = sql.SQL("{verb} ROLE {role} WITH LOGIN NOSUPERUSER {attributes} PASSWORD {password}").format(
        verb=sql.SQL("ALTER" if known else "CREATE"),
        role=sql.Identifier(role),
        attributes=sql.SQL(attributes),
        password=sql.Literal(password),
    )
    connection.execute(statement)


def _database(connection: psycopg.Connection, database: str, owner: str) -> None:
    if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone():
        # template0: template1 is anybody's to change. Its locale and encoding are the server's (C.UTF-8, UTF8).
        _run(connection, "CREATE DATABASE {} OWNER {} TEMPLATE template0", database, owner)
        _run(connection, "REVOKE ALL ON DATABASE {} FROM PUBLIC", database)


def _run(connection: psycopg.Connection, statement: str, *names: str) -> None:
    connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
