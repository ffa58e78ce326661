"""The Huffman code of header fields (RFC 7541, section 5.2 and appendix B).

The code is canonical: codes count up within a length and double from one length to the next, so the lengths say it all.
"""

from __future__ import annotations

from functools import lru_cache

#: Length of the code of each byte, and of the end of a string as the last.
_LENGTHS = bytes.fromhex(
    "0d171c1c1c1c1c1c1c181e1c1c1e1c1c1c1c1c1c1c1c1e1c1c1c1c1c1c1c1c1c060a0a0c0d06080b0a0a080b08060606"
    "0505050606060606060607080f060c0a0d06070707070707070707070707070707070707070707070807080d130d0e06"
    "0f05060506050606060507070606060506070605050607070707070f0b0e0d1c14161414161616171617171717171817"
    "181816171817171717151617161717181615141616171715171616181516171715151615171617171416161617161617"
    "1a1a1413161716191a1a1a1b1b1a181913151a1b1b1a1b1815151a1a1c1b1b1b14181415161515171616191918181a17"
    "1a1b1a1a1b1b1b1b1b1c1b1b1b1b1b1a1e")
_END = 256
#: No padding is longer: it is part of the code of the end, and shorter than a byte.
_MAX_PADDING = 7


class HuffmanError(ValueError):
    """What was sent is no code."""


def _codes() -> dict[tuple[int, int], int]:
    """Symbols by length and code."""
    found: dict[tuple[int, int], int] = {}
    code = length = 0
    for size, symbol in sorted((size, symbol) for symbol, size in enumerate(_LENGTHS)):
        code <<= size - length
        length = size
        found[size, code] = symbol
        code += 1
    return found


_CODES = _codes()
_ROOT = (0, 0)


@lru_cache(maxsize=16_384)
def _step(length: int, code: int, byte: int) -> tuple[int, int, bytes]:
    """What the next byte makes of a code that has begun: the code that has begun by then, and the symbols before it.

    Raises:
        HuffmanError: the end of the string stands in it.
    """
    out = bytearray()
    for shift in (7, 6, 5, 4, 3, 2, 1, 0):
        code = code << 1 | byte >> shift & 1
        length += 1
        symbol = _CODES.get((length, code))
        if symbol is not None:
            if symbol == _END:
                raise HuffmanError("a string holds its own end")
            out.append(symbol)
            length, code = _ROOT
    return length, code, bytes(out)


def decoded(data: bytes) -> bytes:
    """The string that *data* stands for.

    Raises:
        HuffmanError: it stands for none.
    """
    out = []
    length, code = _ROOT
    for byte in data:
        length, code, symbols = _step(length, code, byte)
        out.append(symbols)
    if length > _MAX_PADDING or code != (1 << length) - 1:
        raise HuffmanError("a string is padded wrongly")
    return b"".join(out)
