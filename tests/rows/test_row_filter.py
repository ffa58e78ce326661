"""A filter for rows (middleware case mw-52): full pages, by the policies that decide about single rows."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

import pytest

from iam_guard.engine.attachments import Attachments, Guardrails, Holder, Policy
from iam_guard.engine.policy_set import PolicySet
from iam_guard.errors import ConfigurationError, UnavailableError
from iam_guard.guard import Guard
from iam_guard.model import Principal
from iam_guard.policy.document import PolicyKind
from iam_guard.policy.parse import parse_policy
from iam_guard.rows import RowFilter, Rows, row_filter

DOCUMENTS = Rows("document/{id}", {"docs:Owner": "owner", "aws:ResourceTag/class": "class", "docs:Size": "size"},
                 integers=("size",), texts=("owner",))
ANN = Principal.user("ann")
ARN = "arn:app:docs::000000000000:document/"
TABLE = [{"id": str(number), "owner": ("ann", "bob", "eve", None)[number % 4],
          "class": ("public", None, "Public")[number % 3], "size": number} for number in range(100)]


def rule(effect: str = "Allow", resource: Any = "*", **condition: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": "docs:Get", "Resource": resource, "Condition": condition}


def guard_of(*statements: dict[str, Any]) -> Guard:
    return Guard(PolicySet.from_json(json.dumps({"Version": "2012-10-17", "Statement": list(statements)}), id="all"))


def filtered(*statements: dict[str, Any], who: Principal = ANN) -> RowFilter:
    return row_filter(guard_of(*statements), who, "docs:Get", DOCUMENTS)


def one_by_one(guard: Guard, who: Principal = ANN, rows: Rows = DOCUMENTS) -> list[str]:
    return [row["id"] for row in guard.filter_allowed(who, "docs:Get", TABLE, resource=rows.resource_of,
                                                      context=rows.context_of)]


def selected(found: RowFilter, rest: str = "", table: list[dict[str, Any]] = TABLE) -> list[str]:
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE TABLE documents (id TEXT, owner TEXT COLLATE NOCASE, class TEXT, size INTEGER)")
        connection.executemany("INSERT INTO documents VALUES (:id, :owner, :class, :size)", table)
        where, parameters = found.sql("sqlite")
        rows = connection.execute(f"SELECT id FROM documents WHERE {where} {rest}", parameters).fetchall()
    connection.close()
    return [row[0] for row in rows]


OWN = rule(StringEquals={"docs:Owner": "${aws:username}"})
PUBLIC = rule(StringEquals={"aws:ResourceTag/class": "public"})


def test_mw_52_own_rows_and_public_ones_in_full_pages() -> None:
    found = filtered(OWN, PUBLIC)
    assert found.is_exact
    wanted = one_by_one(guard_of(OWN, PUBLIC))
    assert [row["id"] for row in TABLE if found.matches(row)] == selected(found) == wanted
    pages = [selected(found, f"LIMIT 10 OFFSET {start}") for start in range(0, 100, 10)]
    assert [len(page) for page in pages[:5]] == [10] * 5
    assert [one for page in pages for one in page] == wanted


EXACT = {
    "everything": [rule()],
    "nothing": [rule("Deny")],
    "names": [rule(resource=[ARN + "7", ARN + "1?", ARN + "*5"])],
    "all but names": [{**rule(), "Resource": None, "NotResource": [ARN + "1*"]}],
    "a denial": [rule(), rule("Deny", StringNotEquals={"docs:Owner": "ann"})],
    "if it exists": [rule(StringEqualsIfExists={"docs:Owner": "eve"})],
    "absent": [rule(Null={"docs:Owner": "true"})],
    "present": [rule(Null={"docs:Owner": "false"}, StringNotLike={"docs:Owner": "e*"})],
    "sets": [{**rule(), "Condition": {"ForAnyValue:StringEquals": {"docs:Owner": ["ann", "eve"]},
                                      "ForAllValues:StringLike": {"aws:ResourceTag/class": "pub*"}}}],
    "numbers": [rule(NumericLessThan={"docs:Size": "20.5"}, NumericGreaterThanEquals={"docs:Size": ["10", "15"]})],
    "equal numbers": [rule(NumericEquals={"docs:Size": ["7", "8.5"]}), rule(NumericNotEquals={"docs:Size": "9"})],
    "what is known anyway": [rule(StringEquals={"aws:username": "ann", "docs:Owner": "bob"}),
                             rule(StringEquals={"aws:username": "bob"})],
    "a column in a variable": [rule(StringEquals={"aws:username": "${docs:Owner}"})],
    "two columns": [rule(StringNotEquals={"docs:Owner": "${aws:ResourceTag/class, 'ann'}"})],
    "a name from the caller": [rule(resource=ARN + "${aws:username}"), rule("Deny", ARN + "${aws:nothing}")],
}


@pytest.mark.parametrize("name", EXACT)
def test_what_a_query_can_tell_is_told_exactly(name: str) -> None:
    statements = [{key: value for key, value in one.items() if value is not None} for one in EXACT[name]]
    found = filtered(*statements)
    assert found.why == ()
    assert [row["id"] for row in TABLE if found.matches(row)] == selected(found) == one_by_one(guard_of(*statements))


UNKNOWN = {
    "StringEqualsIgnoreCase": rule(StringEqualsIgnoreCase={"docs:Owner": "ANN"}),
    "ArnLike": rule(ArnLike={"docs:Owner": "arn:*:*:*:*:*"}),
    "DateLessThan": rule(DateLessThan={"docs:Owner": "2030-01-01T00:00:00Z"}),
    "/${docs:Owner}": rule(resource=ARN + "${docs:Owner}"),
    "column into a pattern": rule(StringLike={"aws:ResourceTag/class": "${docs:Owner}*"}),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_a_query_cannot_tell_admits_nothing_and_is_said(name: str) -> None:
    found = filtered(UNKNOWN[name])
    assert found.is_nothing
    [why] = found.why
    assert name in why
    assert why.startswith("all, statement 0: ")
    both = filtered(UNKNOWN[name], OWN)
    assert {row["id"] for row in TABLE if both.matches(row)} >= set(one_by_one(guard_of(OWN)))
    denying = [rule(), {**UNKNOWN[name], "Effect": "Deny"}]
    denied = filtered(*denying)
    assert denied.why
    assert {row["id"] for row in TABLE if denied.matches(row)} <= set(one_by_one(guard_of(*denying)))


def test_a_star_of_a_denial_that_reaches_into_a_name_counts() -> None:
    table = [{"id": name, "owner": None, "class": None, "size": 0} for name in ("plain", "x:secret", "x:open")]
    statements = [rule(), rule("Deny", "arn:app:docs:*:*:secret")]
    guard, found = guard_of(*statements), filtered(*statements)
    assert not guard.authorize(ANN, "docs:Get", DOCUMENTS.resource_of(table[1]))
    assert [row["id"] for row in table if found.matches(row)] == selected(found, table=table) == ["plain", "x:open"]
    assert "colon" in found.why[0]
    numbers = Rows("document/{id}", integers=("id",))
    assert row_filter(guard, ANN, "docs:Get", numbers).is_exact  # no number holds a colon


def test_an_exception_without_a_value_grants_nothing() -> None:
    statement = {**rule(), "NotResource": [ARN + "1", ARN + "${aws:nothing}"]}
    del statement["Resource"]
    assert one_by_one(guard_of(statement)) == []
    assert filtered(statement).is_nothing
    spared = {**rule("Deny"), "NotResource": [ARN + "1", ARN + "${aws:nothing}"]}
    del spared["Resource"]
    assert one_by_one(guard_of(rule(), spared)) == selected(filtered(rule(), spared)) == ["1"]


def test_letters_are_told_apart_whatever_the_collation() -> None:
    shouted = [{"id": "1", "owner": "ANN", "class": None, "size": 1}]
    assert selected(filtered(OWN), table=shouted) == []  # the column is NOCASE
    assert selected(filtered(rule(StringLike={"docs:Owner": "a*"})), table=shouted) == []


def test_wildcards_in_values_of_callers_are_letters() -> None:
    star = Principal.user("ann", attributes={"jwt:team": "*_%[a-z]"})
    found = filtered(rule(StringLike={"docs:Owner": "${jwt:team}?"}), who=star)
    table = [{"id": str(place), "owner": owner, "class": None, "size": 0}
             for place, owner in enumerate(["*_%[a-z]!", "x_%[a-z]!", "*x%[a-z]!", "*_%q!", "*_%[a-z]"])]
    assert selected(found, table=table) == ["0"]
    assert [row["id"] for row in table if found.matches(row)] == ["0"]


def test_a_text_with_a_nul_is_never_taken_for_its_beginning() -> None:
    table = [{"id": "1", "owner": "ann\0x", "class": None, "size": 0}]
    assert selected(filtered(rule(StringLike={"docs:Owner": "a?n"})), table=table) == []
    assert selected(filtered(rule(), rule("Deny", StringLike={"docs:Owner": "*x"})), table=table) == []


def test_a_row_without_a_name_is_not_admitted() -> None:
    found = filtered(rule())
    assert not found.matches({"id": None, "owner": "ann", "class": None, "size": 1})
    with pytest.raises(ValueError, match="'id'"):
        DOCUMENTS.resource_of({"id": None})


def policy(name: str, *statements: dict[str, Any], kind: PolicyKind = PolicyKind.IDENTITY) -> Policy:
    return Policy(name, parse_policy({"Version": "2012-10-17", "Statement": list(statements)}, kind=kind))


def limited(**more: Any) -> Guard:
    return Guard(PolicySet(Attachments(everyone=(policy("all", rule()),), **more)))


def agrees(guard: Guard, who: Principal = ANN) -> set[str]:
    found = row_filter(guard, who, "docs:Get", DOCUMENTS)
    assert found.is_exact
    wanted = one_by_one(guard, who)
    assert [row["id"] for row in TABLE if found.matches(row)] == selected(found) == wanted
    return set(wanted)


def test_boundaries_sessions_and_organizations_limit_a_filter() -> None:
    holder = {ANN.arn: Holder(ANN.arn, boundary=policy("boundary", OWN))}
    own = {row["id"] for row in TABLE if row["owner"] == "ann"}
    assert agrees(limited(holders=holder)) == own
    scps = {"000000000000": Guardrails(scps=((policy("a", rule()),), (policy("b", OWN),)))}
    assert agrees(limited(guardrails=scps)) == own
    session = parse_policy({"Version": "2012-10-17", "Statement": [OWN]}, kind=PolicyKind.SESSION)
    assert agrees(limited(), Principal.user("ann", session_policies=(session,))) == own


def test_resources_with_policies_of_their_own_are_told_apart() -> None:
    deny = {"Effect": "Deny", "Principal": "*", "Action": "docs:Get", "Resource": "*"}
    allow = {"Effect": "Allow", "Principal": {"AWS": ANN.arn}, "Action": "docs:Get", "Resource": "*"}
    own = {ARN + "3": policy("third", deny, kind=PolicyKind.RESOURCE),
           ARN + "4": policy("fourth", allow, kind=PolicyKind.RESOURCE),
           "arn:app:docs::000000000000:folder/5": policy("other", deny, kind=PolicyKind.RESOURCE)}
    assert agrees(limited(resources=own)) == {row["id"] for row in TABLE} - {"3"}
    nobody = Guard(PolicySet(Attachments(resources=own)))
    assert agrees(nobody) == {"4"}


def test_too_many_of_them_cannot_be_told_apart() -> None:
    own = {f"{ARN}{number}": policy("x", {"Effect": "Deny", "Principal": "*", "Action": "docs:Get", "Resource": "*"},
                                    kind=PolicyKind.RESOURCE) for number in range(65)}
    found = row_filter(limited(resources=own), ANN, "docs:Get", DOCUMENTS)
    assert found.is_nothing
    assert "65" in found.why[0]


def test_unknown_groups_and_broken_callers_get_nothing() -> None:
    guard = limited(groups={"arn:app:iam::000000000000:group/x": ()})
    assert row_filter(guard, Principal.user("ann", groups=None), "docs:Get", DOCUMENTS).is_nothing
    guard = limited(holders={ANN.arn: Holder(ANN.arn, broken="a policy could not be read")})
    assert row_filter(guard, ANN, "docs:Get", DOCUMENTS).is_nothing


def test_an_ended_session_gets_no_filter() -> None:
    with pytest.raises(UnavailableError):
        filtered(rule(), who=Principal.user("ann", expires_at=1.0))


def test_a_column_cannot_speak_for_the_caller() -> None:
    rows = Rows("document/{id}", {"aws:username": "owner", "aws:PrincipalTag/x": "owner"})
    found = row_filter(guard_of(rule(StringEquals={"aws:username": "bob"})), ANN, "docs:Get", rows)
    assert found.is_nothing
    found = row_filter(guard_of(rule(StringEquals={"aws:PrincipalTag/x": "bob"})), ANN, "docs:Get", rows)
    assert found.is_nothing


@pytest.mark.parametrize(("resource", "keys"), [
    ("document/{id;drop}", {}), ("document/{id", {}), ("document/{id}", {"docs:Owner": 'owner"'}), ("x/{a.b.c}", {})])
def test_what_is_no_column_is_refused(resource: str, keys: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="does not name a column"):
        Rows(resource, keys)


@pytest.mark.parametrize("resource", ["{id}", "doc{id}", "{kind}/{id}"])
def test_a_value_cannot_name_a_service(resource: str) -> None:
    with pytest.raises(ConfigurationError, match="name the service"):
        Rows(resource)


@pytest.mark.parametrize("resource", ["*", "arn:app:docs::{tenant}:document/{id}", "arn:app:docs:x"])
def test_a_name_that_differs_elsewhere_is_refused(resource: str) -> None:
    with pytest.raises(ConfigurationError, match="last part"):
        row_filter(guard_of(rule()), ANN, "docs:Get", Rows(resource))


def test_postgresql_compares_by_code_point() -> None:
    found = filtered(rule(resource=ARN + "1_*", StringEquals={"docs:Owner": ["ann", "bob"]}))
    where, parameters = found.sql("postgresql")
    assert where == """((CAST("id" AS TEXT) COLLATE "C" LIKE %s ESCAPE '!' AND """ \
                    """"id" IS NOT NULL AND "owner" IS NOT NULL AND "owner" COLLATE "C" IN (%s, %s)))"""
    assert parameters == ("1!_%", "ann", "bob")
    assert "$1" in found.sql("postgresql", placeholder=lambda at: f"${at + 1}").text


def test_nothing_and_everything_need_no_database() -> None:
    assert filtered(rule("Deny")).sql("sqlite").text == "(1 = 0)"
    rows = Rows("document/all", {})
    assert row_filter(guard_of(rule()), ANN, "docs:Get", rows).is_everything
