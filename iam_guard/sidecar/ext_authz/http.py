"""The HTTP door: Envoy repeats the client's request line behind a prefix, and passes 200 alone for an admission."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from iam_guard.asgi.types import Message, Receive, Scope, Send
from iam_guard.errors import ConfigurationError, Fault, RequestRefusedError
from iam_guard.http.address import TrustedProxies, peer_text
from iam_guard.http.edge import EdgeSettings
from iam_guard.sidecar.answer import PREFLIGHT, Answer, Asker, for_subrequest
from iam_guard.sidecar.ext_authz.reading import PARTIAL_BODY, apart, names_of, unclear
from iam_guard.sidecar.ext_authz.settings import HttpDoor, refuse_other_path
from iam_guard.sidecar.original import Fields, OriginalRequest

#: Set by Envoy on every call that describes its client: where it is, how it connected, and what it wants to upgrade
#: its connection to. Envoy leaves an empty header out, so the last one may say the method for no upgrade.
CLIENT, SCHEME, UPGRADE = b"x-original-client", b"x-original-scheme", b"x-original-upgrade"
#: Takes headers off the client's request.
_REMOVE = b"x-envoy-auth-headers-to-remove"
# Of the call itself, or told by a header of its own.
_OF_THE_CALL = frozenset({b"connection", b"content-length", b"expect", b"host", b"keep-alive", b"te", b"trailer",
                          b"transfer-encoding", b"upgrade", PARTIAL_BODY, CLIENT, SCHEME, UPGRADE})
# What proxies write about certificates; Envoy tells of those over gRPC only.
_CERTIFICATES = re.compile(rb"client-cert(?:-chain)?|ssl-client-.*|x-(?:forwarded-)?client-cert|x-ssl-client-.*|"
                           rb"x-amzn-mtls-.*")
#: Longest body that is read.
_MAX_BODY = 8 * 1024 * 1024


class HttpApp:
    """Answers every path with a decision about that very path.

    Args:
        asker: Decides.
        door: How Envoy calls, and who may.
        unix: The listener is a Unix socket, where callers have no address.
        listed: Headers that policies read. Envoy makes one of several with a name, so each is read as a list (RFC 9110
            section 5.3): a value that is denied is not hidden by another one beside it.
    """

    def __init__(self, asker: Asker, door: HttpDoor, *, unix: bool = False, listed: Iterable[str] = ()) -> None:
        self._asker = asker
        self._listed = names_of(listed)
        self._unix = unix
        self._door = door
        self._peers = TrustedProxies(door.peers)
        self._prefix = door.path_prefix.encode("ascii")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call.

        Raises:
            ConfigurationError: the server sent a kind of scope that is no call.
        """
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "access denied"})
        elif scope["type"] == "http":
            await _send(await self._answer(scope, receive), scope["method"] == "HEAD", send)
        else:
            raise ConfigurationError(Fault(f"'{scope['type']}' connections cannot be judged and are refused"))

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        try:
            self._check_peer(scope)
            original = self._original(scope)
            body = await _body(scope, receive)
        except RequestRefusedError as error:
            return _for_envoy(self._asker.refuse(error))
        return _for_envoy(await self._asker.ask(original, body))

    def promptly(self, scope: Mapping[str, Any]) -> tuple[int, Fields, bytes] | None:
        """What Envoy is told, where nothing has to be waited for, such as a body; see :mod:`iam_guard.sidecar.prompt`.

        Args:
            scope: Its call.
        """
        try:
            self._check_peer(scope)
            [found] = self._asker.ask_at_once((self._original(scope),))
        except RequestRefusedError as error:
            found = self._asker.refuse(error)
        except Exception:
            return None
        if found is None:
            return None
        answer = _for_envoy(found)
        return answer.status, _framed(answer), answer.body

    def _check_peer(self, scope: Mapping[str, Any]) -> None:
        """Let in those whose word about a client counts; who reaches a Unix socket is one of them."""
        client = scope.get("client")
        if not (self._unix or (client is not None and self._peers.judge(client[0])[1])):
            raise RequestRefusedError("Only trusted proxies may ask here.", status=403, code="untrusted-peer")

    def _original(self, scope: Mapping[str, Any]) -> OriginalRequest:
        fields: Fields = tuple([(name.lower(), value) for name, value in scope["headers"]])
        host = _one(fields, b"host").decode("latin-1")
        client, scheme, websocket = self._described(scope, fields)
        kept = tuple([field for field in fields if field[0] not in _OF_THE_CALL
                      and not _CERTIFICATES.fullmatch(field[0].replace(b"_", b"-"))])
        if self._listed:
            kept = tuple(apart(kept, self._listed))
        return OriginalRequest(scope["method"], self._target(scope), scheme, host, client, kept,
                               scope.get("http_version", "1.1"), websocket)

    def _described(self, scope: Mapping[str, Any], fields: Fields) -> tuple[str, str, bool]:
        """The client's address and scheme, and whether it wants a WebSocket."""
        if not self._door.described:
            if any(name in (b"upgrade", b"sec-websocket-key") for name, _ in fields):
                raise unclear("it may be a WebSocket, of which this door is not told")
            client = scope.get("client")
            return str(client[0]) if client else "", str(scope.get("scheme", "http")), False
        client, scheme = _one(fields, CLIENT).decode("latin-1"), _one(fields, SCHEME).decode("latin-1")
        if scheme not in ("http", "https"):
            raise unclear("its scheme is not one of HTTP")
        if client and not peer_text(client):
            client = ""  # it is on a Unix socket, and has no address
        return client, scheme, _is_websocket(scope["method"], _one(fields, UPGRADE))

    def _target(self, scope: Mapping[str, Any]) -> bytes:
        """What the client asked for: the target of the call without the prefix."""
        raw: bytes = scope.get("raw_path") or b""
        target = raw[len(self._prefix):]
        if not raw.startswith(self._prefix) or not target.startswith(b"/"):
            raise unclear(f"its call is not below '{self._door.path_prefix}/'")
        query: bytes = scope.get("query_string") or b""
        return target + b"?" + query if query else target


