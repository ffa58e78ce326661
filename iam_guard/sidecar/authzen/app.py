"""The AuthZEN door: programs ask, and are callers like any other; the guard's own policies say what they may ask."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Hashable
from typing import Any

import msgspec

from iam_guard.asgi.admissions import HEAD_KEY, Admissions
from iam_guard.asgi.body import HeldBody
from iam_guard.asgi.judge import Admission, Judge
from iam_guard.asgi.rules import Rules
from iam_guard.asgi.types import Receive, Scope, Send
from iam_guard.errors import AccessDeniedError, ConfigurationError, Fault, RequestRefusedError
from iam_guard.guard import Guard, Question
from iam_guard.http.edge import EdgeSettings
from iam_guard.http.mapper import RequestMapper
from iam_guard.http.request import HTTPRequest
from iam_guard.http.response import Denial, DenialStyle
from iam_guard.identity.authenticator import Authenticator
from iam_guard.identity.caller import Caller, current_caller
from iam_guard.sidecar.authzen.evaluation import Evaluation
from iam_guard.sidecar.authzen.origins import page_origins
from iam_guard.sidecar.authzen.paging import PageTokens
from iam_guard.sidecar.authzen.permissions import OwnPermissions, is_known
from iam_guard.sidecar.authzen.questions import Questions
from iam_guard.sidecar.authzen.reading import invalid, is_json, read_body, read_members, request_id
from iam_guard.sidecar.authzen.remembering import key_of
from iam_guard.sidecar.authzen.routes import (
    EXPLAIN,
    MAX_AGE,
    endpoints_of,
    metadata_of,
    metadata_path,
    permissions_path,
    resource_of,
    routes_of,
)
from iam_guard.sidecar.authzen.search import Search
from iam_guard.sidecar.authzen.settings import AuthzenDoor
from iam_guard.sidecar.authzen.vocabulary import Vocabulary

_logger = logging.getLogger("iam_guard")
Fields = list[tuple[bytes, bytes]]
#: Status, headers and body.
Reply = tuple[int, Fields, bytes]
#: What is answered without waiting for anything but the body.
_AT_ONCE = ("evaluation", "evaluations")
_JSON = (b"content-type", b"application/json")
_NO_STORE = (b"cache-control", b"no-store")
_encode = msgspec.json.Encoder().encode


def make_authzen_app(guard: Guard, authenticator: Authenticator, door: AuthzenDoor, edge: EdgeSettings, *,
                     style: DenialStyle = DenialStyle(), vary: bytes = b"authorization",  # noqa: B008 - frozen
                     page_key: bytes = b"") -> AuthzenApp:
    """The door as an ASGI application without a lifespan.

    Args:
        guard: Decides about those who ask, and what they ask.
        authenticator: Says who asks.
        door: Its settings.
        edge: How calls arrive.
        style: How refusals look.
        vary: Request headers that tell callers apart.
        page_key: Seals the tokens of searches; needed where several processes answer. By default a new one.

    Raises:
        ConfigurationError: the settings do not fit together.
    """
    mapper = RequestMapper(routes_of(door), names=guard.names)
    origins = page_origins(door.origins, permissions_path(door), vary)
    judge = Judge(Rules(guard, authenticator, mapper, None, 2.0, edge, origins, False, (), (), style))
    return AuthzenApp(judge, Admissions(authenticator), guard, door, OwnPermissions(guard, door, vary, origins),
                      page_key or os.urandom(32), lambda: guard.now().timestamp())


class AuthzenApp:
    """Answers the calls. Made by :func:`make_authzen_app`.

    Args:
        judge: Lets callers in.
        admissions: Whom it let in a moment ago.
        guard: Answers what they ask.
        door: The settings.
        own: Answers those who ask about themselves.
        page_key: Seals the tokens of searches.
        clock: Seconds since the epoch.

    Attributes:
        judge: Counts who was let in.
    """

    def __init__(self, judge: Judge, admissions: Admissions, guard: Guard, door: AuthzenDoor, own: OwnPermissions,
                 page_key: bytes, clock: Callable[[], float]) -> None:
        vocabulary = Vocabulary(door, guard.names)
        questions = Questions(door, vocabulary)
        self.judge = judge
        self._admissions = admissions
        self._guard = guard
        self._door = door
        self._evaluation = Evaluation(guard, questions, door)
        self._search = Search(guard, questions, vocabulary, door, PageTokens(page_key, clock))
        self._own = own
        self._endpoints = endpoints_of(door)
        self._metadata = metadata_of(door)
        self._metadata_path = metadata_path(door)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call.

        Raises:
            ConfigurationError: the server sent a kind of scope that is no call.
        """
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "access denied"})
            return
        if scope["type"] != "http":
            raise ConfigurationError(Fault(f"'{scope['type']}' connections cannot be judged and are refused"))
        before = current_caller.get()
        try:
            status, headers, body = await self._answer(scope, receive)
        finally:
            current_caller.set(before)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _answer(self, scope: Scope, receive: Receive) -> Reply:
        echo: Fields = []
        request: HTTPRequest | None = None
        try:
            sent = request_id([value for name, value in scope["headers"] if name == b"x-request-id"])
            if sent is not None:
                echo = [(b"x-request-id", sent)]
            verdict = await self._judged(scope, receive)
            if isinstance(verdict, Denial):
                return _refusal(verdict, echo)
            caller = verdict.caller
            caller.scope = {}  # a caller and its scope know each other; let go of both at once
            request = _request_of(caller)
            status, headers, body = await self._admitted(caller, request, receive)
            length = [(b"content-length", b"%d" % len(body))] if status == 200 else []
            return status, [*headers, *length, *echo], body
        except Exception as error:
            return self._failed(error, request, echo)

    async def _judged(self, scope: Scope, receive: Receive) -> Admission | Denial:
        """What the caller is given: by what is remembered of the same head, or from the start."""
        key = key_of(scope)
        known = self._admissions.find(key)
        verdict = await self.judge.judge(scope, receive) if known is None else self.judge.judge_again(known)
        if isinstance(verdict, Admission):
            if known is None:
                self._admissions.keep(key, verdict)
            head = (scope.get("extensions") or {}).get(HEAD_KEY)
            if head is not None and self._is_plain(_request_of(verdict.caller)):
                self._admissions.keep_also(head["name"], key)
        return verdict

    def _is_plain(self, request: HTTPRequest) -> bool:
        """Whether a request is one that :meth:`at_once` may answer when it comes again."""
        return (self._endpoints.get(request.path) in _AT_ONCE and not request.query_string
                and is_json(request.header("content-type") or ""))

    def at_once(self, head: Hashable, body: bytes, sent: bytes | None) -> Reply | None:
        """Answer an evaluation without waiting, when its caller was let in a moment ago; see ``sidecar/at_once.py``.

        Args:
            head: Names the bytes of the request but for the body, and its peer.
            body: The whole body.
            sent: ``X-Request-ID``.

        Returns:
            Status, headers and body, the same as by the ordinary way; ``None`` when that has to answer.
        """
        known = self._admissions.find(head)
        if known is None or len(body) > self._door.max_body:
            return None
        before = current_caller.get()
        try:
            return self._answered_again(known, body, [] if sent is None else [(b"x-request-id", sent)])
        finally:
            current_caller.set(before)

    def _answered_again(self, known: Admission, body: bytes, echo: Fields) -> Reply:
        request = known.caller.request
        try:
            verdict = self.judge.judge_again(known)
            if isinstance(verdict, Denial):
                return _refusal(verdict, echo)
            told = self._told(self._endpoints[_request_of(verdict.caller).path], body, verdict.caller)
            return 200, [_JSON, _NO_STORE, (b"content-length", b"%d" % len(told)), *echo], told
        except Exception as error:
            return self._failed(error, request, echo)

    def _told(self, name: str, body: bytes, caller: Caller) -> bytes:
        told = self._evaluation.plain(body, caller) if name == "evaluation" else None
        return told or _encode(self._evaluated(name, read_members(body), caller, False))

    def _failed(self, error: Exception, request: HTTPRequest | None, echo: Fields) -> Reply:
        if not isinstance(error, RequestRefusedError | AccessDeniedError):
            _logger.warning("a question could not be answered: %s", type(error).__name__, exc_info=True)
        return _refusal(self.judge.denials.of_error(error, request), echo)

    async def _admitted(self, caller: Caller, request: HTTPRequest, receive: Receive) -> Reply:
        if request.path == self._metadata_path:
            return 200, [_JSON, (b"cache-control", b"public, max-age=%d" % MAX_AGE)], self._metadata
        name = self._endpoints[request.path]
        if name == "permissions":
            return await self._own_permissions(caller, request, receive)
        explain = self._explains(caller, request)
        body = await self._body(request, receive)
        if name in _AT_ONCE and not explain:
            return 200, [_JSON, _NO_STORE], self._told(name, body, caller)
        return 200, [_JSON, _NO_STORE], _encode(await self._found(name, read_members(body), caller, explain))

    async def _found(self, name: str, members: dict[str, Any], caller: Caller, explain: bool) -> dict[str, Any]:
        if name in _AT_ONCE:
            return self._evaluated(name, members, caller, explain)
        return await self._search.find(name, members, caller, explain=explain)

    def _evaluated(self, name: str, members: dict[str, Any], caller: Caller, explain: bool) -> dict[str, Any]:
        if name == "evaluation":
            return self._evaluation.single(members, caller, explain=explain)
        return self._evaluation.batch(members, caller, explain=explain)

    async def _own_permissions(self, caller: Caller, request: HTTPRequest, receive: Receive) -> Reply:
        by_query = request.method in ("GET", "HEAD")
        asked = self._own.of_query(request) if by_query else self._own.of_body(
            read_members(await self._body(request, receive)))
        body, tag = self._own.answer(caller, asked)
        headers = self._own.headers(tag, request)
        if by_query and is_known(request, tag):
            return 304, headers, b""
        return 200, [_JSON, *headers], body

    def _explains(self, caller: Caller, request: HTTPRequest) -> bool:
        """Whether reasons are asked for, by somebody who may have them.

        Raises:
            AccessDeniedError: the caller may not.
        """
        if request.query_string != b"explain=true":
            return False
        resource = self._guard.names.expand(resource_of(self._door), EXPLAIN)
        [decision] = self._guard.answers(caller.principal, [Question(EXPLAIN, resource)])
        if not decision:
            raise AccessDeniedError(decision)
        return True

    async def _body(self, request: HTTPRequest, receive: Receive) -> bytes:
        """The body, said to be JSON; one that was signed is read by way of whoever checks the signature."""
        if not is_json(request.header("content-type") or ""):
            raise invalid("The body has to be 'application/json'.")
        if isinstance(request.body, HeldBody):
            receive = request.body.receive
        return await read_body(receive, self._door.max_body)


def _request_of(caller: Caller) -> HTTPRequest:
    if caller.request is None:
        raise ConfigurationError(Fault("a caller was let in without a request"))
    return caller.request


def _refusal(denial: Denial, echo: Fields) -> Reply:
    """A refusal; what the guard calls unavailable is an internal error in the words of this interface."""
    if denial.status != 503:
        return denial.status, [*denial.headers, *echo], denial.body
    body = denial.body
    if (b"content-type", b"application/problem+json") in denial.headers and body:
        body = _encode({**msgspec.json.decode(body), "status": 500})
    kept = [(name, value) for name, value in denial.headers if name != b"content-length"]
    return 500, [*kept, (b"content-length", b"%d" % len(body)), *echo], body
