"""Whether a port can be bound."""

import socket

import pytest

from bluelake.core.errors import ConfigurationError
from bluelake.stack.ports import require_free_port
from tests.support.processes import free_port


def test_a_free_port_passes_and_stays_free() -> None:
    port = free_port()

    require_free_port("WEB_PORT", "127.0.0.1", port)
    require_free_port("WEB_PORT", "127.0.0.1", port)


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_taken_port_names_the_setting(family: socket.AddressFamily, host: str) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as taken:
        try:
            taken.bind((host, 0))
        except OSError:
            pytest.skip(f"this machine has no {host}")
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(ConfigurationError) as caught:
            require_free_port("WEB_PORT", host, port)

    assert str(caught.value) == (
        f"WEB_PORT: port {port} of {host} is taken; stop what uses it, or choose another by WEB_PORT"
    )


def test_a_port_that_was_just_left_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            # The side that closes first keeps the port in TIME_WAIT.
            server.accept()[0].close()

    require_free_port("WEB_PORT", "127.0.0.1", port)


def test_an_address_of_another_machine_says_why() -> None:
    with pytest.raises(ConfigurationError, match=r"^WEB_PORT: port \d+ of 203\.0\.113\.1 Cannot assign") as caught:
        require_free_port("WEB_PORT", "203.0.113.1", free_port())

    assert "is taken" not in str(caught.value)
