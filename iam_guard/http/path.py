"""The path of a request, as the application's router will read it, or a refusal.

The guard decides on the decoded path that the router matches (ASGI ``scope["path"]``). The bytes on the wire
(``raw_path``) are looked at as well, because decoding hides things: ``%2F`` has become a slash by then.
Nothing is repaired silently: what two programs could read in two ways is refused (promises S2 to S4).
"""

from __future__ import annotations

import re
from unicodedata import normalize
from urllib.parse import unquote_to_bytes

from iam_guard.errors import RequestRefusedError

#: Accepts, in one linear pass, what nearly every request has: no escapes, no empty or dotted segment starts.
#: A path that it matches can be read in one way; it does not match some others that are fine.
PLAIN_PATH = re.compile(r"(?=/)(?:/[-A-Za-z0-9_~!$&'()*+,=:@][-A-Za-z0-9_~!$&'()*+,=:@.]*+)*+/?+")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffd]")
# What a second decoding would turn into a separator, a dot, a percent sign or a control character.
_RESIDUE = re.compile(r"%(?:2[eEfF5]|5[cC]|7[fF]|[01][0-9A-Fa-f])")
_TRIPLET = re.compile(r"%[0-9A-Fa-f]{2}")
_RAW_UNSAFE = re.compile(rb"%(?:2[fF]|5[cC]|00|(?![0-9A-Fa-f]{2}))|[#?\\\x00-\x20\x7f]")
_SEPARATORS = frozenset("/\\.%:*")
# Slashes that NFKC leaves alone but older code pages fold onto ASCII.
_FOLDED_SLASHES = frozenset("\u2044\u2215\u2216\u29f5\u29f8\u29f9")
_DOTS = (".", "..")


def has_control(text: str) -> bool:
    """Say whether *text* holds a control character, a line separator, a surrogate or a replacement character."""
    return _CONTROL.search(text) is not None


def has_lookalike(text: str) -> bool:
    r"""Say whether a foreign character of *text* may become one of ``/ \ . % : *`` in a later program."""
    if text.isascii():
        return False
    return any(char in _FOLDED_SLASHES or not _SEPARATORS.isdisjoint(normalize("NFKC", char))
               for char in text if char > "\x7f")


def has_dot_segment(text: str) -> bool:
    """Say whether a ``.`` or ``..`` segment occurs in *text*."""
    return any(segment in _DOTS for segment in text.split("/"))


def refused(description: str) -> RequestRefusedError:
    """The answer to a path that can be read in two ways: 400, ``ambiguous-path``."""
    return RequestRefusedError(description)


def careful_path(path: str, raw: bytes | None, *, root_path: str = "", resolve: bool = False,
                 semicolon: bool = False, residue: bool = False) -> str:
    """Check a path that is not plain.

    Args:
        path: The decoded path.
        raw: The path as it was sent, without the query; ``None`` when the server does not say.
        root_path: What the server or a mount may have put in front of, or cut from, one of the two.
        resolve: Resolve dot segments and merge slashes instead of refusing them.
        semicolon: Let ``;`` through.
        residue: Allow no percent-triplet at all after decoding.

    Returns:
        The path to decide on and to serve.

    Raises:
        RequestRefusedError: it can be read in two ways.
    """
    if not path.startswith("/"):
        raise refused("The request target has to be a path that starts with a slash.")
    _check_characters(path, semicolon)
    if _RESIDUE.search(path) or (residue and _TRIPLET.search(path)):
        raise refused("The path is percent-encoded twice.")
    if raw is None:
        if "#" in path:
            raise refused("The path holds a fragment.")
    else:
        _check_raw(raw, path, root_path)
    if resolve:
        return _resolved(path)
    if "//" in path:
        raise refused("The path holds an empty segment.")
    if has_dot_segment(path):
        raise refused("The path holds a dot segment.")
    return path


def _check_characters(path: str, semicolon: bool) -> None:
    if has_control(path):
        raise refused("The path holds a control character or bytes that are not UTF-8.")
    if "\\" in path:
        raise refused("The path holds a backslash.")
    if ";" in path and not semicolon:
        raise refused("The path holds a semicolon.")
    if has_lookalike(path):
        raise refused("The path holds a character that may be read as a separator.")


def _check_raw(raw: bytes, path: str, root_path: str) -> None:
    """Refuse what decoding has hidden, and a server whose two spellings of the path disagree."""
    if _RAW_UNSAFE.search(raw):
        raise refused("The path holds an encoded separator, a fragment or a broken escape.")
    try:
        decoded = unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise refused("The path holds bytes that are not UTF-8.") from None
    # A mount may have cut its prefix from the decoded path only, a server may have added one to it.
    if not decoded.endswith(path) and root_path + decoded != path:
        raise refused("The path is not what was sent.")


def _resolved(path: str) -> str:
    """Merge slashes and resolve dot segments; climbing above the root is refused."""
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == "..":
            if not kept:
                raise refused("The path climbs above the root.")
            kept.pop()
        elif segment and segment != ".":
            kept.append(segment)
    trailing = kept and segments[-1] in ("", *_DOTS)
    return "/" + "/".join(kept) + ("/" if trailing else "")


def route_path(path: str, root_path: str) -> str:
    """Cut *root_path* off, at a slash or the end only, exactly as Starlette's router does."""
    if not root_path or not path.startswith(root_path):
        return path
    rest = path[len(root_path):]
    return rest if not rest or rest[0] == "/" else path
