"""docker-compose.yml without a container engine: the official schema, and who may know and reach what."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import psycopg
import pytest
import yaml

from changecontrol.local import testing

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENTS = ("development", "staging", "production")
WORKERS = {f"worker-{name}" for name in ENVIRONMENTS}
OURS = {"web", "beat", "migrate", *WORKERS}
ONE_SHOT = {"migrate"}


@cache
def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))


def services() -> dict[str, dict[str, Any]]:
    return compose()["services"]


def words(value: object) -> Iterator[str]:
    """Every string in a YAML value, keys left out."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from words(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from words(inner)
    elif isinstance(value, str):
        yield value


def test_it_is_valid_by_the_official_schema() -> None:
    schema = json.loads((ROOT / "tests/data/compose-spec.json").read_text(encoding="utf-8"))
    validator = jsonschema.validators.validator_for(schema)
    validator.check_schema(schema)
    assert [error.message for error in validator(schema).iter_errors(compose())] == []
    # the schema does refuse: a check that never fails would prove nothing
    assert list(validator(schema).iter_errors({**compose(), "services": {"web": {"image": 1}}}))


def test_it_has_web_beat_three_workers_two_stores_and_three_targets() -> None:
    assert {*OURS, "database", "valkey", *(f"target-{name}" for name in ENVIRONMENTS)} <= set(services())


def test_it_refers_only_to_what_it_declares() -> None:
    for name, service in services().items():
        assert set(service.get("networks", [])) <= set(compose()["networks"]), name
        assert set(service.get("secrets", [])) <= set(compose()["secrets"]), name
        assert set(service.get("depends_on", {})) <= set(services()), name
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in compose()["volumes"] or source.startswith((".", "$")), (name, volume)
    used = {secret for service in services().values() for secret in service.get("secrets", [])}
    assert used == set(compose()["secrets"])


@pytest.mark.parametrize("name", sorted(services()))
def test_it_has_a_health_check_or_is_one_shot(name: str) -> None:
    service = services()[name]
    if name in ONE_SHOT:
        assert service["restart"] == "no"
        waiting = [other for other in services().values() if name in other.get("depends_on", {})]
        assert {other["depends_on"][name]["condition"] for other in waiting} == {"service_completed_successfully"}
    else:
        assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
        assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", sorted(services()))
def test_it_runs_nothing_as_root_and_without_capabilities(name: str) -> None:
    service = services()[name]
    assert str(service["user"]).split(":")[0] not in {"", "0", "root"}
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged")
    assert not service.get("cap_add")
    if name in OURS:
        assert service["read_only"] is True


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_it_shows_a_worker_its_own_network_and_database_only(environment: str) -> None:
    worker = services()[f"worker-{environment}"]
    assert set(worker["networks"]) == {"core", environment}
    command = worker["command"]
    assert command[:2] == ["celery", "-A"]
    assert command[command.index("-Q") + 1] == environment
    others = set(ENVIRONMENTS) - {environment}
    everywhere = compose()["x-environment"].values()
    mentioned = [text for text in words(worker) if text not in everywhere and any(other in text for other in others)]
    assert mentioned == []
    assert {secret for secret in worker["secrets"] if secret.startswith(("target_", "sandbox_"))} == {
        f"target_{environment}",
        f"sandbox_{environment}",
    }
    assert worker["environment"]["CHANGECONTROL_SANDBOX"] == f"file:/run/secrets/sandbox_{environment}"
    assert f"backups-{environment}:/backups" in worker["volumes"]
    assert services()[f"target-{environment}"]["networks"] == [environment]
    members = {name for name, service in services().items() if environment in service["networks"]}
    assert members == {f"worker-{environment}", f"target-{environment}", f"sandbox-{environment}"}
    assert compose()["networks"][environment]["internal"] is True


def test_it_keeps_web_and_beat_away_from_targets() -> None:
    for name in ("web", "beat", "migrate"):
        service = services()[name]
        assert not set(service["networks"]) & set(ENVIRONMENTS), name
        assert not [secret for secret in service["secrets"] if secret.startswith(("target_", "sandbox_"))], name


def test_it_publishes_nothing_but_the_web_port_on_loopback() -> None:
    assert {name for name, service in services().items() if "ports" in service} == {"web"}
    assert all(port.startswith("127.0.0.1:") for port in services()["web"]["ports"])