def _one(fields: Fields, name: bytes) -> bytes:
    """The value of a header that has to be there once."""
    found = [value.strip() for key, value in fields if key == name]
    if len(found) != 1:
        raise unclear(f"it has to send {name.decode()} once")
    return found[0]


def _is_websocket(method: str, told: bytes) -> bool:
    wanted = told.lower()
    if wanted in (b"", b"-", method.lower().encode("latin-1")):
        return False
    if wanted != b"websocket" or method != "GET":
        raise unclear("it asks for another protocol")
    return True


async def _body(scope: Mapping[str, Any], receive: Receive) -> bytes | None:
    """The client's whole body; ``None`` when Envoy did not hand it over, or cut it."""
    partial = [value for name, value in scope["headers"] if name.lower() == PARTIAL_BODY]
    if partial != [b"false"]:
        return None
    found: bytes = b""
    while len(found) <= _MAX_BODY:
        message: Message = await receive()
        if message["type"] != "http.request":
            return None
        found += message.get("body", b"")
        if not message.get("more_body"):
            return found
    return None


def _for_envoy(answer: Answer) -> Answer:
    return answer if answer.outcome == PREFLIGHT else for_subrequest(answer)


async def _send(answer: Answer, without_body: bool, send: Send) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": list(_framed(answer))})
    await send({"type": "http.response.body", "body": b"" if without_body else answer.body})


def _framed(answer: Answer) -> Fields:
    """The headers of an answer."""
    headers = [field for field in answer.headers if field[0] != b"content-length"]
    if removed := _to_remove(answer):
        headers.append((_REMOVE, b", ".join(removed)))
    return (*headers, (b"content-length", b"%d" % len(answer.body)))


def _to_remove(answer: Answer) -> list[bytes]:
    """Headers of the client that must not reach the upstream: a header of the guard that is empty does not replace."""
    if not answer.allowed:
        return []
    empty = [name for name, value in answer.headers if not value]
    return [*empty, *(name.encode("latin-1") for name in answer.remove)]


def make_http_app(asker: Asker, door: HttpDoor, edge: EdgeSettings, *, unix: bool = False,
                  listed: Iterable[str] = ()) -> HttpApp:
    """The application for a listener of its own.

    Args:
        asker: Decides.
        door: How Envoy calls, and who may.
        edge: What the asker was made with.
        unix: The listener is a Unix socket, where callers have no address.
        listed: Headers that policies read.

    Raises:
        ConfigurationError: the guard would decide on another path than Envoy sends on.
    """
    refuse_other_path(edge)
    return HttpApp(asker, door, unix=unix, listed=listed)
