"""A decision point for tests, asked as an ASGI application."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from iam_guard.asgi.admissions import HEAD_KEY
from iam_guard.engine.attachments import Attachments, Holder, Policy
from iam_guard.engine.policy_set import PolicySet
from iam_guard.errors import AuthenticationError
from iam_guard.guard import Guard, PolicySource
from iam_guard.http.edge import EdgeSettings
from iam_guard.http.naming import ResourceNames
from iam_guard.model import Principal
from iam_guard.policy.parse import parse_policy
from iam_guard.sidecar.authzen.app import AuthzenApp, make_authzen_app
from iam_guard.sidecar.authzen.settings import AuthzenDoor

NAMES = ResourceNames()
NOW = datetime(2026, 3, 1, 18, 3, tzinfo=UTC)
#: Who asks: may do everything here, may only evaluate, may do nothing.
PEP, EVALUATOR, STRANGER = "pep", "evaluator", "stranger"
PDP = "arn:app:iam-guard::000000000000:pdp/default"
OF_PEPS = {
    PEP: {"Effect": "Allow", "Action": "iam-guard:*", "Resource": PDP},
    EVALUATOR: {"Effect": "Allow", "Action": "iam-guard:Evaluate", "Resource": PDP},
}


class Names:
    """Believes who says a name; for these tests only."""

    async def authenticate(self, request: Any) -> Principal | None:
        sent = request.header("authorization")
        if sent is None:
            return None
        if not sent.startswith("Bearer ") or sent == "Bearer bad":
            raise AuthenticationError("The access token is not valid")
        return Principal.user(sent[7:])

    def challenges(self) -> tuple[str, ...]:
        return ('Bearer realm="pdp"',)

    async def start(self) -> None: ...

    async def close(self) -> None: ...


def user(name: str) -> str:
    return f"arn:app:iam::000000000000:user/{name}"


def attachments(policies: Mapping[str, Any], tags: Mapping[str, Mapping[str, str]] = {}, **more: Any) -> Attachments:
    """Users with a policy each, and those who ask."""
    documents = {name: {"Version": "2012-10-17", "Statement": [one]} for name, one in OF_PEPS.items()} | dict(policies)
    holders = {user(name): Holder(user(name), (Policy(f"{name}/p", parse_policy(document)),), tags=tags.get(name, {}))
               for name, document in documents.items()}
    return Attachments(holders=holders, **more)


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class DecisionPoint:
    """Asks a decision point."""

    def __init__(self, source: PolicySet | PolicySource, *, log: Any = None, names: ResourceNames = NAMES,
                 page_key: bytes = b"k" * 32, now: datetime = NOW, authenticator: Any = None, **door: Any) -> None:
        self.now = now
        self.head: Any = None  # how the server calls the next request, if it does
        self.guard = Guard(source, clock=lambda: self.now, names=names, log=log)
        self.door = AuthzenDoor(**{"base": "https://pdp.example.com", **door})
        self.app: AuthzenApp = make_authzen_app(self.guard, authenticator or Names(), self.door, EdgeSettings(),
                                                page_key=page_key)

    def post(self, path: str, body: Any, *, who: str = PEP, **headers: str) -> Reply:
        return asyncio.run(self.call("POST", path, body, who=who, **headers))

    def get(self, path: str, *, who: str = PEP, **headers: str) -> Reply:
        return asyncio.run(self.call("GET", path, b"", who=who, **headers))

    async def call(self, method: str, target: str, body: Any, *, who: str = PEP, chunks: int = 1,
                   **headers: str) -> Reply:
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        path, _, query = target.partition("?")
        fields = {"host": "pdp.example.com", "content-type": "application/json",
                  **({"authorization": f"Bearer {who}"} if who else {}),
                  **{name.replace("_", "-"): value for name, value in headers.items()}}
        scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
                 "path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
                 "headers": [(name.encode(), value.encode()) for name, value in fields.items() if value],
                 "client": ("127.0.0.1", 50000), "server": ("127.0.0.1", 8181), "state": {}}
        if self.head is not None:
            scope["extensions"] = {HEAD_KEY: {"name": self.head}}
        size = max(1, -(-len(payload) // chunks))
        pieces = [payload[at:at + size] for at in range(0, len(payload), size)] or [b""]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        return reply_of(sent[0]["status"], sent[0]["headers"], b"".join(one.get("body", b"") for one in sent[1:]))


def reply_of(status: int, headers: Any, body: bytes) -> Reply:
    told: dict[str, str] = {}
    for name, value in headers:
        told[name.decode()] = ", ".join([*filter(None, [told.get(name.decode())]), value.decode()])
    return Reply(status, told, body)


EVALUATION, EVALUATIONS, SEARCH = "/access/v1/evaluation", "/access/v1/evaluations", "/access/v1/search/"