def test_it_gives_the_owner_only_to_migrate() -> None:
    holders = {name for name, service in services().items() if "database_owner_url" in service.get("secrets", [])}
    assert holders == {"migrate"}


def test_it_holds_secrets_as_files_only() -> None:
    for name, secret in compose()["secrets"].items():
        assert secret == {"file": f"./docker/secrets/{name}"}
    for name, service in services().items():
        for variable, value in service.get("environment", {}).items():
            if re.search(r"SECRET|PASSWORD|TOKEN|_URL", variable):
                assert variable.endswith("_FILE"), f"{name}: {variable} is a literal"
                assert value.removeprefix("/run/secrets/") in service["secrets"], (
                    f"{name}: {variable} names no secret of it"
                )
        for text in words(service):
            assert not re.search(r"://[^/\s]*:[^/\s]*@", text), f"{name}: a connection string"
    assert "docker/secrets" not in (ROOT / ".dockerignore").read_text(encoding="utf-8")


def test_it_builds_in_two_stages_from_the_lock_and_not_as_root() -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    assert len([line for line in lines if line.startswith("FROM ")]) == 2
    assert any("--require-hashes" in line and "runtime.txt" in line for line in lines)
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users and users[-1].split(":")[0] not in {"0", "root"}
    assert users[-1] == services()["web"]["user"]
    assert (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()[1] == "*"


def make_secrets(folder: Path) -> str:
    done = subprocess.run(
        [ROOT / "docker/make-secrets.sh", folder], check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout


def test_it_makes_every_secret_once(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    first = make_secrets(folder)
    made = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    assert set(made) == set(compose()["secrets"])
    assert folder.stat().st_mode & 0o777 == 0o700
    assert not [text for text in made.values() if text in first], "a secret was printed"
    for kind in ("owner", "app"):
        url = made["database_owner_url" if kind == "owner" else "database_url"]
        assert (
            url == f"postgresql://changecontrol_{kind}:{made[f'database_{kind}_password']}@database:5432/changecontrol"
        )
    for environment in ENVIRONMENTS:
        assert f":{made[f'target_{environment}_password']}@target-{environment}:" in made[f"target_{environment}"]
    passwords = [value for name, value in made.items() if name.endswith(("_password", "_key"))]
    assert len(set(passwords)) == len(passwords) and all(len(value) == 64 for value in passwords)
    assert make_secrets(folder) == ""
    assert made == {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def test_it_prepares_our_database_and_a_target(tmp_path: Path, servers: testing.Servers) -> None:
    """The init scripts of the images, run by psql against a real server as the images' entry point would."""
    secrets = tmp_path / "secrets"
    make_secrets(secrets)
    cluster = servers.new_cluster("images")
    try:
        files = {
            "DATABASE_OWNER_PASSWORD_FILE": secrets / "database_owner_password",
            "DATABASE_APP_PASSWORD_FILE": secrets / "database_app_password",
            "MIGRATOR_PASSWORD_FILE": secrets / "target_production_password",
        }
        for script in ("docker/postgres/10-roles.sql", "docker/target/10-migrator.sql"):
            subprocess.run(
                [cluster.psql, "--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-d", cluster.dsn(), "-f", ROOT / script],
                check=True,
                capture_output=True,
                timeout=60,
                env={**os.environ, **{name: str(path) for name, path in files.items()}},
            )
        password = {name: path.read_text(encoding="utf-8") for name, path in files.items()}
        owner = cluster.dsn("changecontrol", "changecontrol_owner", password["DATABASE_OWNER_PASSWORD_FILE"])
        app = cluster.dsn("changecontrol", "changecontrol_app", password["DATABASE_APP_PASSWORD_FILE"])
        migrator = cluster.dsn("diary", "migrator", password["MIGRATOR_PASSWORD_FILE"])
        with psycopg.connect(owner) as connection:
            connection.execute("CREATE TABLE made (id int)")
        with psycopg.connect(app) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("CREATE TABLE refused (id int)")
        with psycopg.connect(migrator) as connection:
            connection.execute("CREATE ROLE diary_reader")
            connection.execute("CREATE TABLE diary (id int)")
            row = connection.execute(
                "SELECT pg_has_role('pg_monitor', 'usage'), rolsuper FROM pg_roles WHERE rolname = current_user"
            ).fetchone()
            assert row == (True, False)
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(cluster.dsn("changecontrol", "migrator", password["MIGRATOR_PASSWORD_FILE"]))
    finally:
        cluster.remove()
