"""Sockets of a gateway, which its processes share."""

from __future__ import annotations

import socket

from iam_guard.asgi.listening import UNIX, Address, bound, open_socket
from iam_guard.errors import ConfigurationError, Fault


def listen(address: Address, at: str = "") -> socket.socket:
    """Open a socket that listens.

    Args:
        address: Where.
        at: JSON pointer of the setting that says so.

    Raises:
        ConfigurationError: the address is taken or is not one of this machine.
    """
    try:
        return open_socket(address)
    except OSError as problem:
        raise ConfigurationError(Fault(f"cannot listen at '{address}': {problem.strerror or problem}",
                                       "choose another address, or end who listens there", at)) from None


def url_of(listening: socket.socket, *, secure: bool = False) -> str:
    """How the address is told: ``http://127.0.0.1:40123`` or ``unix:PATH``."""
    address = bound(listening)
    return f"{UNIX}{address.path}" if address.is_unix else f"{'https' if secure else 'http'}://{address}"
