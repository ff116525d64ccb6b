"""Which port is taken, and when not to start."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bfrb.errors import ConfigError

pytest.importorskip("grpc")

from bfrb.serve import channel
from bfrb.serve.channel import choose_port, is_free


@contextmanager
def listening(host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "::"])
def test_a_port_on_which_something_listens_is_not_free(host: str) -> None:
    try:
        with listening(host) as port:
            assert not is_free(port)
    except OSError:
        pytest.skip(f"this machine has no {host}")
    assert is_free(port)


def test_the_first_free_port_that_the_gateway_tries_is_taken_but_not_beside_a_stale_server_unless_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert (50051, *range(60053, 60063)) == channel.PORTS
    # Free ports in place of the real ones, which another program may hold.
    with listening() as first, listening() as second, listening() as third:
        monkeypatch.setattr(channel, "PORTS", (first, second, third))
    with listening(port=second):
        assert choose_port() == choose_port(any_port=True) == first
    with listening(port=first), listening(port=second):
        with pytest.raises(ConfigError, match=f"{first}, {second}, .* instead of this server"):
            choose_port()
        assert not caplog.text
        assert choose_port(any_port=True) == choose_port(third) == third
        assert f"{first}, {second}" in caplog.text
        with listening(port=third):
            for port, taken in ((second, f"port {second} is taken"), (None, f"{first}, {second}, {third} is taken")):
                with pytest.raises(ConfigError, match=taken):
                    choose_port(port, any_port=True)
