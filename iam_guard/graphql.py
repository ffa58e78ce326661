"""GraphQL: one endpoint, many questions. Each root field of a document is a check of its own.

    fields = FieldGuard(guard)
    execute(schema, document, middleware=[fields])

The door asks about the endpoint (``POST /graphql``); nothing behind it can undo its no. This asks about every field
by the name that the schema gives it, so that an alias, a second operation or a batch changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from iam_guard.errors import AccessDeniedError, ConfigurationError, Fault
from iam_guard.guard import Guard
from iam_guard.model import EMPTY, ContextValue

if TYPE_CHECKING:
    from iam_guard.engine.decision import Decision

#: Says what type something is, and nothing about it; clients add it by themselves.
_TYPE_NAME = "__typename"
_OPERATIONS = ("query_type", "mutation_type", "subscription_type")


class FieldDeniedError(AccessDeniedError):
    """A field may not be resolved. Its text is fit for the client, who gets it as an entry of ``errors``.

    Args:
        decision: Why not.
        field: ``Type.field``.

    Attributes:
        extensions: What GraphQL libraries add to the entry.
    """

    def __init__(self, decision: Decision, field: str) -> None:
        super().__init__(decision)
        self.args = (f"You are not allowed to resolve {field}.",)
        self.extensions = {"code": "access-denied", "field": field, "decision_id": decision.id}


class FieldGuard:
    """Decides about fields of a schema.

    Args:
        guard: Whose policies decide.
        action: ``service:Name``; may hold ``{type}`` and ``{field}``.
        resource: Of a field; holds ``{type}`` and ``{field}``. A full ARN or a short name.
        types: Further types whose fields are decided about, besides those of queries, mutations and subscriptions.

    Attributes:
        resolve: Checks a field, then resolves it: a middleware of graphql-core, and what ``resolve`` of a Strawberry
            extension calls. Takes the next resolver, the root, the info and the field's arguments; raises
            :class:`FieldDeniedError`.

    Raises:
        ConfigurationError: neither action nor resource says which field is meant.
    """

    def __init__(self, guard: Guard, *, action: str = "graphql:ResolveField",
                 resource: str = "types/{type}/fields/{field}", types: Collection[str] = ()) -> None:
        if not all(f"{{{name}}}" in action + resource for name in ("type", "field")):
            raise ConfigurationError(Fault("all fields would be one resource",
                                           "write '{type}' and '{field}' in the resource, or in the action"))
        self._guard = guard
        self._action = action
        self._resource = resource
        self._types = frozenset(types)
        # A function and no method: graphql-core would silently pass over a method in its list of middleware.
        self.resolve = self._resolver()

    def require(self, type_name: str, field: str, *, context: Mapping[str, ContextValue] = EMPTY) -> Decision:
        """Check one field for the current caller, from inside a resolver.

        Args:
            type_name: The type that has the field, as the schema calls it.
            field: The field's name in the schema, never its alias.
            context: Condition keys, such as the owner of what was loaded.

        Raises:
            FieldDeniedError: it is not allowed.
            ConfigurationError: no request is being handled.
        """
        try:
            return self._guard.require(self._filled(self._action, type_name, field),
                                       self._filled(self._resource, type_name, field), context=context)
        except AccessDeniedError as denied:
            raise FieldDeniedError(denied.decision, f"{type_name}.{field}") from None

    def _resolver(self) -> Callable[..., Any]:
        def resolve(resolve_next: Callable[..., Any], root: Any, info: Any, *args: Any, **kwargs: Any) -> Any:
            name = info.parent_type.name
            if info.field_name != _TYPE_NAME and (name in self._types or name in _roots(info.schema)):
                self.require(name, info.field_name)
            return resolve_next(root, info, *args, **kwargs)

        return resolve

    def _filled(self, template: str, type_name: str, field: str) -> str:
        return template.replace("{type}", type_name).replace("{field}", field)


def _roots(schema: Any) -> frozenset[str]:
    """Names of the types that operations begin with."""
    return frozenset(found.name for kind in _OPERATIONS if (found := getattr(schema, kind, None)) is not None)
