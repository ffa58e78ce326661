"""iam_guard: policies as JSON documents, attached to roles and groups."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.workloads import Caller, Condition, Question, Statement, Workload
from iam_guard.engine.attachments import Attachments, Holder, Policy
from iam_guard.engine.policy_set import PolicySet
from iam_guard.model import AuthorizationRequest, Principal, normalise_context
from iam_guard.policy.parse import parse_policy

#: Statements of one document; a longer list becomes several documents, as new documents may not be long.
_DOCUMENT = 100


class Ours:
    """``PolicySet.evaluate``, as ``Guard`` calls it."""

    name = "iam_guard"

    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self.texts = {holder: documents(statements) for holder, statements in workload.statements.items()}
        self._principals: dict[str, Principal] = {}

    def load(self) -> None:
        """Read every document, attach it, index it."""
        self.policies = PolicySet(self.attachments())
        self.decide = self.policies.evaluate

    def attachments(self) -> Attachments:
        """The workload as a store hands it over."""
        policies = {holder: tuple(Policy(f"{holder}/{place}", parse_policy(text)) for place, text in enumerate(texts))
                    for holder, texts in self.texts.items()}
        if not self.workload.by_group:
            account = self.workload.callers[0].account
            roles = {f"arn:app:iam::{account}:role/{name}": held for name, held in policies.items()}
            return Attachments(holders={arn: Holder(arn, held) for arn, held in roles.items()})
        users = {principal.arn: Holder(principal.arn, groups=tuple(map(_group, caller.holders)))
                 for caller in self.workload.callers if (principal := self.principal(caller))}
        return Attachments(holders=users, groups={_group(name): held for name, held in policies.items()})

    def principal(self, caller: Caller) -> Principal:
        """A caller; one object each, as the cache of verified tokens keeps them."""
        found = self._principals.get(caller.name)
        if found is None:
            found = (Principal.user(caller.name, account=caller.account, tags=caller.tags) if self.workload.by_group
                     else Principal.role_session(caller.holders[0], caller.name, account=caller.account,
                                                 tags=caller.tags))
            self._principals[caller.name] = found
        return found

    def request(self, question: Question) -> AuthorizationRequest:
        """The request with the context a guard gives it: the caller's keys and the request's."""
        principal = self.principal(question.caller)
        context = {**principal.context, **normalise_context(question.context)}
        return AuthorizationRequest(principal, question.action, question.resource, context)


def _group(name: str) -> str:
    return f"arn:app:iam::{name.rpartition('-')[2]}:group/{name.partition('-')[0]}"


def documents(statements: tuple[Statement, ...]) -> list[str]:
    """Statements as policies in JSON."""
    cuts = range(0, len(statements), _DOCUMENT)
    return [json.dumps({"Version": "2012-10-17", "Statement": list(map(_statement, statements[cut:cut + _DOCUMENT]))})
            for cut in cuts]


def _statement(statement: Statement) -> dict[str, Any]:
    written: dict[str, Any] = {"Effect": "Deny" if statement.deny else "Allow", "Action": list(statement.actions),
                               "Resource": list(statement.resources)}
    if statement.conditions:
        conditions: dict[str, dict[str, str]] = {}
        for one in statement.conditions:
            conditions.setdefault(one.operator, {})[one.key] = _value(one)
        written["Condition"] = conditions
    return written


def _value(condition: Condition) -> str:
    return f"${{{condition.variable}}}" if condition.variable else condition.value
