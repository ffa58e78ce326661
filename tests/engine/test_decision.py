"""Decisions and explanations: what is said, and that saying it changes nothing."""

from __future__ import annotations

import pytest

from iam_guard.engine.decision import Decision
from iam_guard.engine.policy_set import PolicySet
from iam_guard.model import AuthorizationRequest, Principal, normalise_context
from iam_guard.policy.parse import parse_policy

TEXT = """{
  "Version": "2012-10-17",
  "Statement": [
    {"Sid": "Read", "Effect": "Allow", "Action": "docs:GetDocument",
     "Resource": "arn:app:docs:::document/${aws:username}/*",
     "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}, "Bool": {"aws:SecureTransport": "true"}}},
    {"Sid": "Put", "Effect": "Allow", "Action": "docs:Put*", "Resource": "*"},
    {"Effect": "Deny", "Action": "docs:*", "Resource": "arn:app:docs:::document/ada/secret*"}
  ]
}"""
ADA = Principal.user("ada")
POLICIES = PolicySet.from_documents([parse_policy(TEXT, file="team.json")], id="team")


def ask(resource: str = "arn:app:docs:::document/ada/1", action: str = "docs:GetDocument", **context: str) -> Decision:
    keys = {name.replace("_", ":"): value for name, value in context.items()}
    return POLICIES.evaluate(AuthorizationRequest(ADA, action, resource, {**ADA.context, **normalise_context(keys)}))


def test_a_denied_decision_is_falsy() -> None:
    assert not ask()
    assert ask(aws_SourceIp="10.1.1.1", aws_SecureTransport="true")


def test_an_allowed_decision_names_its_statement() -> None:
    decision = ask(aws_SourceIp="10.1.1.1", aws_SecureTransport="true")
    assert (decision.policy_id, decision.sid, decision.statement_index) == ("team", "Read", 0)
    assert (decision.file, decision.source_line) == ("team.json", 4)


def test_an_explicit_deny_names_its_statement() -> None:
    decision = ask("arn:app:docs:::document/ada/secret")
    assert (decision.policy_id, decision.sid, decision.statement_index, decision.source_line) == ("team", "", 2, 8)
    assert decision.message == (
        "User: arn:app:iam::000000000000:user/ada is not authorized to perform: docs:GetDocument on resource: "
        "arn:app:docs:::document/ada/secret with an explicit deny in an identity-based policy")


def test_an_implicit_deny_says_what_is_missing() -> None:
    decision = ask(action="docs:Drop")
    assert decision.message.endswith("because no identity-based policy allows the docs:Drop action")
    assert decision.statement_index == -1


def test_the_nearest_miss_comes_first_with_wanted_and_actual_value() -> None:
    story = ask(aws_SourceIp="11.1.1.1", aws_SecureTransport="true").explain()
    nearest = story.near_misses[0]
    assert (nearest.policy_id, nearest.sid, nearest.line) == ("team", "Read", 4)
    (mismatch,) = nearest.mismatches
    assert (mismatch.element, mismatch.wanted, mismatch.actual) == (
        "condition:IpAddress/aws:SourceIp", "10.0.0.0/8", "'11.1.1.1'")


def test_a_resource_that_is_missed_is_shown_with_its_variables_filled_in() -> None:
    story = ask("arn:app:docs:::document/bob/1", aws_SourceIp="10.1.1.1", aws_SecureTransport="true").explain()
    (mismatch,) = story.near_misses[0].mismatches
    assert (mismatch.element, mismatch.wanted, mismatch.actual) == (
        "resource", "arn:app:docs:::document/ada/*", "arn:app:docs:::document/bob/1")


def test_consulted_and_missing_keys() -> None:
    decision = ask(aws_SourceIp="10.1.1.1")
    assert decision.consulted_keys == ("aws:securetransport", "aws:sourceip", "aws:username")
    assert decision.missing_keys == ("aws:securetransport",)


def test_no_near_misses_for_answers_that_are_not_implicit() -> None:
    assert ask("arn:app:docs:::document/ada/secret").explain().near_misses == ()
    assert ask(aws_SourceIp="10.1.1.1", aws_SecureTransport="true").explain().near_misses == ()


@pytest.mark.parametrize("resource", ["arn:app:docs:::document/ada/1", "arn:app:docs:::document/ada/secret"])
def test_the_story_reads_well_and_repeats_the_answer(resource: str) -> None:
    decision = ask(resource)
    story = decision.explain()
    assert str(story).startswith(f"{decision.verdict}: docs:GetDocument on {resource}\n")
    told = story.to_json()
    assert (told["verdict"], told["policy"]) == (decision.verdict, decision.policy_id)
    assert told["line"] == decision.source_line
    assert [one["sid"] for one in told["statements"] if one["applies"]] == [one.sid for one in story.matched]
