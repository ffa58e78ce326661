"""A bound on the length of bodies, for Envoy to enforce while they stream through.

Envoy itself can only bound a body that it holds whole. So it is given a program of a few hundred bytes, which runs in
its sandbox for WebAssembly: at the header and at each piece of the body it asks Envoy how long the body is, as declared
or as counted so far, and answers 413 when that is too long. It keeps nothing, and is told nothing of what it passes.

The functions that it calls, and those by which it is called, are those of Proxy-Wasm
(https://github.com/proxy-wasm/spec, version 0.2.1); the format is that of WebAssembly 1.0.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable

from iam_guard.gateway.envoy.shapes import Shape, typed
from iam_guard.http.response import PROBLEM_BASE

#: What Envoy is asked for: the declared length of the body, or else what has arrived of it.
_LENGTH = b"request\0size"
_TOO_LARGE = json.dumps({"type": f"{PROBLEM_BASE}body-too-large", "title": "Body too large", "status": 413}).encode()
_FIELDS = ((b"content-type", b"application/problem+json"), (b"cache-control", b"no-store"))

# Where things lie in the memory of the program: the place of an answer, what is written down, and what Envoy writes.
_ANSWER, _AT_LENGTH, _AT_BODY, _AT_FIELDS, _FREE = 64, 1024, 2048, 3072, 8192
_I32 = 0x7F
_CALL, _DROP, _IF, _ELSE, _END, _RETURN = b"\x10", b"\x1a", b"\x04\x40", b"\x05", b"\x0b", b"\x0f"
_LOAD_I32, _LOAD_I64, _NOT_ABOVE = b"\x28\x02\x00", b"\x29\x00\x00", b"\x58"
_PASS, _STOP = 0, 1


def bounding_filter(most: int) -> Shape:
    """The filter that answers 413 to longer bodies; when it does not work, nothing passes.

    Args:
        most: Longest body, in bytes.
    """
    code = {"local": {"inline_bytes": base64.b64encode(program(most)).decode()}}
    return {"name": "envoy.filters.http.wasm", "typed_config": typed(
        "envoy.extensions.filters.http.wasm.v3.Wasm",
        config={"name": "bodies", "fail_open": False, "vm_config": {"runtime": "envoy.wasm.runtime.v8", "code": code}})}


def program(most: int) -> bytes:
    """The program, as WebAssembly.

    Args:
        most: Longest body, in bytes.
    """
    types = [_type(0, 0), _type(1, 1), _type(3, 1), _type(4, 1), _type(8, 1)]
    imports = [_name(b"env") + _name(name) + b"\x00" + _number(kind)
               for name, kind in ((b"proxy_get_property", 3), (b"proxy_send_local_response", 4))]
    functions = [b"", _constant(_FREE), _judging(most)]
    exports = [_name(b"memory") + b"\x02\x00", *(_name(name) + b"\x00" + _number(number) for name, number in (
        (b"proxy_abi_version_0_2_1", 2), (b"malloc", 3), (b"proxy_on_request_headers", 4),
        (b"proxy_on_request_body", 4)))]
    written = [b"\x00" + _constant(place) + _END + _name(text)
               for place, text in ((_AT_LENGTH, _LENGTH), (_AT_BODY, _TOO_LARGE), (_AT_FIELDS, _fields()))]
    parts = ((1, types), (2, imports), (3, [b"\x00", b"\x01", b"\x02"]), (5, [b"\x00\x01"]), (7, exports),
             (10, [_name(b"\x00" + body + _END) for body in functions]), (11, written))
    return b"\0asm\x01\0\0\0" + b"".join(bytes([number]) + _name(_list(part)) for number, part in parts)


def _judging(most: int) -> bytes:
    """Pass where the length is known and not above *most*; answer otherwise."""
    asking = b"".join(map(_constant, (_AT_LENGTH, len(_LENGTH), _ANSWER, _ANSWER + 4))) + _CALL + b"\x00"
    length = _constant(_ANSWER) + _LOAD_I32 + _LOAD_I64
    judging = length + b"\x42" + _signed(most) + _NOT_ABOVE + _IF + _constant(_PASS) + _RETURN + _END
    answer = (413, 0, 0, _AT_BODY, len(_TOO_LARGE), _AT_FIELDS, len(_fields()), -1)
    refusing = b"".join(map(_constant, answer)) + _CALL + b"\x01" + _DROP
    return asking + _IF + _ELSE + judging + _END + refusing + _constant(_STOP)


def _fields() -> bytes:
    """Header fields, as this interface writes them."""
    texts = [text for field in _FIELDS for text in field]
    sizes = [len(_FIELDS), *map(len, texts)]
    return b"".join([*(size.to_bytes(4, "little") for size in sizes), *(text + b"\0" for text in texts)])


def _type(takes: int, gives: int) -> bytes:
    """The type of a function of 32-bit numbers."""
    return b"\x60" + _name(bytes([_I32] * takes)) + _name(bytes([_I32] * gives))


def _constant(value: int) -> bytes:
    return b"\x41" + _signed(value)


def _list(items: Iterable[bytes]) -> bytes:
    found = list(items)
    return _number(len(found)) + b"".join(found)


def _name(text: bytes) -> bytes:
    """Bytes, after their number."""
    return _number(len(text)) + text


def _number(value: int) -> bytes:
    """LEB128, unsigned."""
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*made, value])


def _signed(value: int) -> bytes:
    """LEB128, signed."""
    made = bytearray()
    while not -0x40 <= value < 0x40:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*made, value & 0x7F])
