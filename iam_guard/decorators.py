"""Requirement: a check wrapped around a function. It knows neither policies nor frameworks.

Put it below the framework's decorator, so that the framework keeps the checked function:

    @app.get("/documents/{doc_id}")
    @guard.requires("docs:GetDocument", resource="docs:document/{doc_id}")
    async def read_document(doc_id: str) -> Document: ...
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, overload
from uuid import UUID

from iam_guard.errors import ConfigurationError, Fault, RequestRefusedError
from iam_guard.http.naming import ResourceTemplate
from iam_guard.model import ContextValue, Scalar, normalise_context, scalar_text

if TYPE_CHECKING:
    from iam_guard.engine.decision import Decision

P = ParamSpec("P")
R = TypeVar("R")

#: Where a checked function carries its requirements, outermost first.
MARK = "__iam_guard__"


class Check(Protocol):
    """What a requirement asks; :class:`iam_guard.Guard` answers for the current caller."""

    def require(self, action: str, resource: str, *, context: Mapping[str, ContextValue] = ...) -> Decision:
        """Return the decision that allows this, or raise."""
        ...

    def request_value(self, name: str) -> object:
        """What the current request says for a placeholder such as ``claim.tenant`` or a path parameter."""
        ...


class Requirement:
    """Checks before a function runs.

    As a decorator it takes the placeholders' values from the function's parameters; called without a
    function, as a FastAPI dependency does, from the path parameters of the current request.

    Args:
        check: Answers, and raises for a denial.
        action: ``service:Name``.
        resource: Template of a full ARN.
        context: Condition keys to add: fixed text, or ``{name}`` for the value of a parameter.

    Raises:
        ConfigurationError: a context value mixes text and placeholders.
    """

    #: A framework that looks for parameters to fill in finds none.
    __signature__ = inspect.Signature()

    def __init__(self, check: Check, action: str, resource: str, context: Mapping[str, str]) -> None:
        self.action = action
        self.resource = resource
        self._check = check
        self._template = ResourceTemplate(resource)
        self._fixed, self._taken = _split_context(context)
        self._names = tuple(dict.fromkeys((*self._template.names, *self._taken.values())))
        #: The functions that were decorated, as they were before.
        self.functions: list[Callable[..., Any]] = []

    def __repr__(self) -> str:
        return f"Requirement({self.action!r}, {self.resource!r})"

    @overload
    def __call__(self, function: None = None, /) -> Decision: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Callable[P, R]: ...

    def __call__(self, function: Callable[..., Any] | None = None, /) -> Any:
        """Decorate *function*, or check now when there is none.

        Raises:
            ConfigurationError: a placeholder is not a parameter of *function*, or nobody is calling.
            AccessDeniedError: checked now, and not allowed.
        """
        if function is None:
            return self._enforce({})
        self._validate(function)
        self.functions.append(function)
        return self._wrap(function)

    def _wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(function)

        if _is_async(function):

            @functools.wraps(function)
            async def checked_async(*args: Any, **kwargs: Any) -> Any:
                self._enforce(_arguments(signature, args, kwargs))
                return await function(*args, **kwargs)

            return self._marked(checked_async, function)

        @functools.wraps(function)
        def checked(*args: Any, **kwargs: Any) -> Any:
            self._enforce(_arguments(signature, args, kwargs))
            return function(*args, **kwargs)

        return self._marked(checked, function)

    def _marked(self, wrapper: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
        setattr(wrapper, MARK, (self, *getattr(function, MARK, ())))
        return wrapper

    def _validate(self, function: Callable[..., Any]) -> None:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise ConfigurationError(Fault(
                f"'{_name(function)}' is a generator, which starts after the answer has started",
                "check with Depends(guard.requires(...)), or call guard.require in it"))
        known = inspect.signature(function).parameters
        missing = [name for name in self._names if "." not in name and name not in known]
        if missing:
            raise ConfigurationError(Fault(
                f"'{{{missing[0]}}}' in the requirement of '{self.action}' is not a parameter of "
                f"'{_name(function)}'", f"it has {', '.join(map(repr, known)) or 'none'}"))

    def _enforce(self, arguments: Mapping[str, Any]) -> Decision:
        values = {name: self._value(name, arguments) for name in self._names}
        texts = {name: _text(name, values[name]) for name in self._template.names}
        context = {**self._fixed, **{key: values[name] for key, name in self._taken.items()}}
        return self._check.require(self.action, self._template.fill(texts), context=context)

    def _value(self, name: str, arguments: Mapping[str, Any]) -> Any:
        value = arguments[name] if name in arguments else self._check.request_value(name)
        if value is None:
            raise RequestRefusedError("A value that the access check needs is missing.", code="missing-value")
        return value.value if isinstance(value, Enum) else value


def _split_context(context: Mapping[str, str]) -> tuple[dict[str, str | tuple[str, ...]], dict[str, str]]:
    fixed, taken = {}, {}
    for key, value in context.items():
        if value.startswith("{") and value.endswith("}"):
            taken[key] = value[1:-1]
        elif "{" in value or "}" in value:
            raise ConfigurationError(Fault(f"the context value '{value}' mixes text and a placeholder",
                                           "write either text or one '{name}'"))
        else:
            fixed[key] = value
    return normalise_context(fixed), taken


def _arguments(signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.arguments


def _text(name: str, value: Any) -> str:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Scalar):
        return scalar_text(value)
    raise ConfigurationError(Fault(f"'{name}' names a resource and is a {type(value).__name__}",
                                   "use text, a number, a date, a UUID or an enumeration"))


def _is_async(function: Callable[..., Any]) -> bool:
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", type(function).__name__)
