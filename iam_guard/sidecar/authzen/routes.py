"""Where the decision point answers, what each call needs, and what it says of itself."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from iam_guard.http.mapper import Route
from iam_guard.sidecar.authzen.settings import AuthzenDoor

EVALUATE, SEARCH = "iam-guard:Evaluate", "iam-guard:Search"
EXPLAIN, OWN = "iam-guard:ReadExplanation", "iam-guard:ReadOwnPermissions"
_WELL_KNOWN = "/.well-known/authzen-configuration"
#: Seconds that clients may keep the metadata.
MAX_AGE = 300


class Endpoint(NamedTuple):
    """One place to ask.

    Attributes:
        name: What is asked there.
        path: Below the path of the base.
        action: Needed on the decision point.
        key: What the metadata call it; empty for what the standard does not know.
    """

    name: str
    path: str
    action: str
    key: str


ENDPOINTS = (
    Endpoint("evaluation", "/access/v1/evaluation", EVALUATE, "access_evaluation_endpoint"),
    Endpoint("evaluations", "/access/v1/evaluations", EVALUATE, "access_evaluations_endpoint"),
    Endpoint("subject", "/access/v1/search/subject", SEARCH, "search_subject_endpoint"),
    Endpoint("resource", "/access/v1/search/resource", SEARCH, "search_resource_endpoint"),
    Endpoint("action", "/access/v1/search/action", SEARCH, "search_action_endpoint"),
    Endpoint("permissions", "/permissions", OWN, ""),
)


def base_path(door: AuthzenDoor) -> str:
    """What stands in front of every path."""
    return urlsplit(door.base).path


def permissions_path(door: AuthzenDoor) -> str:
    """Where somebody asks about itself."""
    return base_path(door) + "/permissions"


def metadata_path(door: AuthzenDoor) -> str:
    """Where the metadata are: between host and path (RFC 8615)."""
    return _WELL_KNOWN + base_path(door)


def resource_of(door: AuthzenDoor) -> str:
    """The decision point, as a short resource name."""
    return f"iam-guard:pdp/{door.name}"


def endpoints_of(door: AuthzenDoor) -> dict[str, str]:
    """What is asked at which path."""
    return {base_path(door) + one.path: one.name for one in ENDPOINTS}


def door_paths(door: AuthzenDoor) -> frozenset[str]:
    """Every path that the door answers."""
    return frozenset((metadata_path(door), *endpoints_of(door)))


def routes_of(door: AuthzenDoor) -> tuple[Route, ...]:
    """The route map of the door, which the guard's own policies decide."""
    before, resource = base_path(door), resource_of(door)
    asked = [Route("POST", before + one.path, one.action, resource) for one in ENDPOINTS]
    return (*asked, Route("GET", permissions_path(door), OWN, resource),
            Route("GET", metadata_path(door), public=True))


def metadata_of(door: AuthzenDoor) -> bytes:
    """The metadata. Every URL is made of the configured base, never of what a request says."""
    urls = {one.key: door.base + one.path for one in ENDPOINTS if one.key}
    return msgspec.json.encode({"policy_decision_point": door.base, **urls})
