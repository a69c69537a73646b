"""Sessions on targets: fresh, direct, pinned; every failure a sentence without secrets."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from changecontrol.local.postgres import Cluster
from changecontrol.local.testing import Servers
from changecontrol.rules.refusal import Refused
from changecontrol.targets import connection
from changecontrol.targets.connection import Fingerprint, Session, Where, connect, fingerprint, resolve
from tests.targets.stage import one, unique


def test_it_pins_every_setting(session: Session) -> None:
    shown = {
        name: one(session, f"SHOW {name}")
        for name in ("TimeZone", "DateStyle", "IntervalStyle", "standard_conforming_strings", "search_path")
    }
    assert shown == {
        "TimeZone": "UTC",
        "DateStyle": "ISO, MDY",
        "IntervalStyle": "postgres",
        "standard_conforming_strings": "on",
        "search_path": "public",
    }
    assert one(session, "SHOW application_name") == "CR-0001 execution 1"
    assert one(session, "SHOW client_min_messages") == "notice"
    assert (one(session, "SHOW lock_timeout"), one(session, "SHOW statement_timeout")) == ("3s", "5min")


def test_it_pins_over_what_the_database_and_the_role_set(where: Where) -> None:
    with connect(where, application_name="x") as opened:
        name = opened.info.dbname
        opened.execute(f"ALTER DATABASE {name} SET TimeZone = 'Asia/Tokyo'".encode())
        opened.execute(f"ALTER DATABASE {name} SET standard_conforming_strings = off".encode())
    with connect(where, application_name="x") as opened:
        assert one(opened, "SHOW TimeZone") == "UTC"
        assert one(opened, "SHOW standard_conforming_strings") == "on"


def test_it_becomes_the_configured_role(where: Where, session: Session) -> None:
    role = unique("owner")
    session.execute(f'CREATE ROLE "{role} x"'.encode())
    with connect(Where(where.dsn, set_role=f"{role} x"), application_name="x") as opened:
        assert one(opened, "SELECT current_user") == f"{role} x"
        opened.execute("RESET ROLE")
        opened.pin()
        assert one(opened, "SELECT current_user") == f"{role} x"
    session.execute(f'DROP ROLE "{role} x"'.encode())


def test_it_refuses_a_role_that_cannot_be_taken(where: Where) -> None:
    with pytest.raises(connection.RoleRefused, match=r'does not let the login become the role "nobody_here": role'):
        connect(Where(where.dsn, set_role="nobody_here", name="staging"), application_name="x")


@pytest.mark.parametrize(
    ("change", "refusal", "words"),
    [
        ({"password": "wrong-secret"}, connection.WrongPassword, "staging does not accept the password"),
        ({"dbname": "nowhere"}, connection.DatabaseMissing, 'staging has no database "nowhere"'),
        ({"port": "1"}, connection.TargetUnreachable, "staging does not answer: nothing listens at its address"),
        ({"host": "no.such.host.invalid"}, connection.TargetUnreachable, "its host name is not known here"),
        ({"sslmode": "require"}, connection.TargetUnreachable, "TLS could not be agreed"),
    ],
)
def test_it_says_why_it_cannot_connect(
    cluster: Cluster, change: dict[str, str], refusal: type[Refused], words: str
) -> None:
    dsn = psycopg.conninfo.make_conninfo(cluster.dsn(), **change)
    with pytest.raises(refusal, match=words) as refused:
        connect(Where(dsn, name="staging"), application_name="x")
    assert cluster.password not in str(refused.value) and "wrong-secret" not in str(refused.value)
    assert refused.value.__cause__ is None and refused.value.__context__ is None  # psycopg's error holds the password


@pytest.mark.parametrize("dsn", ["", "not a connection string", "secret=hunter2", "postgresql://u:p@h:port/x"])
def test_it_refuses_what_is_no_connection_string(dsn: str) -> None:
    with pytest.raises(Refused) as refused:
        connect(Where(dsn, name="staging"), application_name="x")
    assert "hunter2" not in str(refused.value) and "staging" in str(refused.value)
    assert refused.value.__context__ is None


def test_it_says_when_the_target_has_no_connection_left(servers: Servers, session: Session, where: Where) -> None:
    role = unique("limited")
    session.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x' CONNECTION LIMIT 0".encode())
    dsn = psycopg.conninfo.make_conninfo(where.dsn, user=role, password="x")
    with pytest.raises(connection.TargetFull, match="has no connection left for us"):
        connect(Where(dsn, name="staging"), application_name="x")
    session.execute(f"DROP ROLE {role}".encode())


@contextmanager
def pooler(cluster: Cluster) -> Iterator[int]:
    """A proxy that gives clients another process id than the server's, as a connection pooler does."""
    listener = socket.create_server(("127.0.0.1", 0))

    def pump(source: socket.socket, sink: socket.socket, forge: bool) -> None:
        buffer = b""
        with suppress(OSError):
            while data := source.recv(65536):
                buffer = buffer + data if forge else data
                at = buffer.find(b"K" + struct.pack("!i", 12)) if forge else -1
                if at >= 0 and len(buffer) >= at + 13:
                    buffer = buffer[: at + 5] + struct.pack("!i", 4242) + buffer[at + 9 :]
                    forge = False
                sink.sendall(buffer)
                buffer = b""
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", cluster.port))
                threads = [
                    threading.Thread(target=pump, args=(client, server, False)),
                    threading.Thread(target=pump, args=(server, client, True)),
                ]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                client.close()
                server.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


