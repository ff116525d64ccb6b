"""Which port is taken, and when not to start."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

pytest.importorskip("grpc")

from bfrb.serve import channel
from bfrb.serve.channel import PortError, choose_port, is_free


@contextmanager
def listening(host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as server:
        yield server.getsockname()[1]


@pytest.fixture
def gateway_ports(monkeypatch: pytest.MonkeyPatch) -> tuple[int, ...]:
    """Three free ports in place of the real ones, which another program may hold."""
    with listening() as first, listening() as second, listening() as third:
        chosen = (first, second, third)
    monkeypatch.setattr(channel, "PORTS", chosen)
    return chosen


def test_the_ports_are_those_that_the_gateway_tries() -> None:
    assert (50051, *range(60053, 60063)) == channel.PORTS


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "::"])
def test_a_port_on_which_something_listens_is_not_free(host: str) -> None:
    try:
        with listening(host) as port:
            assert not is_free(port)
    except OSError:
        pytest.skip(f"this machine has no {host}")
    assert is_free(port)


def test_the_first_port_is_chosen_if_it_is_free_whatever_listens_on_later_ones(gateway_ports: tuple[int, ...]) -> None:
    with listening(port=gateway_ports[1]):
        assert choose_port() == choose_port(any_port=True) == gateway_ports[0]


def test_beside_a_stale_server_on_an_earlier_port_none_is_chosen_unless_told(
    gateway_ports: tuple[int, ...], caplog: pytest.LogCaptureFixture
) -> None:
    first, second, third = gateway_ports
    with listening(port=first), listening(port=second):
        with pytest.raises(PortError, match=f"{first}, {second}, .* instead of this server"):
            choose_port()
        assert not caplog.text
        assert choose_port(any_port=True) == third
        assert f"{first}, {second}" in caplog.text
        assert choose_port(third) == third


def test_a_port_that_was_asked_for_has_to_be_free_and_one_of_them_at_all(gateway_ports: tuple[int, ...]) -> None:
    first, second, third = gateway_ports
    with listening(port=first), listening(port=second), listening(port=third):
        for port, taken in ((second, f"port {second} is taken"), (None, f"{first}, {second}, {third} is taken")):
            with pytest.raises(PortError, match=taken):
                choose_port(port, any_port=True)
