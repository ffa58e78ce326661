"""Who signed a request: microseconds of processor time for signatures of access keys, beside botocore's own signing.

A request is signed anew each time, by botocore, since a signature that was seen before tells nothing about the next.
"""

from __future__ import annotations

import gc
import secrets
import time
from dataclasses import dataclass
from statistics import median
from time import thread_time_ns
from typing import Any

import msgspec
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from iam_guard.asgi.body import HeldBody
from iam_guard.directory.hiding import KeyRing
from iam_guard.directory.session_secrets import SessionSecrets
from iam_guard.http.request import HTTPRequest
from iam_guard.identity.access_keys import KnownKey
from iam_guard.identity.jwt import JWTAuthenticator
from iam_guard.identity.presets import token_service
from iam_guard.identity.session_keys import SessionKeys
from iam_guard.identity.sessions import Session
from iam_guard.identity.sigv4.authenticator import SigV4Authenticator
from iam_guard.identity.sigv4.rules import SignatureRules
from iam_guard.model import Principal
from iam_guard.sts.grant import Draft, Mint
from iam_guard.sts.signing import FixedKeys, SigningKeys

BLOCK = 25
REGION, SERVICE, HOST, STS = "eu-central-1", "docs", "docs.example", "https://sts.example"
ANN = "arn:app:iam::000000000000:user/ann"


@dataclass(frozen=True)
class SignatureFigures:
    """Microseconds of processor time.

    Attributes:
        key: Who signed with an access key that is known.
        session: Who signed with a session whose token was seen before.
        first_session: The same with a session that was never seen.
        botocore: What botocore takes to sign the request with an access key.
    """

    key: float
    session: float
    first_session: float
    botocore: float


class _OneKey:
    """Knows an access key, as a directory's answer of a moment ago would."""

    def __init__(self, known: KnownKey) -> None:
        self._known = known

    async def find(self, access_key_id: str) -> KnownKey | None:
        return self._known if access_key_id == self._known.access_key_id else None

    async def start(self) -> None: ...

    async def close(self) -> None: ...


async def figures(number: int) -> SignatureFigures:
    """Time as many requests of each kind."""
    key = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    signing, ring = SigningKeys.make(0), KeyRing(secrets.token_bytes(32))
    mint = Mint(STS, ("docs",), FixedKeys(signing), time.time, secrets=SessionSecrets(lambda: ring))
    reader = JWTAuthenticator([token_service(STS, audience="docs", keys=signing.jwks(time.time()))])
    door = SigV4Authenticator(
        _OneKey(KnownKey(key.access_key, key.secret_key, Principal.user("ann"))), SignatureRules(REGION, SERVICE),
        temporary=SessionKeys(reader, SessionSecrets(lambda: ring)))
    session = _session(mint)
    of_key, by_botocore = await _timed(door, [key] * number)
    return SignatureFigures(
        key=of_key, session=(await _timed(door, [session] * number))[0],
        first_session=(await _timed(door, [_session(mint) for _ in range(number)]))[0], botocore=by_botocore)


def _session(mint: Mint) -> Credentials:
    grant = mint.grant(Draft(ANN, "AIDAANN", "docs", 3600, Session(kind="user", id="AIDAANN"), signs=True))
    return Credentials(grant.id, grant.secret, grant.token)


async def _timed(door: SigV4Authenticator, signers: list[Credentials]) -> tuple[float, float]:
    """Microseconds to know each signer, and for botocore to sign."""
    ours, theirs = [], []
    gc.collect()
    for start in range(0, len(signers), BLOCK):
        block = signers[start:start + BLOCK]
        begin = thread_time_ns()
        signed = [_signed(one, start + number) for number, one in enumerate(block)]
        theirs.append((thread_time_ns() - begin) / len(block))
        requests = [_request(one) for one in signed]
        begin = thread_time_ns()
        for request in requests:
            if await door.authenticate(request) is None:
                raise AssertionError("a signature was not looked at")
        ours.append((thread_time_ns() - begin) / len(block))
    return median(ours) / 1e3, median(theirs) / 1e3


def _signed(signer: Credentials, number: int) -> AWSRequest:
    request = AWSRequest(method="GET", url=f"https://{HOST}/collection-1/documents/item-{number}?fields=title",
                         headers={"Accept": "application/json"})
    SigV4Auth(signer, SERVICE, REGION).add_auth(request)
    return request


def _request(signed: AWSRequest) -> HTTPRequest:
    path, _, query = signed.url.removeprefix(f"https://{HOST}").partition("?")
    headers = [(b"host", HOST.encode()), *((name.lower().encode(), value.encode())
                                           for name, value in signed.headers.items())]
    scope: dict[str, Any] = {
        "type": "http", "http_version": "1.1", "method": "GET", "scheme": "https", "path": path,
        "raw_path": path.encode(), "query_string": query.encode(), "headers": headers, "client": ("10.1.2.3", 41234),
        "server": (HOST, 443)}
    request = HTTPRequest.from_scope(scope)
    msgspec.structs.force_setattr(request, "body", HeldBody(_nothing))
    return request


async def _nothing() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}