def test_it_refuses_a_pooler(cluster: Cluster) -> None:
    with pooler(cluster) as port:
        dsn = psycopg.conninfo.make_conninfo(
            cluster.dsn(), port=port, sslmode="disable", gssencmode="disable", max_protocol_version="3.0"
        )
        with pytest.raises(connection.PoolerInBetween, match="staging is reached through a connection pooler"):
            connect(Where(dsn, name="staging"), application_name="x")


def test_it_recognizes_the_database_by_its_fingerprint(session: Session, where: Where, cluster: Cluster) -> None:
    registered = fingerprint(session)
    assert (registered.major, registered.encoding, registered.extensions) == (18, "UTF8", {"plpgsql": "1.0"})
    assert Fingerprint.from_json(registered.to_json()) == registered
    connection.require(registered.to_json(), fingerprint(session), target="staging")
    with connect(Where(cluster.dsn(), name="staging"), application_name="x") as elsewhere:
        with pytest.raises(connection.WrongDatabase) as refused:
            connection.require(registered, fingerprint(elsewhere), target="staging")
    said = f'the database is "postgres" instead of "{session.info.dbname}"'
    assert str(refused.value).startswith(f"staging is not the database it was registered as: {said}")


def test_it_recognizes_another_cluster_and_version(session: Session, older: Where) -> None:
    with connect(older, application_name="x") as elsewhere:
        said = connection.compare(fingerprint(session), fingerprint(elsewhere))
    assert "another server cluster answers" in said[0]
    assert any("runs PostgreSQL 17 instead of 18" in sentence for sentence in said)


def test_it_resolves_references(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PRODUCTION_DSN", "postgresql://u:hunter2@h/x")
    secret = tmp_path / "dsn"
    secret.write_text("postgresql://u:hunter2@h/y\n")
    assert resolve("env:PRODUCTION_DSN") == "postgresql://u:hunter2@h/x"
    assert resolve(f"file:{secret}") == "postgresql://u:hunter2@h/y"
    assert resolve("service:diary-production") == "service=diary-production"


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("env:NOT_SET_ANYWHERE", "env:NOT_SET_ANYWHERE points to nothing"),
        ("file:/no/such/file", "file:/no/such/file points to nothing"),
        ("file:/proc", "file:/proc cannot be read"),
        ("postgresql://u:hunter2@h/x", "must start with env:, file: or service:"),
        ("service:x password=y", "must start with env:"),
        ("", "must start with env:"),
    ],
)
def test_it_refuses_other_references_without_repeating_them(reference: str, words: str) -> None:
    with pytest.raises(Refused, match=words) as refused:
        resolve(reference)
    assert "hunter2" not in str(refused.value)
