"""What the header fields of a call say; a connection says the same again and again."""

from __future__ import annotations

from iam_guard.sidecar.ext_authz.http2.calls import Head, head_of
from iam_guard.sidecar.ext_authz.http2.hpack import Unpacker

#: Blocks that are remembered, and the longest of them: one that refers to fields before it takes a byte for each.
_KEPT, _SHORT = 64, 64


class Heads:
    """Reads the blocks of header fields of one connection, in their order.

    A block that changes nothing for later ones means the same as long as none comes that does.
    """

    def __init__(self) -> None:
        self._unpacker = Unpacker()
        self._known: dict[bytes, Head] = {}

    def read(self, block: bytes) -> Head:
        """What a whole block says. Each has to be read, whether its call is answered or not.

        Raises:
            PackingError: it is no list of fields.
        """
        return self._known.get(block) or self._unpacked(block)

    def _unpacked(self, block: bytes) -> Head:
        before = self._unpacker.changes
        head = head_of(self._unpacker.fields(block))
        if self._unpacker.changes != before or len(self._known) >= _KEPT:
            self._known.clear()
        if self._unpacker.changes == before and len(block) <= _SHORT:
            self._known[block] = head
        return head
