"""For type checkers only, never run: the public signatures, used as a caller would use them."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import assert_type

from litestar import Litestar

from iam_guard import (
    PUBLIC,
    AccessDeniedError,
    AuthorizationRequest,
    Decision,
    Guard,
    IAMGuardMiddleware,
    JWTAuthenticator,
    PolicySet,
    Principal,
    RequestMapper,
)

policies = PolicySet.from_json("{}", id="documents")
guard = Guard(policies)
ada = Principal.user("ada", account="111122223333", groups=("arn:app:iam::111122223333:group/staff",))

assert_type(guard.authorize(ada, "docs:GetDocument", "docs:document/42"), Decision)
assert_type(guard.enforce(ada, "docs:GetDocument", "docs:document/42", context={"docs:Size": 3}), Decision)
assert_type(policies.evaluate(AuthorizationRequest(ada, "docs:GetDocument", "*")), Decision)
assert_type(bool(guard.authorize(ada, "docs:GetDocument", "*")), bool)


@guard.requires("docs:GetDocument", resource="document/{doc_id}")
async def read_document(doc_id: int, q: str = "") -> str:
    return f"{doc_id}{q}"


@guard.requires("docs:PutDocument", resource="document/{doc_id}")
def write_document(doc_id: int) -> bytes:
    return bytes(doc_id)


async def main(authenticator: JWTAuthenticator, app: IAMGuardMiddleware) -> None:
    assert_type(await read_document(1, q="x"), str)
    assert_type(write_document(2), bytes)
    found: Awaitable[Principal | None] = authenticator.authenticate(...)  # type: ignore[arg-type]
    del found
    IAMGuardMiddleware(app, guard=guard, authenticator=authenticator, mapper=RequestMapper({
        "GET /documents/{doc_id}": ("docs:GetDocument", "docs:document/{doc_id}"),
        "GET /health": PUBLIC,
    }))
    # A framework with types of its own for the ASGI messages.
    IAMGuardMiddleware(Litestar([]), guard=guard, authenticator=authenticator, mapper=RequestMapper({}))
    try:
        guard.require("docs:GetDocument", "document/1")
    except AccessDeniedError as denied:
        assert_type(denied.decision, Decision)
