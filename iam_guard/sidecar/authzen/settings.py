"""The AuthZEN door, as the settings file names it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import msgspec

from iam_guard.asgi.tls import TLSSettings
from iam_guard.errors import ConfigurationError, Fault
from iam_guard.guard import counts_of_the_service
from iam_guard.model import EMPTY, ascii_lower
from iam_guard.sidecar.authzen.origins import origin_faults

_BASE = re.compile(r"https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~-]+)*", re.ASCII)
_KEY = re.compile(r"[A-Za-z0-9-]+:[A-Za-z0-9_./@=+-]+")
_WORD = re.compile(r"[A-Za-z0-9_.-]{1,128}")
#: Nobody but the guard tells the time.
_CLOCK = ("aws:currenttime", "aws:epochtime")

Page = Annotated[int, msgspec.Meta(ge=1, le=10_000)]


class AuthzenDoor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How questions of the Authorization API become questions about ARNs, and who may ask them.

    Attributes:
        base: The URL by which programs know this decision point; every address it tells is made of it.
        listen: A listener of its own, ``HOST:PORT`` or ``unix:PATH``; without it, the one that doors share.
        tls: TLS on the listener of its own.
        name: Of this decision point: its resource is ``iam-guard:pdp/NAME``.
        subject: The ARN of a subject, of ``{partition}``, ``{account}``, ``{type}`` and at its end ``{id}``.
        subjects: The same for single types of subjects.
        resource: The name of a resource, of ``{type}`` and at its end ``{id}``; a short one is completed.
        resources: The same for single types of resources.
        services: The service of a type of resources, which a bare action and a short resource name get in front; by
            default the type itself.
        renamed: What policies call an action that callers name otherwise, as ``Read`` for ``can_read``, or
            ``records:Read``; names in policies have letters and digits only.
        actions: For each type of resources the actions there are, for searches; by the names that callers use.
        known: For each type of resources those there are, by id, with their tags; what stands here counts more than
            what a caller says of the same resource.
        context: Condition keys that members of ``context`` become; any other becomes ``request:NAME``.
        believe_properties: What a caller says of a subject or resource counts more than what is known here.
        show_step_up: Tell that a stronger or fresher login of the subject would help, where it would.
        max_batch: Items of one call.
        max_body: Bytes of a body.
        page_size: Results of a search at once.
        page_key: Where the secret is that seals the tokens of searches, for decision points on several machines that
            answer for each other.
        permissions_max_age: Seconds for which a browser may keep what it was told about its own permissions.
        origins: Origins of web pages whose scripts may ask for own permissions, such as ``https://app.example.com``.

    Raises:
        ConfigurationError: with everything that contradicts itself.
    """

    base: str
    listen: str = ""
    tls: TLSSettings | None = None
    name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,64}$")] = "default"
    subject: str = "arn:{partition}:iam::{account}:{type}/{id}"
    subjects: Mapping[str, str] = EMPTY
    resource: str = "{type}/{id}"
    resources: Mapping[str, str] = EMPTY
    services: Mapping[str, str] = EMPTY
    renamed: Mapping[str, str] = EMPTY
    actions: Mapping[str, tuple[str, ...]] = EMPTY
    known: Mapping[str, Mapping[str, Mapping[str, Any]]] = EMPTY
    context: Mapping[str, str] = EMPTY
    believe_properties: bool = False
    show_step_up: bool = False
    max_batch: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1000
    max_body: Annotated[int, msgspec.Meta(ge=1024, le=16 * 1024 * 1024)] = 1024 * 1024
    page_size: Page = 1000
    page_key: Any = None
    permissions_max_age: Annotated[int, msgspec.Meta(ge=0, le=60)] = 5
    origins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check what the types do not say."""
        if faults := list(_faults(self)):
            raise ConfigurationError(faults)


def _faults(door: AuthzenDoor) -> Iterator[Fault]:
    if not _BASE.fullmatch(door.base):
        yield Fault(f"'{door.base}' is not an https URL without query and final slash",
                    "write it like 'https://pdp.example.com'", "/base")
    for place, text in (("/subject", door.subject), *((f"/subjects/{one}", text)
                                                      for one, text in door.subjects.items())):
        yield from _template_faults(place, text, ("partition", "account", "type"), "arn:")
    for place, text in (("/resource", door.resource), *((f"/resources/{one}", text)
                                                        for one, text in door.resources.items())):
        yield from _template_faults(place, text, ("type",), "")
    for one, service in door.services.items():
        if not re.fullmatch(r"[a-z0-9-]+", service):
            yield Fault(f"'{service}' is not a service", "use small letters, digits and '-'", f"/services/{one}")
    for one, action in door.renamed.items():
        if not re.fullmatch(r"(?:[a-z0-9-]+:)?[A-Za-z0-9]+", action):
            yield Fault(f"'{action}' is not what a policy can call an action", "write it like 'Read' or 'records:Read'",
                        f"/renamed/{one}")
    for one, names in door.actions.items():
        for number, name in enumerate(names):
            if not _WORD.fullmatch(name.replace(":", ".", 1)):
                yield Fault(f"'{name}' is not an action", "write it like 'read' or 'records:Read'",
                            f"/actions/{one}/{number}")
    yield from _key_faults(door.context)
    yield from origin_faults(door.origins)


def _template_faults(place: str, text: str, names: tuple[str, ...], start: str) -> Iterator[Fault]:
    """A template ends with the id, so that no two ids of a type make one name."""
    head = text.removesuffix("{id}")
    left = head
    for name in names:
        left = left.replace(f"{{{name}}}", "")
    if head == text or not head or not head.startswith(start) or any(char in left for char in "{}*?"):
        known = ", ".join(f"{{{name}}}" for name in names)
        yield Fault(f"'{text}' is not a template that ends with '{{id}}' after plain text and {known}",
                    f"write it like '{start}...:{{type}}/{{id}}'", place)


def _key_faults(context: Mapping[str, str]) -> Iterator[Fault]:
    """A caller tells what it knows of a request; the time and the subject's own keys are not its to tell."""
    for name, key in context.items():
        place = f"/context/{name}"
        if not _KEY.fullmatch(key):
            yield Fault(f"'{key}' is not a condition key", "write it like 'aws:SourceIp'", place)
        elif ascii_lower(key) in _CLOCK:
            yield Fault(f"'{key}' is told by the guard's own clock", "remove it", place)
        elif ascii_lower(key).startswith("aws:resource") or not counts_of_the_service(ascii_lower(key), EMPTY):
            yield Fault(f"'{key}' belongs to the subject or the resource", "send it as a property of theirs", place)
