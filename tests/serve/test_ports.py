"""Which port is taken, and when not to start."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bfrb.serve import ports
from bfrb.serve.ports import PortError, choose_port, default_host, is_free


@contextmanager
def listening(host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as server:
        server.bind((host, port))
        server.listen()
        yield server.getsockname()[1]


@pytest.fixture
def gateway_ports(monkeypatch: pytest.MonkeyPatch) -> tuple[int, ...]:
    """Three free ports in place of the real ones, which another program may hold."""
    with listening() as first, listening() as second, listening() as third:
        chosen = (first, second, third)
    monkeypatch.setattr(ports, "PORTS", chosen)
    return chosen


def test_the_ports_are_those_that_the_gateway_tries() -> None:
    assert (50051, *range(60053, 60063)) == ports.PORTS
    assert len(ports.PORTS) == 11


def test_the_first_port_is_taken_if_it_is_free(gateway_ports: tuple[int, ...]) -> None:
    assert choose_port() == gateway_ports[0]
    assert choose_port(any_port=True) == gateway_ports[0]


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "::"])
def test_a_port_on_which_something_listens_is_not_free(host: str) -> None:
    try:
        with listening(host) as port:
            assert not is_free(port)
    except OSError:
        pytest.skip(f"this machine has no {host}")
    assert is_free(port)


def test_a_stale_server_on_an_earlier_port_is_not_started_beside(gateway_ports: tuple[int, ...]) -> None:
    with (
        listening(port=gateway_ports[0]),
        pytest.raises(PortError, match=f"{gateway_ports[0]}.* instead of this server"),
    ):
        choose_port()


def test_told_so_a_server_starts_beside_a_stale_one_and_warns(
    gateway_ports: tuple[int, ...], caplog: pytest.LogCaptureFixture
) -> None:
    with listening(port=gateway_ports[0]), listening(port=gateway_ports[1]):
        assert choose_port(any_port=True) == gateway_ports[2]
        assert f"{gateway_ports[0]}, {gateway_ports[1]}" in caplog.text
        assert choose_port(gateway_ports[2]) == gateway_ports[2]


def test_something_on_a_later_port_does_no_harm(gateway_ports: tuple[int, ...]) -> None:
    with listening(port=gateway_ports[1]):
        assert choose_port() == gateway_ports[0]


def test_a_port_that_was_asked_for_has_to_be_free() -> None:
    with listening() as port, pytest.raises(PortError, match=f"port {port} is taken"):
        choose_port(port)


def test_without_any_free_port_there_is_an_error(gateway_ports: tuple[int, ...]) -> None:
    first, second, third = gateway_ports
    with listening(port=first), listening(port=second), listening(port=third), pytest.raises(PortError, match="all of"):
        choose_port(any_port=True)


@pytest.mark.parametrize("value", ["", "1", "False"])
def test_all_interfaces_are_listened_on_only_where_kaggle_evaluates(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.delenv(ports.RERUN, raising=False)
    assert default_host() == "127.0.0.1"
    monkeypatch.setenv(ports.RERUN, value)
    assert default_host() == "[::]"
