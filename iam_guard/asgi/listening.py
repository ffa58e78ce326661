"""Addresses to listen at: ``HOST:PORT``, ``[::1]:PORT``, or ``unix:PATH``."""

from __future__ import annotations

import os
import re
import socket
import stat
from pathlib import Path
from typing import NamedTuple

from iam_guard.errors import ConfigurationError, Fault

UNIX = "unix:"
#: Connections that wait to be accepted.
BACKLOG = 2048
#: Who may connect to a Unix socket: its owner and its group.
SOCKET_MODE = 0o660
#: What fits into ``sun_path`` (unix(7)), with the zero at its end.
_LONGEST_PATH = 107
_TCP = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/\[\]]+)):([0-9]{1,5})")


class Address(NamedTuple):
    """Where to listen.

    Attributes:
        host: Name or address; empty for a Unix socket.
        port: 0 for any that is free.
        path: Of the Unix socket; empty for TCP.
    """

    host: str = ""
    port: int = 0
    path: str = ""

    @property
    def is_unix(self) -> bool:
        """Whether it is a Unix socket."""
        return bool(self.path)

    def overlaps(self, other: Address) -> bool:
        """Whether both cannot be listened at together."""
        if self.is_unix or other.is_unix:
            return self.path == other.path
        everywhere = {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound
        return self.port != 0 and self.port == other.port and (
            self.host == other.host or self.host in everywhere or other.host in everywhere)

    def __str__(self) -> str:
        if self.is_unix:
            return f"{UNIX}{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def read_address(text: str, at: str = "") -> Address:
    """Read an address.

    Args:
        text: As the settings have it.
        at: Where they have it.

    Raises:
        ConfigurationError: it is no address.
    """
    if text.startswith(UNIX) and (path := text.removeprefix(UNIX)):
        if len(os.fsencode(path)) > _LONGEST_PATH:
            raise ConfigurationError(Fault(f"'{text}' is too long for a socket",
                                           f"name one of at most {_LONGEST_PATH} bytes", at))
        return Address(path=path)
    found = _TCP.fullmatch(text)
    if found is None or int(found[3]) > 65_535:
        raise ConfigurationError(Fault(f"'{text}' is not an address to listen at",
                                       "write it like '127.0.0.1:8181' or 'unix:/run/iam-guard/decide.sock'", at))
    return Address(found[1] or found[2], int(found[3]))


def check_address(text: str, at: str) -> None:
    """Check an address; an empty one is none.

    Raises:
        ConfigurationError: it is no address.
    """
    if text:
        read_address(text, at)


def open_socket(address: Address) -> socket.socket:
    """Listen.

    Raises:
        OSError: naming the address that is taken or not ours.
    """
    try:
        return _unix_socket(Path(address.path)) if address.is_unix else _tcp_socket(address)
    except OSError as problem:
        raise OSError(problem.errno, problem.strerror or str(problem), str(address)) from problem


def bound(listening: socket.socket) -> Address:
    """The address of a socket that listens; it tells which port was free."""
    if listening.family == socket.AF_UNIX:
        return Address(path=str(listening.getsockname()))
    host, port = listening.getsockname()[:2]
    return Address(host, port)


def let_go(listening: socket.socket, address: Address) -> None:
    """Close a socket, and remove its file."""
    listening.close()
    if address.is_unix:
        Path(address.path).unlink(missing_ok=True)


def _tcp_socket(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listening = socket.create_server((address.host, address.port), family=family, backlog=BACKLOG)
    # asyncio sees to this for sockets that it opens; without it every answer waits for an acknowledgement.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _unix_socket(path: Path) -> socket.socket:
    """A socket file of our own; one that a process left behind is replaced, one that is served is not."""
    _remove_stale(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o777 & ~SOCKET_MODE)
    try:
        listening.bind(str(path))
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    finally:
        os.umask(before)
    return listening


def _remove_stale(path: Path) -> None:
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise FileExistsError(17, "there is a file that is no socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        try:
            asking.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
    raise OSError(98, "another process listens there")
