"""A request through the guard: ``python -m benchmarks.request``.

The middleware stands around an application that answers at once; what is printed is the processor time of both
less that of the application alone. No socket and no server is involved: scopes are what uvicorn would make.
"""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from time import thread_time_ns
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks.evaluate import Format, machine
from benchmarks.report import targets_table
from benchmarks.signatures import SignatureFigures, figures
from benchmarks.targets import Target
from benchmarks.tokens import ISSUER, Signer, signers
from iam_guard.asgi.middleware import IAMGuardMiddleware
from iam_guard.engine.policy_set import PolicySet
from iam_guard.guard import Guard
from iam_guard.http.mapper import RequestMapper
from iam_guard.http.request import HTTPRequest
from iam_guard.identity.jwt import JWTAuthenticator
from iam_guard.identity.revocation import RevocationList, Revocations, RevokedToken

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]

BLOCK = 25
POLICY = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": ["docs:Get*", "docs:List*"], "Resource": "arn:app:docs:*:*:document/*",
     "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}},
    {"Effect": "Allow", "Action": "docs:PutDocument", "Resource": "arn:app:docs:*:*:document/${aws:username}/*"},
    {"Effect": "Deny", "Action": "*", "Resource": "arn:app:docs:*:*:document/secret/*"},
]}
_START: Message = {"type": "http.response.start", "status": 200,
          "headers": [(b"content-type", b"application/json"), (b"content-length", b"2")]}
_BODY: Message = {"type": "http.response.body", "body": b"{}"}


@dataclass(frozen=True)
class RequestFigures:
    """Microseconds of processor time.

    Attributes:
        hot: The guard's part of a request whose token and path were seen before, ten templates.
        identity: What of that goes into knowing whose request it is.
        checked: The same where a list of 10,000 revoked tokens is asked.
        cold: The same for a path never seen.
        one_template: Like ``cold``, with a single route template.
        many_templates: Like ``cold``, with 1,000 route templates.
        tokens: By kind of token: first sight of one here, and PyJWT's decode of it.
        signatures: Who signed a request.
    """

    hot: float
    identity: float
    checked: float
    cold: float
    one_template: float
    many_templates: float
    tokens: dict[str, tuple[float, float]]
    signatures: SignatureFigures


def main(
    quick: Annotated[bool, typer.Option(help="Fewer requests.")] = False,
    format: Annotated[Format, typer.Option(help="How to print.")] = Format.TABLE,
) -> None:
    """Time what the guard adds to a request, and a token at first sight."""
    console = Console(stderr=True)
    with console.status("timing requests and tokens"):
        found = asyncio.run(_figures(400 if quick else 4_000, 60 if quick else 400))
    judged = targets(found)
    if format is Format.JSON:
        print(json.dumps({"machine": machine(), "request": asdict(found),
                          "targets": [asdict(one) | {"met": one.met} for one in judged]}, indent=2))
        return
    out = Console(width=None if console.is_terminal else 120)
    out.print(", ".join(f"{name} {value}" for name, value in machine().items()), style="dim")
    out.print(f"the guard's part of a request, µs: hot {found.hot:.1f}, path not seen before {found.cold:.1f}",
              highlight=False)
    out.print(f"of that identity, µs: {found.identity:.1f}, {found.checked:.1f} with a list of revoked tokens",
              highlight=False)
    for kind, (ours, theirs) in found.tokens.items():
        out.print(f"a token at first sight, {kind}: {ours:.0f} µs, PyJWT {theirs:.0f} µs, {ours / theirs:.2f} times",
                  highlight=False)
    signed = found.signatures
    out.print(f"a signed request, µs: access key {signed.key:.0f}, session {signed.session:.0f}, a new one "
              f"{signed.first_session:.0f}; botocore signs it in {signed.botocore:.0f}", highlight=False)
    out.print(targets_table(judged))


def targets(found: RequestFigures) -> list[Target]:
    """The targets of the request."""
    return [
        Target("whole guard on a hot request", found.hot, 15, "µs"),
        Target("identity of a token seen before", found.identity, 9.9, "µs"),
        Target("1,000 route templates over one", found.many_templates / found.one_template, 1.2, "x"),
        *(Target(f"token first seen over PyJWT's decode, {kind}", ours / theirs, 1.2, "x")
          for kind, (ours, theirs) in found.tokens.items()),
    ]


async def _figures(requests: int, tokens: int) -> RequestFigures:
    signer = signers()[1]
    same, fresh = [7] * requests, list(range(requests))
    return RequestFigures(
        hot=await _added(signer, 10, same),
        identity=await _known(signer, requests),
        checked=await _known(signer, requests, is_revoked=_revoked().cover),
        cold=await _added(signer, 10, fresh),
        one_template=await _added(signer, 1, fresh),
        many_templates=await _added(signer, 1_000, fresh),
        tokens=await _tokens(tokens),
        signatures=await figures(tokens),
    )


# --- the guard ------------------------------------------------------------------------------------------


async def _app(scope: Scope, receive: Callable[[], Awaitable[Message]],
               send: Callable[[Message], Awaitable[None]]) -> None:
    await send(_START)
    await send(_BODY)


async def _receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


class _Sink:
    """Counts answers, so that a denial is not mistaken for a quick success."""

    def __init__(self) -> None:
        self.allowed = 0

    async def send(self, message: Message) -> None:
        if message.get("status") == 200:
            self.allowed += 1


def guarded(signer: Signer, templates: int) -> IAMGuardMiddleware:
    """The middleware as an application would set it up, around an application that does nothing."""
    routes = {f"GET /collection-{number}/documents/{{doc_id}}":
              ("docs:GetDocument", f"docs:document/collection-{number}/{{doc_id}}") for number in range(templates)}
    return IAMGuardMiddleware(_app, guard=Guard(PolicySet.from_json(json.dumps(POLICY))),
                              authenticator=JWTAuthenticator([signer.issuer()]), mapper=RequestMapper(routes))


async def _added(signer: Signer, templates: int, items: Sequence[int]) -> float:
    """Microseconds that the guard adds to a request, in turns with the application alone."""
    app, token = guarded(signer, templates), signer.token(0)
    places = [item % templates for item in items]
    with_guard, alone = [], []
    await _run(app, [_scope(0, 0, token), _scope(templates - 1, 1, token)])
    gc.collect()
    for start in range(0, len(items) - BLOCK + 1, BLOCK):
        asked = list(zip(places, items, strict=True))[start:start + BLOCK]
        with_guard.append(await _run(app, [_scope(place, 10_000 + item, token) for place, item in asked]))
        alone.append(await _run(_app, [_scope(place, 10_000 + item, token) for place, item in asked]))
    return (median(with_guard) - median(alone)) / 1e3


async def _run(app: Any, scopes: list[Scope]) -> float:
    """Nanoseconds a request."""
    sink = _Sink()
    start = thread_time_ns()
    for scope in scopes:
        await app(scope, _receive, sink.send)
    spent = thread_time_ns() - start
    if sink.allowed != len(scopes):
        raise AssertionError(f"only {sink.allowed} of {len(scopes)} requests were allowed")
    return spent / len(scopes)


def _scope(place: int, item: int, token: str) -> Scope:
    """A request as uvicorn hands it over, with the headers that browsers and clients send."""
    path = f"/collection-{place}/documents/item-{item}"
    headers = [(b"host", b"docs.example"), (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"),
               (b"accept", b"application/json"), (b"accept-language", b"en"), (b"accept-encoding", b"gzip, br"),
               (b"authorization", f"Bearer {token}".encode()), (b"origin", b"https://app.example"),
               (b"connection", b"keep-alive")]
    return {"type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1",
            "server": ("10.0.0.1", 8000), "client": ("10.1.2.3", 41234), "scheme": "http", "method": "GET",
            "root_path": "", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": headers,
            "state": {}}


# --- tokens ---------------------------------------------------------------------------------------------


async def _tokens(number: int) -> dict[str, tuple[float, float]]:
    """First sight of each kind of token, beside PyJWT."""
    kinds = signers()
    found = {signer.algorithm: await _first_sight(signer, number, 0) for signer in kinds}
    found["HS256, 8 KB"] = await _first_sight(kinds[0], number, 5_400)
    found["RS256, 4 KB"] = await _first_sight(kinds[1], number, 2_400)
    return found


def _revoked() -> Revocations:
    return Revocations(RevocationList(tokens=tuple(RevokedToken(issuer=ISSUER, id=f"revoked-{number}")
                                                   for number in range(10_000))))


async def _known(signer: Signer, number: int, **more: Any) -> float:
    """Microseconds to know the caller again, each time from a request built anew."""
    authenticator, token = JWTAuthenticator([signer.issuer()], **more), signer.token(0)
    spent = []
    await authenticator.authenticate(HTTPRequest.from_scope(_scope(0, 0, token)))
    gc.collect()
    for _ in range(0, number, BLOCK):
        requests = [HTTPRequest.from_scope(_scope(0, 0, token)) for _ in range(BLOCK)]
        start = thread_time_ns()
        for request in requests:
            await authenticator.authenticate(request)
        spent.append((thread_time_ns() - start) / BLOCK)
    return median(spent) / 1e3


async def _first_sight(signer: Signer, number: int, padding: int) -> tuple[float, float]:
    authenticator, decode = JWTAuthenticator([signer.issuer()]), signer.decode_with_pyjwt()
    tokens = [signer.token(one, padding) for one in range(number)]
    requests = [HTTPRequest.from_scope(_scope(0, 0, token)) for token in tokens]
    ours, theirs = [], []
    gc.collect()
    for token, request in zip(tokens, requests, strict=True):
        start = thread_time_ns()
        principal = await authenticator.authenticate(request)
        middle = thread_time_ns()
        decode(token)
        theirs.append(thread_time_ns() - middle)
        ours.append(middle - start)
        if principal is None:
            raise AssertionError("a token was not accepted")
    return median(ours) / 1e3, median(theirs) / 1e3


if __name__ == "__main__":
    typer.run(main)
