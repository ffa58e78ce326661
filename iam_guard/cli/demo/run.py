"""Runs the demonstration: issuer and service up, calls made, then served until somebody stops it."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from iam_guard.asgi import IAMGuardMiddleware
from iam_guard.asgi.listening import Address, open_socket
from iam_guard.cli.demo.issuer import AUDIENCE, LocalIssuer, issuer_application
from iam_guard.cli.demo.orders import OrderService
from iam_guard.cli.demo.report import Outcome
from iam_guard.cli.demo.scenario import CALLS, PUBLIC, Call, tokens
from iam_guard.cli.demo.serving import served, url_of
from iam_guard.cli.demo.witness import ExplainingGuard, Witness, told
from iam_guard.engine.policy_set import PolicySet
from iam_guard.http.map_file import mapper_from_yaml
from iam_guard.http.mapper import RequestMapper
from iam_guard.identity.claims import Claim, ClaimMapping
from iam_guard.identity.issuer import Issuer
from iam_guard.identity.jwt import JWTAuthenticator
from iam_guard.store.file import FilePolicyStore

POLICIES = Path(__file__).parent / "policies"
ROUTES = Path(__file__).parent / "routes.yaml"
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Demo:
    """The running demonstration.

    Attributes:
        url: Of the orders service.
        tokens: By caller.
        guard: Decides.
        witness: Sees what is decided.
    """

    url: str
    tokens: dict[str, str]
    guard: ExplainingGuard
    witness: Witness

    async def calls(self) -> list[Outcome]:
        """Make every call of the scenario, one after the other."""
        async with httpx.AsyncClient(base_url=self.url, trust_env=False) as client:
            return [await self._outcome(client, call) for call in CALLS]

    async def _outcome(self, client: httpx.AsyncClient, call: Call) -> Outcome:
        self.witness.forget()
        token = self.tokens.get(call.caller)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = await client.request(call.method, call.path, headers=headers)
        record = self.witness.last
        if record is None:
            return Outcome(call, answer.status_code, PUBLIC, call.about)
        decision = self.guard.decision(record.id)
        why = record.reason if decision is None else told(decision, POLICIES)
        return Outcome(call, answer.status_code, record.verdict, why, record.id)


@asynccontextmanager
async def running(host: str, port: int) -> AsyncIterator[Demo]:
    """Start the issuer on loopback, then the orders service behind the guard.

    Raises:
        OSError: the address is taken or not ours.
        UnavailableError: a server did not start.
    """
    with open_socket(Address(LOOPBACK)) as issuers, open_socket(Address(host, port)) as service:
        people, workloads = (LocalIssuer(f"{url_of(issuers)}/{name}") for name in ("people", "workloads"))
        witness, mapper = Witness(), mapper_from_yaml(ROUTES)
        snapshot = FilePolicyStore(POLICIES).load()
        guard = ExplainingGuard(PolicySet(snapshot.attachments, revision=snapshot.revision), log=witness,
                                names=mapper.names)
        async with (httpx.AsyncClient(trust_env=False) as http,
                    served(issuer_application(people, workloads), issuers),
                    served(_protected(guard, mapper, people, workloads, http), service)):
            yield Demo(url_of(service), tokens(people, workloads, time.time()), guard, witness)


def _protected(guard: ExplainingGuard, mapper: RequestMapper, people: LocalIssuer, workloads: LocalIssuer,
               http: httpx.AsyncClient) -> IAMGuardMiddleware:
    """The orders service behind the guard; keys are found through the issuers' own metadata."""
    authenticator = JWTAuthenticator((
        Issuer(people.url, audience=AUDIENCE, algorithms="RS256", discovery=True,
               claims=ClaimMapping(account=Claim("tenant"))),
        Issuer(workloads.url, audience=AUDIENCE, algorithms="RS256", discovery=True,
               claims=ClaimMapping(account=Claim("tenant"), role=Claim("role"))),
    ), realm="orders", http=http)
    service = OrderService()
    return IAMGuardMiddleware(service.application(), guard=guard, authenticator=authenticator, mapper=mapper,
                              resolver=service.facts)


async def run(host: str, port: int, *, once: bool, show: Callable[[Demo, list[Outcome]], Any],
              serve: Callable[[Demo], Any]) -> bool:
    """Run the demonstration.

    Args:
        host: Where the orders service listens.
        port: Its port; 0 for any.
        once: End after the calls.
        show: Shows the outcomes.
        serve: Called when the service goes on.

    Returns:
        Whether everything came out as it has to.
    """
    stopped = _stopped_by_signal()
    async with running(host, port) as demo:
        outcomes = await demo.calls()
        show(demo, outcomes)
        if not once:
            serve(demo)
            await stopped.wait()
    return all(one.is_expected for one in outcomes)


def _stopped_by_signal() -> asyncio.Event:
    """Set when somebody presses Ctrl-C or ends the process politely."""
    stopped = asyncio.Event()
    with suppress(NotImplementedError, ValueError):  # Windows, or not the main thread: Ctrl-C interrupts then
        for one in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(one, stopped.set)
    return stopped
