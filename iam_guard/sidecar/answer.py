"""Answer: what a proxy is told, and Asker, who finds it out.

Whatever happens here, the worst answer is a closed door: an error of any kind becomes 503, and only the one word of
the judge that admits a request becomes 200.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import msgspec

from iam_guard.asgi.body import HeldBody
from iam_guard.asgi.judge import Admission, Judge
from iam_guard.asgi.types import Message, Receive
from iam_guard.engine.memo import Memo
from iam_guard.errors import RequestRefusedError
from iam_guard.guard import InformedCaller
from iam_guard.http.caller_headers import CallerHeaders
from iam_guard.http.edge import EdgeSettings
from iam_guard.http.response import Denial, denial_for_refusal, unavailable
from iam_guard.identity.caller import current_caller
from iam_guard.model import Principal
from iam_guard.sidecar.original import Fields, OriginalRequest

_logger = logging.getLogger("iam_guard")
_ANONYMOUS = Principal.anonymous()
#: Callers whose headers are remembered.
_KEPT_CALLERS = 4096
_NO_STORE = (b"cache-control", b"no-store")
_UNSEEN = RequestRefusedError("The body that was signed cannot be seen here.", status=403, code="access-denied")

#: Outcomes that are not the code of a problem.
ALLOWED, PREFLIGHT = "allow", "preflight"


class Answer(msgspec.Struct, frozen=True):
    """What is said about one request of a client.

    Attributes:
        status: 200 for an admission, and for nothing else.
        headers: On an admission, those for the upstream; otherwise those for the client.
        body: For the client.
        allowed: The request may pass.
        outcome: ``allow``, ``preflight``, or the code of the problem (``access-denied``, ``unmapped-route``, ...).
        remove: Headers of the client, as it sent them, that must not reach the upstream.
        caller: Those of *headers* that are the same each time for the same caller.
    """

    status: int
    headers: Fields
    body: bytes
    allowed: bool
    outcome: str
    remove: tuple[str, ...] = ()
    caller: Fields = ()


class Asker:
    """Asks the judge about requests that others have received.

    Args:
        judge: Decides.
        caller_headers: How the upstream learns who was let in.
        edge: Which headers of a client are dropped; has to name those of *more*, too.
        more: Further headers for the upstream. An error of it closes the door.
    """

    def __init__(self, judge: Judge, caller_headers: CallerHeaders, edge: EdgeSettings,
                 more: Callable[[InformedCaller, OriginalRequest], Fields] | None = None) -> None:
        self._judge = judge
        self._names = caller_headers
        self._edge = edge
        self._more = more
        self._known: Memo[int, tuple[Principal, Fields]] = Memo(_KEPT_CALLERS)

    async def ask(self, original: OriginalRequest, body: bytes | None = None) -> Answer:
        """Say whether a request may pass. Never raises: an error closes the door.

        Args:
            original: What the client sent.
            body: Its whole body, where the proxy hands it over; who signed it is refused otherwise.
        """
        before = current_caller.get()
        try:
            verdict = await self._judge.judge(original.scope(), _receiver(body))
            return self._admitted(verdict, original) if isinstance(verdict, Admission) else _denied(verdict)
        except Exception:
            _logger.exception("a request is denied because of an error")
            return _denied(unavailable())
        finally:
            current_caller.set(before)

    def ask_at_once(self, originals: Sequence[OriginalRequest]) -> list[Answer | None]:
        """What :meth:`ask` says of several requests, where nothing has to be waited for. Never raises.

        Args:
            originals: What clients sent. Bodies are not looked at: who signed one has to be waited for.

        Returns:
            ``None``, with nothing done, for a request that only :meth:`ask` can answer.
        """
        before = current_caller.get()
        try:
            verdicts = self._judge.judge_at_once([original.scope() for original in originals])
            return [self._said(*one) for one in zip(verdicts, originals, strict=True)]
        except Exception:
            _logger.exception("requests are denied because of an error")
            return [_denied(unavailable()) for _ in originals]
        finally:
            current_caller.set(before)

    def _said(self, verdict: Admission | Denial | None, original: OriginalRequest) -> Answer | None:
        if verdict is None:
            return None
        if isinstance(verdict, Denial):
            return _denied(verdict)
        try:
            current_caller.set(verdict.caller)
            return self._admitted(verdict, original)
        except Exception:
            _logger.exception("a request is denied because of an error")
            return _denied(unavailable())

    def refuse(self, error: Exception) -> Answer:
        """The answer to a call that does not say what it is about; it is recorded and counted like any denial.

        Args:
            error: Such as a :class:`RequestRefusedError`.
        """
        try:
            return _denied(self._judge.denials.of_error(error, None))
        except Exception:
            _logger.exception("a request is denied because of an error")
            return _denied(unavailable())

    def nobody(self) -> Fields:
        """The headers for a request that passes without a caller."""
        return (*self._names.for_caller(_ANONYMOUS, ""), _NO_STORE)

    def _admitted(self, admission: Admission, original: OriginalRequest) -> Answer:
        caller = admission.caller
        caller.scope = {}  # a caller and its scope know each other; let go of both at once
        request = caller.request
        if request is not None and isinstance(request.body, HeldBody) and request.body.is_unchecked:
            return _denied(denial_for_refusal(_UNSEEN, request))
        about = self._about(caller.principal)
        fields = (*about, self._names.of_decision(caller.decisions[0].id if caller.decisions else ""), _NO_STORE)
        remove = self._to_remove(original.headers)
        if self._more is not None:
            more = self._more(caller, original)
            fields, remove = (*more, *fields), _without(remove, more)
        return Answer(200, fields, b"", True, ALLOWED, remove, about)

    def _about(self, principal: Principal) -> Fields:
        """The headers about a caller; authenticators hand out the same callers again and again."""
        found = self._known.get(id(principal))
        if found is None or found[0] is not principal:
            found = self._known.keep(id(principal), (principal, self._names.of_caller(principal)))
        return found[1]

    def _to_remove(self, headers: Fields) -> tuple[str, ...]:
        if self._edge.harmless.issuperset(dict(headers)):
            return ()
        return self._names.to_remove(headers, self._edge)


def for_subrequest(answer: Answer) -> Answer:
    """*answer* for a proxy that knows three words: 200, 401 and 403, and takes the rest for a failure.

    Credentials that were sent wrongly are 401, since a client can mend them; whatever else is not a denial already
    becomes 403. A guard that cannot decide stays 503.
    """
    if answer.status in (200, 401, 403, 503):
        return answer
    mended = any(name == b"www-authenticate" for name, _ in answer.headers)
    return _with_status(answer, 401 if mended else 403)


def _without(names: tuple[str, ...], fields: Fields) -> tuple[str, ...]:
    """Those of *names* that *fields* do not set anyway: a proxy might take off what was set."""
    known = {name for name, _ in fields}
    return tuple([name for name in names if name.lower().encode("latin-1") not in known])


def _denied(denial: Denial) -> Answer:
    outcome = denial.code or (PREFLIGHT if denial.status == 204 else "denied")
    return Answer(denial.status, denial.headers, denial.body, False, outcome)


def _with_status(answer: Answer, status: int) -> Answer:
    """The same answer under another status; a problem document says the status too (RFC 9457 section 3.1.2)."""
    body = answer.body
    if (b"content-type", b"application/problem+json") in answer.headers and body:
        body = msgspec.json.encode({**msgspec.json.decode(body), "status": status})
    kept = tuple((name, value) for name, value in answer.headers if name not in (b"content-length", b"allow"))
    return msgspec.structs.replace(answer, status=status, body=body,
                                   headers=(*kept, (b"content-length", b"%d" % len(body))))


def _receiver(body: bytes | None) -> Receive:
    async def receive() -> Message:
        if body is None:
            raise _UNSEEN
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
