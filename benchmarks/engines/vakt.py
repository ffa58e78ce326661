"""vakt: a policy object for each statement, its own rules for all conditions, the memory storage."""

from __future__ import annotations

from datetime import datetime
from fnmatch import translate
from typing import Any

from vakt import ALLOW_ACCESS, DENY_ACCESS, Guard, Inquiry, MemoryStorage, Policy, RulesChecker  # type: ignore[import-untyped]
from vakt.rules import CIDR, And, AnyIn, Eq, Greater, Less, RegexMatch, StartsWith, SubjectMatch  # type: ignore[import-untyped]
from vakt.rules.base import Rule  # type: ignore[import-untyped]

from benchmarks.workloads import Condition, Question, Statement, Workload


class Vakt:
    """The guard asks every policy that is stored; the subject's roles or groups are an attribute."""

    name = "vakt"

    @staticmethod
    def unsupported(workload: Workload) -> str:
        """Who asks makes no difference to it, so the slowest workload is run once only."""
        return "asks all that is stored, whoever asks" if workload.name.endswith("busy") else ""

    def __init__(self, workload: Workload) -> None:
        self.workload = workload

    def load(self) -> None:
        """Make the policies and store them."""
        storage = MemoryStorage()
        for holder, statements in self.workload.statements.items():
            for place, one in enumerate(statements):
                storage.add(_policy(f"{holder}/{place}", holder, one))
        self.guard = Guard(storage, RulesChecker())

    def request(self, question: Question) -> Inquiry:
        """The subject has its tags and its roles or groups."""
        caller = question.caller
        subject = {f"aws:PrincipalTag/{tag}": value for tag, value in caller.tags.items()}
        return Inquiry(action=question.action, resource=question.resource,
                       subject=subject | {"holders": list(caller.holders)}, context=question.context)

    def decide(self, inquiry: Inquiry) -> bool:
        """Ask."""
        return bool(self.guard.is_allowed(inquiry))


def _policy(name: str, holder: str, statement: Statement) -> Policy:
    context: dict[str, Rule] = {}
    for one in statement.conditions:
        rule = _rule(one)
        context[one.key] = And(context[one.key], rule) if one.key in context else rule
    return Policy(name, effect=DENY_ACCESS if statement.deny else ALLOW_ACCESS, subjects=[{"holders": AnyIn(holder)}],
                  actions=list(map(_pattern, statement.actions)), resources=list(map(_pattern, statement.resources)),
                  context=context)


def _pattern(text: str) -> Any:
    if "*" not in text:
        return Eq(text)
    if text.find("*") == len(text) - 1:
        return StartsWith(text[:-1])
    return RegexMatch(translate(text))


def _rule(condition: Condition) -> Any:
    match condition.operator:
        case "IpAddress":
            return CIDR(condition.value)
        case "DateLessThan":
            return Less(datetime.fromisoformat(condition.value))
        case "DateGreaterThan":
            return Greater(datetime.fromisoformat(condition.value))
        case "StringLike":
            return _pattern(condition.value)
        case "Bool":
            return Eq(condition.value == "true")
    return SubjectMatch(condition.variable) if condition.variable else Eq(condition.value)
