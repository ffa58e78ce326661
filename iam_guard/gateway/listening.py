"""Where a gateway listens: addresses in settings, and sockets that processes share."""

from __future__ import annotations

import contextlib
import re
import socket
from pathlib import Path
from typing import NamedTuple

from iam_guard.errors import ConfigurationError, Fault

_ADDRESS = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})")
_UNIX = "unix:"
_BACKLOG = 2048
#: Readable and writable by the owner and the group: for the proxy in front, not for everybody on the machine.
_SOCKET_MODE = 0o660


class Place(NamedTuple):
    """An address to listen at.

    Attributes:
        host: Empty for a Unix socket.
        port: 0 for any that is free.
        path: Of a Unix socket.
    """

    host: str = ""
    port: int = 0
    path: str = ""

    @classmethod
    def from_text(cls, text: str, at: str = "") -> Place:
        """Read ``HOST:PORT``, ``[ADDRESS]:PORT`` or ``unix:PATH``.

        Args:
            text: The setting.
            at: Its JSON pointer.

        Raises:
            ConfigurationError: it is none of them.
        """
        if text.startswith(_UNIX) and len(text) > len(_UNIX):
            return cls(path=text[len(_UNIX):])
        found = _ADDRESS.fullmatch(text)
        if found is None or int(found[3]) > 65_535:
            raise ConfigurationError(Fault(f"'{text}' is no address to listen at",
                                           "write it like '127.0.0.1:8080', '[::1]:8080' or 'unix:PATH'", at))
        return cls(found[1] or found[2], int(found[3]))


def listen(place: Place, at: str = "") -> socket.socket:
    """Open a socket that listens.

    Args:
        place: Where.
        at: JSON pointer of the setting that says so.

    Raises:
        ConfigurationError: the address is taken or is not one of this machine.
    """
    try:
        return _at_path(place.path) if place.path else _at_port(place.host, place.port)
    except OSError as problem:
        where = place.path or f"{place.host}:{place.port}"
        raise ConfigurationError(Fault(f"cannot listen at '{where}': {problem.strerror or problem}",
                                       "choose another address, or end who listens there", at)) from None


def _at_port(host: str, port: int) -> socket.socket:
    listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET,
                                     backlog=_BACKLOG)
    # asyncio sees to this for sockets that it opens; without it every answer waits for an acknowledgement.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _at_path(path: str) -> socket.socket:
    if Path(path).is_socket() and not _answers(path):
        Path(path).unlink()  # left behind by a process that was killed
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(path)
        Path(path).chmod(_SOCKET_MODE)
        listening.listen(_BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking, contextlib.suppress(OSError):
        asking.settimeout(1)
        asking.connect(path)
        return True
    return False


def url_of(listening: socket.socket, *, secure: bool = False) -> str:
    """How the address is told: ``http://127.0.0.1:40123`` or ``unix:PATH``."""
    name = listening.getsockname()
    if isinstance(name, str):
        return f"{_UNIX}{name}"
    host, port = name[:2]
    return f"{'https' if secure else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
