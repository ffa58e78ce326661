"""Denials: what a client is told when the answer is not yes (wire contracts, sections 1, 11 and 13).

One table says which status an internal result gets. A body says what was asked and how the decision is
called; it names no policy, no statement and no resource (promise S20), and is the same for a resource that
does not exist.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from iam_guard.errors import AuthenticationError, RequestRefusedError, UnavailableError
from iam_guard.http.challenge import resource_metadata_in, stronger_login, usual_scheme, with_error

if TYPE_CHECKING:
    from iam_guard.engine.decision import Decision
    from iam_guard.http.mapper import Unmapped
    from iam_guard.http.request import HTTPRequest

PROBLEM_BASE = "urn:iam-guard:problems:"
DECISION_URN = "urn:guard:decision:"
DECISION_HEADER = b"x-iam-guard-decision-id"


class Problem(Enum):
    """Internal results that are not yes: (last part of the type, status, title)."""

    UNAUTHENTICATED = "authentication-required", 401, "Authentication required"
    INVALID_TOKEN = "invalid-token", 401, "Invalid token"
    STEP_UP = "step-up-required", 401, "Step-up authentication required"
    INSUFFICIENT_SCOPE = "insufficient-scope", 403, "Insufficient scope"
    ACCESS_DENIED = "access-denied", 403, "Access denied"
    UNMAPPED = "unmapped-route", 403, "Unmapped route"
    UNTRUSTED_PEER = "untrusted-peer", 403, "Untrusted peer"
    METHOD = "method-not-allowed", 405, "Method not allowed"
    AMBIGUOUS = "ambiguous-path", 400, "Ambiguous path"
    INVALID_REQUEST = "invalid-request", 400, "Invalid request"
    MISSING_VALUE = "missing-value", 400, "Missing value"
    REPEATED_VALUE = "repeated-value", 400, "Repeated value"
    BODY_TOO_LARGE = "body-too-large", 413, "Body too large"
    TARGET_TOO_LONG = "target-too-long", 414, "Target too long"
    HEADERS_TOO_LARGE = "headers-too-large", 431, "Headers too large"
    UNSUPPORTED_VERSION = "unsupported-version", 505, "Unsupported version"
    UNAVAILABLE = "policy-unavailable", 503, "Policy unavailable"

    def __init__(self, code: str, status: int, title: str) -> None:
        self.code = code
        self.status = status
        self.title = title


@dataclass(frozen=True, slots=True)
class DenialStyle:
    """How denials look.

    Args:
        problem_base: Put in front of a problem's name to make its type.
        show_action: Tell the client which action was denied.
        show_scopes: Tell the client which scopes its token lacks, where asking for them would help; the names
            are those in the policies.
        show_step_up: Tell the client that a stronger or fresher login would help, where it would, instead of a plain
            denial; the authentication contexts are those in the policies.
        retry_after: Seconds that a client should wait when nothing can be decided.
        unmapped_status: 403, or 404 in front of an application that hides what it has.
    """

    problem_base: str = PROBLEM_BASE
    show_action: bool = True
    show_scopes: bool = False
    show_step_up: bool = False
    retry_after: int = 5
    unmapped_status: int = 403


class Denial(NamedTuple):
    """A response that is not the application's.

    Attributes:
        status: HTTP status.
        headers: As ASGI sends them.
        body: Empty for ``HEAD``.
        code: Of the problem; empty for an answer that is none.
    """

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    code: str = ""


_STYLE = DenialStyle()


def denial_for(decision: Decision, request: HTTPRequest | None = None, *, style: DenialStyle = _STYLE) -> Denial:
    """Answer a caller who is known and may not: 403, or 503 when evaluation failed.

    Explicit and implicit denials look alike, and so do resources that exist and that do not.
    """
    if decision.error:
        return unavailable(request, decision_id=decision.id, style=style)
    action = decision.request.action if style.show_action else ""
    asked = f"perform {action} on this resource" if action else "do this"
    return _denial(Problem.ACCESS_DENIED, f"You are not allowed to {asked}.", request, style,
                   decision_id=decision.id, action=action)


def denial_for_anonymous(challenges: Iterable[str], request: HTTPRequest | None = None, *, decision_id: str = "",
                         style: DenialStyle = _STYLE) -> Denial:
    """Answer somebody who sent no credentials where some are needed: 401 with every challenge, without error."""
    return _denial(Problem.UNAUTHENTICATED, "This needs credentials, and none were sent.", request, style,
                   decision_id=decision_id, challenges=tuple(challenges))


def denial_for_authentication(error: AuthenticationError, challenges: Iterable[str],
                              request: HTTPRequest | None = None, *, decision_id: str = "",
                              style: DenialStyle = _STYLE) -> Denial:
    """Answer bad credentials: 401, or 400 for ``invalid_request`` (RFC 6750 section 3.1).

    Args:
        error: Its description is sent, its detail is not.
        challenges: Those for a request without credentials.
        request: What was asked, if it could be read.
        decision_id: Names the refusal in the log.
        style: How denials look.
    """
    problem = Problem.INVALID_REQUEST if error.code == "invalid_request" else Problem.INVALID_TOKEN
    offered = tuple(challenges)
    told = with_error(offered, error.code, error.description, scheme=error.scheme or usual_scheme(offered))
    more = [(name.lower().encode("ascii"), value.encode("ascii")) for name, value in error.headers]
    return _denial(problem, _sentence(error.description), request, style,
                   decision_id=decision_id, challenges=told, more=more)


def denial_for_scope(scopes: Iterable[str], challenges: Iterable[str], request: HTTPRequest | None = None, *,
                     decision_id: str = "", style: DenialStyle = _STYLE) -> Denial:
    """Answer a valid token that lacks a scope: 403 with the scopes that would help."""
    told = with_error(challenges, "insufficient_scope", scope=scopes)
    return _denial(Problem.INSUFFICIENT_SCOPE, "The token lacks a scope that this needs.", request, style,
                   decision_id=decision_id, challenges=told)


def denial_for_step_up(request: HTTPRequest | None = None, *, acr_values: Sequence[str] = (),
                       max_age: int | None = None, challenges: Iterable[str] = (), decision_id: str = "",
                       style: DenialStyle = _STYLE) -> Denial:
    """Answer a caller whose login is too weak or too old: 401 (RFC 9470).

    Args:
        request: What was asked; its own scheme is the one that tells what is missing.
        acr_values: Authentication contexts, each of which would do.
        max_age: Seconds that the login may be old; ``None`` when its age does not matter.
        challenges: Those for a request without credentials, one of which may name the resource metadata.
        decision_id: Names the decision in the log.
        style: How denials look.
    """
    detail = "A different authentication level is required"
    sent = (request.header("authorization") or "") if request is not None else ""
    told = stronger_login(detail, acr_values=acr_values, max_age=max_age,
                          scheme="DPoP" if sent[:5].lower() == "dpop " else "Bearer",
                          resource_metadata=resource_metadata_in(challenges))
    return _denial(Problem.STEP_UP, f"{detail}.", request, style, decision_id=decision_id, challenges=(told,))


def denial_for_refusal(error: RequestRefusedError, request: HTTPRequest | None = None, *, allow: Sequence[str] = (),
                       decision_id: str = "", style: DenialStyle = _STYLE) -> Denial:
    """Answer a malformed or ambiguous request with the status and description of *error*.

    Args:
        error: Why it was refused.
        request: What was asked, if it could be read.
        allow: Methods that exist, for a 405.
        decision_id: Names the refusal in the log.
        style: How denials look.
    """
    known = {problem.code: problem.title for problem in Problem}
    title = known.get(error.code) or error.code.replace("-", " ").capitalize()
    head = _Head(error.code, error.status, title)
    more = [(b"allow", ", ".join(allow).encode())] if error.status == 405 else []
    return _build(head, _sentence(error.description), request, style,
                  decision_id=decision_id, more=more)


def denial_for_unmapped(unmapped: Unmapped, request: HTTPRequest | None = None, *, decision_id: str = "",
                        style: DenialStyle = _STYLE) -> Denial:
    """Answer a request that no route maps: 405 when the path has other methods, else 403 (or 404)."""
    if unmapped.allow:
        more = [(b"allow", ", ".join(unmapped.allow).encode())]
        return _build(_Head(*Problem.METHOD.value), "This method is not served here.", request, style,
                      decision_id=decision_id, more=more)
    code, _, title = Problem.UNMAPPED.value
    return _build(_Head(code, style.unmapped_status, title), "Nothing is served here.", request, style,
                  decision_id=decision_id)


def unavailable(request: HTTPRequest | None = None, *, error: UnavailableError | None = None, decision_id: str = "",
                style: DenialStyle = _STYLE) -> Denial:
    """Answer when nothing can be decided: 503 with ``Retry-After``. *error* is for the log; none of it is sent."""
    return _build(_Head(*Problem.UNAVAILABLE.value), "Access cannot be decided at the moment.", request, style,
                  decision_id=decision_id, more=[(b"retry-after", str(style.retry_after).encode())])


class _Head(NamedTuple):
    code: str
    status: int
    title: str


def _denial(problem: Problem, detail: str, request: HTTPRequest | None, style: DenialStyle, *, decision_id: str,
            action: str = "", challenges: tuple[str, ...] = (), more: Iterable[tuple[bytes, bytes]] = ()) -> Denial:
    told = [(b"www-authenticate", ", ".join(challenges).encode("ascii"))] if challenges else []
    return _build(_Head(*problem.value), detail, request, style, decision_id=decision_id, action=action,
                  more=[*told, *more])


def _build(head: _Head, detail: str, request: HTTPRequest | None, style: DenialStyle, *, decision_id: str,
           action: str = "", more: Iterable[tuple[bytes, bytes]] = ()) -> Denial:
    members: dict[str, str | int] = {"type": style.problem_base + head.code, "title": head.title,
                                     "status": head.status, "detail": detail}
    if decision_id:
        members["instance"] = DECISION_URN + decision_id
    if action:
        members["action"] = action
    if decision_id:
        members["decision_id"] = decision_id
    if request is not None and prefers_html(request.header("accept") or ""):
        content_type, body = b"text/html; charset=utf-8", _page(head.title, detail, decision_id)
    else:
        content_type, body = b"application/problem+json", json.dumps(members).encode()
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode()),
               (b"cache-control", b"no-store"), *more]
    if decision_id:
        headers.append((DECISION_HEADER, decision_id.encode("ascii")))
    is_head = request is not None and request.method == "HEAD"
    return Denial(head.status, tuple(headers), b"" if is_head else body, head.code)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].removesuffix('.')}."


def _page(title: str, detail: str, decision_id: str) -> bytes:
    number = f"<p>Decision <code>{html.escape(decision_id)}</code></p>" if decision_id else ""
    return (f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
            f"<h1>{html.escape(title)}</h1><p>{html.escape(detail)}</p>{number}</html>\n").encode()


def prefers_html(accept: str) -> bool:
    """Say whether an ``Accept`` header prefers HTML to JSON (RFC 9110 section 12.5.1); a tie goes to JSON."""
    weights: dict[str, float] = {}
    for item in accept.split(","):
        name, *parameters = [part.strip().lower() for part in item.split(";")]
        weights[name] = max([_weight(part) for part in parameters if part.startswith("q=")], default=1.0)
    rest = weights.get("*/*", 0.0)
    as_html = weights.get("text/html", weights.get("text/*", rest))
    as_json = max(weights.get(name, weights.get("application/*", rest))
                  for name in ("application/json", "application/problem+json"))
    return as_html > as_json


def _weight(parameter: str) -> float:
    text = parameter[2:]
    digits = text.replace(".", "", 1)
    return min(float(text), 1.0) if digits.isascii() and digits.isdigit() else 0.0
