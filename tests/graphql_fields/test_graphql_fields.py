"""GraphQL behind one endpoint (middleware case mw-55), with graphql-core as the library."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from graphql import build_schema, execute, graphql, parse

from iam_guard.engine.policy_set import PolicySet
from iam_guard.errors import AccessDeniedError, ConfigurationError
from iam_guard.graphql import FieldDeniedError, FieldGuard
from iam_guard.guard import Guard
from iam_guard.model import Principal
from iam_guard.testing import act_as

SCHEMA = build_schema("""
    type User { id: ID, email: String }
    type Query { users: [User], me: User }
    type Mutation { invite(email: String): User, purge: Boolean }
""")
USER = {"id": "1", "email": "ann@example.com"}


class Root:
    """Counts what was resolved."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def users(self, info: Any) -> Any:
        self.calls.append("users")
        return [USER]

    async def me(self, info: Any) -> Any:
        self.calls.append("me")
        return USER

    def invite(self, info: Any, email: str) -> Any:
        self.calls.append("invite")
        return {"id": "2", "email": email}

    def purge(self, info: Any) -> bool:
        self.calls.append("purge")
        return True


def fields_of(*resources: str, deny: tuple[str, ...] = (), **more: Any) -> FieldGuard:
    def arns(names: tuple[str, ...]) -> list[str]:
        return [f"arn:app:graphql:*:*:types/{name}" for name in names]

    rules = [{"Effect": "Allow", "Action": "graphql:ResolveField", "Resource": arns(resources)}]
    rules += [{"Effect": "Deny", "Action": "*", "Resource": arns(deny)}] if deny else []
    return FieldGuard(Guard(PolicySet.from_json(json.dumps({"Version": "2012-10-17", "Statement": rules}))), **more)


Answer = tuple[dict[str, Any] | None, list[dict[str, Any]], list[str]]


def ask(fields: FieldGuard, text: str, middleware: Any = None) -> Answer:
    root = Root()

    async def run() -> Any:
        found = execute(SCHEMA, parse(text), root, middleware=[middleware or fields])
        return await found if asyncio.iscoroutine(found) or hasattr(found, "__await__") else found

    with act_as(Principal.user("ann")):
        result = asyncio.run(run())
    return result.data, [error.formatted for error in result.errors or ()], root.calls


def test_mw_55_a_refused_field_is_null_with_an_error_and_is_not_resolved() -> None:
    data, errors, calls = ask(fields_of("Query/fields/me"), "{ a: users { email } ok: me { id } }")
    assert data == {"a": None, "ok": {"id": "1"}}
    assert calls == ["me"]
    [error] = errors
    assert (error["message"], error["path"]) == ("You are not allowed to resolve Query.users.", ["a"])
    assert (error["extensions"]["code"], error["extensions"]["field"]) == ("access-denied", "Query.users")
    assert error["extensions"]["decision_id"]
    assert "arn:" not in json.dumps(errors)


@pytest.mark.parametrize("text", [
    "{ me: users { email } }", "{ me { id } me2: users { email } }", "query { ...on Query { me: users { id } } }",
    "query { ...F } fragment F on Query { x: users { email } }"])
def test_names_count_as_the_schema_has_them(text: str) -> None:
    data, errors, calls = ask(fields_of("Query/fields/me"), text)
    assert "users" not in calls
    assert data is not None
    assert None in data.values()
    assert len(errors) == 1


def test_it_runs_however_it_is_handed_over() -> None:
    fields = fields_of("Query/fields/me")
    assert ask(fields, "{ users { id } }", fields.resolve)[2] == ask(fields, "{ users { id } }", fields)[2] == []


def test_every_operation_of_a_batch_is_asked() -> None:
    fields = fields_of("Query/*", "Mutation/fields/invite", deny=("Mutation/fields/purge",))
    answers = [ask(fields, text) for text in ("{ users { id } }", "mutation { invite(email: \"x\") { id } purge }")]
    assert [answer[2] for answer in answers] == [["users"], ["invite"]]
    assert answers[1][0] == {"invite": {"id": "2"}, "purge": None}


def test_fields_below_the_root_are_asked_about_where_their_type_is_named() -> None:
    data, errors, _ = ask(fields_of("Query/*", "User/fields/id"), "{ users { id email } }")
    assert (data, errors) == ({"users": [USER]}, [])
    data, errors, _ = ask(fields_of("Query/*", "User/fields/id", types=["User"]), "{ users { id email } }")
    assert data == {"users": [{"id": "1", "email": None}]}
    assert errors[0]["path"] == ["users", 0, "email"]


def test_the_schema_is_a_field_too_and_a_type_name_is_not() -> None:
    data, errors, _ = ask(fields_of("Query/fields/me"), "{ __typename __schema { queryType { name } } }")
    assert data is None  # it may not be null, so nothing is left
    assert [error["extensions"]["field"] for error in errors] == ["Query.__schema"]
    data, errors, _ = ask(fields_of("Query/fields/me"), "{ __typename me { __typename } }")
    assert (data, errors) == ({"__typename": "Query", "me": {"__typename": "User"}}, [])


def test_a_resolver_asks_with_what_it_has_loaded() -> None:
    guard = Guard(PolicySet.from_json(json.dumps({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Action": "mail:ReadUseremail", "Resource": "*",
        "Condition": {"StringEquals": {"mail:Owner": "${aws:username}"}}}})))
    fields = FieldGuard(guard, action="mail:Read{type}{field}", resource="*")
    with act_as(Principal.user("ann")):
        assert fields.require("User", "email", context={"mail:Owner": "ann"}).allowed
        with pytest.raises(FieldDeniedError) as denied:
            fields.require("User", "email", context={"mail:Owner": "bob"})
    assert isinstance(denied.value, AccessDeniedError)
    assert denied.value.decision.request.action == "mail:ReadUseremail"


def test_nobody_is_not_somebody() -> None:
    result = asyncio.run(graphql(SCHEMA, "{ me { id } }", Root(), middleware=[fields_of("*").resolve]))
    assert result.data == {"me": None}
    assert "no current caller" in str(result.errors)


@pytest.mark.parametrize("more", [{"resource": "*"}, {"resource": "types/{type}"}, {"resource": "fields/{field}"}])
def test_fields_that_cannot_be_told_apart_are_refused(more: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="one resource"):
        FieldGuard(Guard(PolicySet()), **more)
