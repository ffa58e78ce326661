"""Requirement: checks before the function, keeps its signature, refuses to be built wrongly."""

from __future__ import annotations

import asyncio
import contextvars
import enum
import functools
import inspect
import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from iam_guard.decorators import MARK, Requirement
from iam_guard.engine.policy_set import PolicySet
from iam_guard.errors import AccessDeniedError, ConfigurationError, RequestRefusedError
from iam_guard.guard import Guard
from iam_guard.http.request import HTTPRequest
from iam_guard.identity.caller import Caller, current_caller
from iam_guard.model import Principal

POLICY = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "docs:*", "Resource": "arn:app:docs::000000000000:document/*"},
    {"Effect": "Deny", "Action": "docs:*", "Resource": "arn:app:docs::000000000000:document/secret*"},
]}
GUARD = Guard(PolicySet.from_json(json.dumps(POLICY)))
ADA = Principal.user("ada", attributes={"jwt:tenant": "acme"})


def as_ada(function: Callable[[], Any], **caller: Any) -> Any:
    def run() -> Any:
        current_caller.set(Caller(ADA, **caller))
        result = function()
        return asyncio.run(result) if inspect.isawaitable(result) else result

    return contextvars.copy_context().run(run)


def resources(function: Callable[[], Any], **caller: Any) -> list[str]:
    decisions: list[Any] = []
    as_ada(function, decisions=decisions, **caller)
    return [decision.request.resource.removeprefix("arn:app:docs::000000000000:") for decision in decisions]


def guarded(resource: str = "docs:document/{doc_id}", **more: Any) -> Requirement:
    return GUARD.requires("docs:Get", resource=resource, **more)


@guarded()
async def read(doc_id: str, q: str = "") -> str:
    return f"{doc_id}{q}"


@guarded()
def read_sync(doc_id: str, q: str = "") -> str:
    return f"{doc_id}{q}"


class Reader:
    async def __call__(self, doc_id: str) -> str:
        return doc_id


class SyncReader:
    def __call__(self, doc_id: str) -> str:
        return doc_id


async def read_for(tenant: str, doc_id: str) -> str:
    return doc_id


@pytest.mark.parametrize("function", [
    read, read_sync,
    pytest.param(guarded()(Reader()), id="M13.4-async-object"),
    pytest.param(guarded()(SyncReader()), id="M13.4-object"),
    pytest.param(guarded()(functools.partial(read_for, "t")), id="M13.4-partial"),
    pytest.param(guarded()(functools.partial(Reader())), id="M13.4-partial-of-object"),
])
def test_the_check_runs_first(function: Callable[..., Any]) -> None:
    assert as_ada(lambda: function(doc_id="42")) == "42"
    with pytest.raises(AccessDeniedError):
        as_ada(lambda: function(doc_id="secret"))


def test_positional_and_default_arguments_count() -> None:
    @guarded()
    def find(doc_id: str = "secret") -> str:
        return doc_id

    assert as_ada(lambda: find("42")) == "42"
    with pytest.raises(AccessDeniedError):
        as_ada(find)


def test_mw_46_name_and_signature_stay() -> None:
    async def plain(doc_id: str, q: str = "") -> str:
        """Reads."""

    wrapped = guarded()(plain)
    assert inspect.signature(wrapped) == inspect.signature(plain)
    assert (wrapped.__name__, wrapped.__doc__) == ("plain", "Reads.")
    assert inspect.iscoroutinefunction(wrapped)
    assert not inspect.iscoroutinefunction(read_sync)


def test_without_a_caller_nothing_runs() -> None:
    with pytest.raises(ConfigurationError, match="no current caller"):
        read_sync("42")
    with pytest.raises(ConfigurationError, match="no current caller"):
        asyncio.run(read("42"))


def test_a_placeholder_that_is_no_parameter_is_refused_at_once() -> None:
    with pytest.raises(ConfigurationError, match=r"'\{doc\}' .* is not a parameter of .*'; it has 'doc_id'"):
        guarded("docs:document/{doc}")(lambda doc_id: doc_id)


