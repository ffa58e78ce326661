"""Who calls, what they ask for, and what has to become of it."""

from __future__ import annotations

from dataclasses import dataclass

from iam_guard.cli.demo.issuer import LIFETIME, LocalIssuer, new_key

ALLOWED, EXPLICIT_DENY, IMPLICIT_DENY = "allowed", "explicitDeny", "implicitDeny"
PUBLIC, UNAUTHENTICATED, UNMAPPED, REFUSED = "public", "unauthenticated", "unmapped", "refused"


@dataclass(frozen=True, slots=True)
class Call:
    """One request, and what the guard has to make of it.

    Attributes:
        caller: Whose token it carries; see :func:`tokens`.
        method: HTTP method.
        path: As it is sent.
        status: The status that has to come back.
        verdict: What has to be recorded.
        about: What this shows.
    """

    caller: str
    method: str
    path: str
    status: int
    verdict: str
    about: str


#: In an order that reads as a story.
CALLS = (
    Call("nobody", "GET", "/health", 200, PUBLIC, "a line of the route map says: public"),
    Call("ann", "GET", "/orders/42", 200, ALLOWED, "managers may read"),
    Call("ann", "POST", "/orders", 201, ALLOWED, "managers may create"),
    Call("ben", "GET", "/orders", 200, ALLOWED, "support may read"),
    Call("ben", "DELETE", "/orders/42", 403, IMPLICIT_DENY, "nothing allows it: denied by default"),
    Call("ben", "POST", "/orders/42/refund", 200, ALLOWED, "a condition that holds"),
    Call("ben", "POST", "/orders/77/refund", 403, IMPLICIT_DENY, "a condition on tags that fails"),
    Call("ann", "GET", "/reports/revenue", 403, IMPLICIT_DENY, "a condition on the address that fails"),
    Call("ann", "DELETE", "/orders/13", 403, EXPLICIT_DENY, "a Deny beats every Allow"),
    Call("cy", "DELETE", "/orders/42", 403, IMPLICIT_DENY, "a manager inside a permissions boundary"),
    Call("line-7", "POST", "/orders/42/ship", 200, ALLOWED, "a session of the role Fulfilment"),
    Call("ann, late", "GET", "/orders/42", 401, UNAUTHENTICATED, "an expired token"),
    Call("mallory", "GET", "/orders/42", 401, UNAUTHENTICATED, "a token signed with another key"),
    Call("nobody", "GET", "/orders/42", 401, UNAUTHENTICATED, "no token"),
    Call("ann", "GET", "/debug", 403, UNMAPPED, "a route that nobody mapped"),
    Call("ann", "PATCH", "/orders/42", 405, UNMAPPED, "a method that the path does not have"),
    Call("ben", "GET", "/reports/..%2forders", 400, REFUSED, "a path that could be read in two ways"),
)


def tokens(people: LocalIssuer, workloads: LocalIssuer, now: float) -> dict[str, str]:
    """The token of every caller; whoever is not in here has none."""
    return {
        "ann": people.token("ann", now),
        "ben": people.token("ben", now),
        "cy": people.token("cy", now),
        "line-7": workloads.token("line-7", now, role="Fulfilment"),
        "ann, late": people.token("ann", now, age=2 * LIFETIME),
        "mallory": people.token("ann", now, forger=new_key()),
    }
