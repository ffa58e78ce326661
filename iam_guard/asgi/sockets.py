"""The sockets of a program, by what they were asked for: opened once, kept while they are wanted."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping

from iam_guard.asgi.listening import Address, bound, let_go, open_socket


class Sockets:
    """Sockets that listen, whoever serves them: servers get duplicates, in this process and in others."""

    def __init__(self) -> None:
        self._open: dict[Address, socket.socket] = {}

    @property
    def all(self) -> Mapping[Address, socket.socket]:
        """Every one."""
        return self._open

    def open(self, wanted: Iterable[Address]) -> dict[Address, socket.socket]:
        """Open those that are not open yet, or none.

        Returns:
            The new ones.

        Raises:
            OSError: naming an address that is taken or not ours.
        """
        found: dict[Address, socket.socket] = {}
        try:
            for address in wanted:
                if address not in self._open and address not in found:
                    found[address] = open_socket(address)
        except OSError:
            for address, listening in found.items():
                let_go(listening, address)
            raise
        self._open |= found
        return found

    def keep(self, wanted: Iterable[Address]) -> None:
        """Let go of all others."""
        for address in self._open.keys() - set(wanted):
            let_go(self._open.pop(address), address)

    def bound(self) -> dict[Address, Address]:
        """Where each one is, which tells the ports that were free."""
        return {address: bound(listening) for address, listening in self._open.items()}
