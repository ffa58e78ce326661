"""HTTPRequest: one frozen snapshot of an incoming request, taken once and read by everybody.

The mapping, the policies, the log and the application all see this object and what it was made from;
nothing is parsed a second time (promises S2 and S3). A request that could be read in two ways is refused
here, before anybody is asked who sent it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import parse_qsl, quote

import msgspec

from iam_guard.errors import RequestRefusedError
from iam_guard.http.address import peer_text
from iam_guard.http.body import RequestBody
from iam_guard.http.edge import EdgeSettings as EdgeSettings
from iam_guard.http.headers import check_headers
from iam_guard.http.origin import kept_headers, told_by_proxy
from iam_guard.http.path import PLAIN_PATH, careful_path, refused, route_path

Headers = tuple[tuple[bytes, bytes], ...]

_VERSIONS = frozenset({"1.0", "1.1", "2", "2.0", "3"})
_PLAIN_HOST = re.compile(rb"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*+")
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*+)\.?(?::([0-9]{1,5}))?")
_ABSOLUTE = re.compile(r"https?://([^/?#]*)(/[^?#]*)", re.IGNORECASE)
_DEFAULT_PORT = {"http": "80", "ws": "80", "https": "443", "wss": "443"}
_ENCRYPTED = frozenset({"https", "wss"})
_PAIRS = frozenset({tuple})
_SEQUENCES = frozenset({list, tuple})
_STRICT = EdgeSettings()


class HTTPRequest(msgspec.Struct, frozen=True, eq=False):
    """One request, checked and in its one spelling. Made by :meth:`from_scope`.

    Attributes:
        kind: ``http`` or ``websocket`` (a handshake).
        method: In capitals; of a handshake ``GET``.
        path: Decoded, without ``root_path``: what the application's router matches.
        raw_path: As it was sent, or as it would be sent after resolving.
        query_string: As it was sent.
        headers: Lower-case names and values in their order, without what the peer may not say.
        scheme: ``http`` or ``https``, ``ws`` or ``wss``; of the client's own connection where a trusted proxy
            told it.
        host: Lower case, without final dot and default port; ``""`` when HTTP/1.0 sent none.
        client: Address of the peer of the connection; ``""`` when there is none.
        source_ip: Address of the client behind trusted proxies; ``""`` when unknown.
        secure: The client's own connection is encrypted.
        http_version: ``1.0``, ``1.1``, ``2`` or ``3``.
        scope_path: Path with ``root_path``, as the application receives it.
        trusted: The peer is a trusted proxy.
        body: The body, where a door hands it over to whoever checks credentials that cover it.
        tls_chain: Certificates of the client in PEM form, its own first, where the server's TLS layer tells them.
    """

    kind: Literal["http", "websocket"] = "http"
    method: str = "GET"
    path: str = "/"
    raw_path: bytes = b"/"
    query_string: bytes = b""
    headers: Headers = ()
    scheme: str = "http"
    host: str = ""
    client: str = ""
    source_ip: str = ""
    secure: bool = False
    http_version: str = "1.1"
    scope_path: str = "/"
    trusted: bool = False
    _index: Mapping[bytes, bytes] | None = None
    _query: Mapping[str, tuple[str, ...]] | None = None
    body: RequestBody | None = None
    tls_chain: tuple[str, ...] = ()

    @classmethod
    def from_scope(cls, scope: Mapping[str, Any], edge: EdgeSettings = _STRICT) -> HTTPRequest:
        """Take the snapshot of an ASGI ``http`` or ``websocket`` scope.

        Args:
            scope: As the server made it; not changed.
            edge: Whom to believe and what to accept.

        Raises:
            RequestRefusedError: the request is malformed, too large, or can be read in two ways.
        """
        kind = scope["type"]
        method = scope.get("method", "GET") if kind == "http" else "GET"
        if kind != "http" or method not in edge.method_set:
            _check_method(kind)
        version = scope.get("http_version", "1.1")
        if version not in _VERSIONS:
            raise RequestRefusedError("This HTTP version is not supported.", status=505, code="unsupported-version")
        query = scope.get("query_string") or b""
        raw = scope.get("raw_path")
        if len(raw or scope["path"]) + len(query) >= edge.max_target_bytes:
            raise RequestRefusedError("The request target is too long.", status=414, code="target-too-long")
        if b"#" in query:
            raise refused("The query holds a fragment.")
        fields = scope["headers"]
        if type(fields) not in _SEQUENCES or not _PAIRS.issuperset(map(type, fields)):
            fields = [(name, value) for name, value in fields]
        index, unknown = check_headers(fields, edge)
        source_scheme = scheme = scope.get("scheme") or ("ws" if kind == "websocket" else "http")
        named = index.get(b"host")
        if named is not None and not edge.host_set and _PLAIN_HOST.fullmatch(named):
            host = named.decode()
        else:
            host = checked_host(named, version, scheme, edge)
        path: str = scope["path"]
        encoded = path.encode("utf-8", "replace")
        if not PLAIN_PATH.fullmatch(path) or (raw is not None and raw != encoded):
            path, encoded = _careful_path(path, raw, scope, host, scheme, edge)
        client = scope.get("client")
        source = peer = peer_text(client[0]) if client else ""
        trusted = edge.trusts_anybody and edge.proxies.judge(peer)[1]
        if trusted and unknown:  # what a proxy tells is never among the harmless names
            source, source_scheme = told_by_proxy(peer, scheme, fields, edge)
        headers = kept_headers(fields, unknown, trusted, edge) if unknown else tuple(fields)
        index = dict(headers) if unknown else index
        mount = scope.get("root_path")
        return cls(kind, method, route_path(path, mount) if mount else path, encoded, query, headers, source_scheme,
                   host, peer, source, source_scheme in _ENCRYPTED, version, path, trusted, index)

    def header(self, name: str) -> str | None:
        """The value of a header, several of them joined with commas (RFC 9110 section 5.3); ``None``: absent."""
        return self.field(name.lower().encode("latin-1", "replace"))

    def field(self, name: bytes) -> str | None:
        """The same as :meth:`header` for a name that is lower-case bytes already."""
        index = self._index or self._indexed()
        value = index.get(name)
        if value is None or len(index) == len(self.headers):
            return None if value is None else value.decode("latin-1")
        return ", ".join([one.decode("latin-1") for key, one in self.headers if key == name])

    def only(self, name: bytes) -> bytes | None:
        """The value of a header that was sent once, as it was sent; ``None``: absent, or sent several times.

        Args:
            name: In lower case.
        """
        index = self._index or self._indexed()
        value = index.get(name)
        if value is None or len(index) == len(self.headers):
            return value
        return value if [key for key, _ in self.headers].count(name) == 1 else None

    def header_values(self, name: str) -> tuple[str, ...]:
        """Every value of a header in its order, without regard to the case of *name*."""
        wanted = name.lower().encode("latin-1", "replace")
        return tuple([value.decode("latin-1") for key, value in self.headers if key == wanted])

    def _indexed(self) -> Mapping[bytes, bytes]:
        index = dict(self.headers)
        msgspec.structs.force_setattr(self, "_index", index)
        return index

    @property
    def query(self) -> Mapping[str, tuple[str, ...]]:
        """The query, decoded: every value of every name.

        Raises:
            RequestRefusedError: it holds bytes that are not UTF-8.
        """
        if self._query is None:
            msgspec.structs.force_setattr(self, "_query", _parsed_query(self.query_string))
        return self._query or {}

    def for_app(self, scope: Mapping[str, Any]) -> MutableMapping[str, Any]:
        """Copy *scope* for the application: the checked path, and headers it cannot be surprised through.

        The header list is new, so that fields which a server appends later (trailers) never show.
        """
        return {**scope, "path": self.scope_path, "raw_path": self.raw_path, "headers": list(self.headers)}


def _check_method(kind: str) -> None:
    """A handshake has no method; of every other kind of request this one is not served."""
    if kind == "http":
        raise RequestRefusedError("This method is not served here.", status=405, code="method-not-allowed")
    if kind != "websocket":
        raise RequestRefusedError("This kind of connection is not served here.", code="invalid-request")


def checked_host(value: bytes | None, version: str, scheme: str, edge: EdgeSettings) -> str:
    """Check Host and write it in its one spelling (RFC 9112 section 3.2)."""
    if value is None:
        if version == "1.0" and not edge.host_set:
            return ""
        raise RequestRefusedError("The Host header is missing.", code="invalid-request")
    found = _HOST.fullmatch(value.decode("latin-1").lower())
    if found is None:
        raise RequestRefusedError("The Host header is not a host name.", code="invalid-request")
    name, port = found.groups()
    if edge.host_set and name not in edge.host_set:
        raise RequestRefusedError("This host is not served here.", code="invalid-request")
    return f"{name}:{port}" if port and port != _DEFAULT_PORT.get(scheme) else name


def _careful_path(path: str, raw: bytes | None, scope: Mapping[str, Any], host: str, scheme: str,
                  edge: EdgeSettings) -> tuple[str, bytes]:
    if not path.startswith("/"):
        path, raw = _origin_form(path, raw, host, scheme, edge)
    checked = careful_path(path, raw, root_path=scope.get("root_path", ""), resolve=edge.path_mode == "normalize",
                           semicolon=edge.allow_semicolon, residue=edge.refuse_any_residue)
    if raw is None or checked != path:
        return checked, _encoded(checked)
    return checked, raw


def _origin_form(path: str, raw: bytes | None, host: str, scheme: str,
                 edge: EdgeSettings) -> tuple[str, bytes | None]:
    """Cut scheme and authority off an absolute target, when they name the host that was asked for."""
    absolute = _ABSOLUTE.fullmatch(path)
    raw_absolute = _ABSOLUTE.fullmatch((raw or b"").decode("latin-1"))
    if absolute is None or (raw is not None and raw_absolute is None):
        raise refused("The request target has to be a path that starts with a slash.")
    if not host or checked_host(absolute[1].encode(), "1.1", scheme, edge) != host:
        raise refused("The request target names another host than the Host header.")
    return absolute[2], raw_absolute[2].encode("latin-1") if raw_absolute else None


def _encoded(path: str) -> bytes:
    return quote(path, safe="/-_.~!$&'()*+,=:@;").encode()


def _parsed_query(query: bytes) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    try:
        for name, value in parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict"):
            found[name] = (*found.get(name, ()), value)
    except UnicodeDecodeError:
        raise RequestRefusedError("The query holds bytes that are not UTF-8.", code="invalid-request") from None
    return MappingProxyType(found)
