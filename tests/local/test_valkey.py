"""The embedded broker: it keeps what it took, asks for its password, and says what is wrong."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from changecontrol.local.valkey import Broker, BrokerPortInUse


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path / "broker")
    yield made
    made.remove()


def client(broker: Broker) -> redis.Redis:
    return redis.Redis.from_url(broker.url, decode_responses=True)


def test_it_keeps_its_messages_through_stop_and_kill(broker: Broker) -> None:
    broker.start()
    with client(broker) as connection:
        connection.rpush("queue", "one")
    broker.stop()
    broker.start()
    with client(broker) as connection:
        connection.rpush("queue", "two")
    broker.kill()
    broker.start()
    with client(broker) as connection:
        assert connection.lrange("queue", 0, -1) == ["one", "two"]


def test_it_refuses_a_client_without_its_password(broker: Broker) -> None:
    broker.start()
    with redis.Redis(port=broker.port) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()


def test_it_never_drops_a_message_for_want_of_memory(broker: Broker) -> None:
    broker.start()
    with client(broker) as connection:
        assert connection.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
        assert connection.config_get("bind")["bind"] == "127.0.0.1"


def test_its_password_shows_in_no_command_line(broker: Broker) -> None:
    broker.start()
    assert broker.process is not None
    assert broker.password not in Path(f"/proc/{broker.process.pid}/cmdline").read_text()


def test_it_names_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        broker = Broker(tmp_path / "broker", port=taken.getsockname()[1])
        with pytest.raises(BrokerPortInUse, match="is already used by another program"):
            broker.start()
        broker.remove()
