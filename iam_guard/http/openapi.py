"""Routes from an OpenAPI document: by its own extensions, or by a naming rule over operation ids.

An operation says ``x-iam-action`` and ``x-iam-resource``, or ``x-iam-public: true``; ``x-iam-path`` replaces a
path that OpenAPI cannot express (``/files/{p:path}``). What says nothing and follows no rule is a fault,
unless the caller decides that such operations stay closed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from iam_guard.errors import ConfigurationError, Fault
from iam_guard.http.mapper import RequestMapper, Route
from iam_guard.http.naming import ResourceNames
from iam_guard.policy.source import pointer

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_WORD = re.compile(r"[A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class OperationNaming:
    """A rule that names actions after operations.

    Args:
        service: Prefix of the actions.
        style: ``pascal``: ``get_order`` becomes ``GetOrder``; ``keep``: as it is written.

    Raises:
        ConfigurationError: the style or the service is not one.
    """

    service: str
    style: Literal["pascal", "keep"] = "pascal"

    def __post_init__(self) -> None:
        if self.style not in ("pascal", "keep"):
            raise ConfigurationError(Fault(f"'{self.style}' is not a naming style", "use 'pascal' or 'keep'"))
        if not re.fullmatch(r"[a-z0-9-]+", self.service):
            raise ConfigurationError(Fault(f"'{self.service}' is not a service prefix", "use a-z, 0-9 and '-'"))

    def action(self, operation_id: str) -> str:
        """The action of an operation."""
        if self.style == "keep":
            return f"{self.service}:{operation_id}"
        return f"{self.service}:" + "".join(word[:1].upper() + word[1:] for word in _WORD.findall(operation_id))


def mapper_from_openapi(document: Mapping[str, Any], *, naming: OperationNaming | Mapping[str, str] | None = None,
                        unmapped: Literal["refuse", "deny"] = "refuse", file: str = "",
                        names: ResourceNames = ResourceNames()) -> RequestMapper:  # noqa: B008 - frozen
    """Map every operation of an OpenAPI document.

    Args:
        document: As parsed from JSON or YAML.
        naming: How to name the action of an operation without ``x-iam-action``; its resource is then
            ``x-iam-resource`` or the path without its first slash.
        unmapped: What to do about operations without an action: refuse to start, or leave them denied.
        file: Name of the document, for faults.
        names: Completes short resource names.

    Raises:
        ConfigurationError: with every fault, operations without an action among them.
    """
    return RequestMapper(routes_from_openapi(document, naming=naming, unmapped=unmapped, file=file), names=names)


def routes_from_openapi(document: Mapping[str, Any], *, naming: OperationNaming | Mapping[str, str] | None = None,
                        unmapped: Literal["refuse", "deny"] = "refuse", file: str = "") -> tuple[Route, ...]:
    """Read the routes of an OpenAPI document; see :func:`mapper_from_openapi`.

    Raises:
        ConfigurationError: with every fault.
    """
    rule = OperationNaming(**naming) if isinstance(naming, Mapping) else naming  # type: ignore[arg-type]
    if unmapped not in ("refuse", "deny"):
        raise ConfigurationError(Fault(f"'{unmapped}' is no rule for unmapped operations", "use 'refuse' or 'deny'"))
    routes: list[Route] = []
    faults: list[Fault] = []
    for method, path, operation, at in _operations(document, file):
        found = _route(method, path, operation, rule)
        if isinstance(found, Route):
            routes.append(found)
        elif found is not None:
            faults.append(Fault(*found, pointer=at, file=file))
        elif unmapped == "refuse":
            faults.append(Fault(f"'{method} {path}' has no action", "add 'x-iam-action' and 'x-iam-resource', or "
                                "'x-iam-public: true', or leave it denied with unmapped='deny'", at, file=file))
    if faults:
        raise ConfigurationError(faults)
    return tuple(routes)


def _operations(document: Mapping[str, Any], file: str) -> Iterator[tuple[str, str, Mapping[str, Any], str]]:
    paths = document.get("paths")
    if not isinstance(paths, Mapping) or not paths:
        raise ConfigurationError(Fault("the OpenAPI document has no paths", pointer="/paths", file=file))
    for path, item in paths.items():
        for method in _METHODS:
            operation = item.get(method) if isinstance(item, Mapping) else None
            if isinstance(operation, Mapping):
                yield method.upper(), path, operation, pointer("/paths", path, method)


def _route(method: str, path: str, operation: Mapping[str, Any],
           rule: OperationNaming | None) -> Route | tuple[str, str] | None:
    template = str(operation.get("x-iam-path", path))
    action, resource = operation.get("x-iam-action"), operation.get("x-iam-resource")
    public = operation.get("x-iam-public", False)
    if not isinstance(public, bool):
        return f"'x-iam-public' of '{method} {path}' is not a boolean", "write true or false"
    if public:
        if action or resource:
            return f"'{method} {path}' is public and has an action", "keep one of the two"
        return Route(method, template, public=True)
    if action is None:
        operation_id = operation.get("operationId")
        if rule is None or not isinstance(operation_id, str) or not operation_id:
            return None
        action, resource = rule.action(operation_id), resource or _resource_of(template)
    if not isinstance(action, str) or not isinstance(resource, str):
        return f"'{method} {path}' has an action but no resource", "add 'x-iam-resource'"
    return Route(method, template, action, resource)


def _resource_of(template: str) -> str:
    """``/orders/{order_id:int}`` names ``orders/{order_id}``."""
    return re.sub(r":(?:int|float|uuid|str)\}", "}", template.strip("/")) or "*"