def test_a_context_placeholder_that_is_no_parameter_is_refused_at_once() -> None:
    with pytest.raises(ConfigurationError, match="not a parameter"):
        guarded(context={"docs:Kind": "{kind}"})(lambda doc_id: doc_id)


@pytest.mark.parametrize("resource", ["docs:document/{doc_id", "docs:document/{}", "docs:document/*"])
def test_a_malformed_template_is_refused_at_once(resource: str) -> None:
    with pytest.raises(ConfigurationError):
        guarded(resource)


@pytest.mark.parametrize("value", ["x{kind}", "{kind}{doc_id}x", "}{"])
def test_a_context_value_is_text_or_one_placeholder(value: str) -> None:
    with pytest.raises(ConfigurationError, match="mixes"):
        guarded(context={"docs:Kind": value})


def test_generators_are_refused_with_a_way_out() -> None:
    async def stream(doc_id: str):
        yield doc_id

    with pytest.raises(ConfigurationError, match="Depends"):
        guarded()(stream)


class Colour(enum.StrEnum):
    RED = "red"


@pytest.mark.parametrize(("value", "text"), [
    (7, "7"), (Colour.RED, "red"), (True, "true"), ("a/b", "a%2Fb"), ("*", "*"), ("a%2Fb", "a%252Fb"),
    (UUID("12345678-1234-5678-1234-567812345678"), "12345678-1234-5678-1234-567812345678"),
])
def test_values_become_text_that_cannot_climb(value: Any, text: str) -> None:
    assert resources(lambda: read_sync(value)) == [f"document/{text}"]


@pytest.mark.parametrize("value", ["..", "../x", "a\nb", "", None])
def test_values_that_name_nothing_are_refused(value: Any) -> None:
    with pytest.raises(RequestRefusedError):
        as_ada(lambda: read_sync(value))


def test_a_value_of_an_unknown_type_is_a_mistake() -> None:
    with pytest.raises(ConfigurationError, match="'doc_id' names a resource and is a dict"):
        as_ada(lambda: read_sync({"id": 1}))


def test_context_comes_from_parameters_and_text() -> None:
    decisions: list[Any] = []

    @guarded(context={"docs:Kind": "{kind}", "docs:Channel": "web"})
    def find(doc_id: str, kind: list[str]) -> str:
        return doc_id

    as_ada(lambda: find("42", ["a", "b"]), decisions=decisions)
    context = decisions[0].request.context
    assert (context["docs:kind"], context["docs:channel"]) == (("a", "b"), "web")


def test_claims_query_and_headers_of_the_request() -> None:
    request = HTTPRequest(query_string=b"v=3", headers=((b"x-team", b"red"),))

    @guarded("docs:document/{claim.tenant}/{query.v}/{header.x-team}")
    def find() -> None: ...

    assert resources(find, request=request) == ["document/acme/3/red"]


def test_a_query_value_sent_twice_is_refused() -> None:
    @guarded("docs:document/{query.v}")
    def find() -> None: ...

    for query in (b"v=1&v=2", b""):
        with pytest.raises(RequestRefusedError):
            as_ada(find, request=HTTPRequest(query_string=query))


def test_as_a_dependency_it_reads_the_path_parameters() -> None:
    requirement = guarded()
    assert not inspect.signature(requirement).parameters
    assert resources(requirement, scope={"path_params": {"doc_id": "42"}}) == ["document/42"]
    with pytest.raises(AccessDeniedError):
        as_ada(requirement, scope={"path_params": {"doc_id": "secret"}})
    with pytest.raises(RequestRefusedError):
        as_ada(requirement, scope={})


def test_the_wrapper_carries_its_requirements_and_the_guard_knows_them() -> None:
    guard = Guard(PolicySet())
    outer, inner = guard.requires("docs:A", resource="*"), guard.requires("docs:B", resource="*")

    def handle() -> None: ...

    wrapped = outer(inner(handle))
    assert getattr(wrapped, MARK) == (outer, inner)
    assert guard.requirements == (outer, inner)
    assert inner.functions == [handle]
    assert not hasattr(handle, MARK)
