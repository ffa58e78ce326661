"""Questions whose signature covers the body: another body than the one that was signed is no question."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from authzen_fixture import ALICE, DOOR, asking
from authzen_pdp import EVALUATION, PDP, DecisionPoint, attachments, user
from signing import REGION, SERVICE, Clock, Keys, Sent, sent, signed

from iam_guard.engine.attachments import Attachments, Holder, Policy
from iam_guard.engine.policy_set import PolicySet
from iam_guard.identity.sigv4.authenticator import SigV4Authenticator
from iam_guard.identity.sigv4.rules import SignatureRules
from iam_guard.policy.parse import parse_policy

MAY_ASK = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "iam-guard:*", "Resource": PDP}}
HOLDERS = {**attachments({"alice": ALICE}).holders,
           user("ada"): Holder(user("ada"), (Policy("ada", parse_policy(MAY_ASK)),), unique_id="AIDAEXAMPLE")}
QUESTION = json.dumps(asking("alice", "write", "record-2")).encode()
OTHER = QUESTION.replace(b"record-2", b"record-1")
#: Bodies are held and checked before anything is read of them, or checked while they are read.
RULES = [SignatureRules(REGION, SERVICE), SignatureRules(REGION, SERVICE, held_bytes=64, replays="none")]


def ask(one: Sent, rules: SignatureRules) -> tuple[int, Any]:
    point = DecisionPoint(PolicySet(Attachments(holders=HOLDERS)),
                          authenticator=SigV4Authenticator(Keys(), rules, clock=Clock(one.made)), **DOOR)
    messages = [{"type": "http.request", "body": piece, "more_body": index < len(one.pieces) - 1}
                for index, piece in enumerate(one.pieces)]
    answered: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        answered.append(message)

    asyncio.run(point.app(one, receive, send))
    return answered[0]["status"], json.loads(answered[1]["body"])


def question(body: bytes, size: int) -> Sent:
    one = signed("POST", EVALUATION, {"Content-Type": "application/json"}, QUESTION)
    return sent(one, [body[at:at + size] for at in range(0, len(body), size)])


@pytest.mark.parametrize("rules", RULES, ids=["held", "passed"])
@pytest.mark.parametrize("size", [7, 10_000])
def test_signed_questions(rules: SignatureRules, size: int) -> None:
    status, answer = ask(question(QUESTION, size), rules)
    assert (status, answer["decision"]) == (200, False)  # record-2 is archived
    status, answer = ask(question(OTHER, size), rules)
    assert status == 401
    assert "decision" not in answer
