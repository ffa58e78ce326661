"""What people write themselves: a loop over the statements of the caller's roles, with ``fnmatch``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

from benchmarks.workloads import SOURCE_IP, Condition, Question, Statement, Workload

Test = Callable[[dict[str, Any]], bool]


class Rule(NamedTuple):
    """A statement with its conditions made ready."""

    deny: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    tests: tuple[Test, ...]


class Asked(NamedTuple):
    """A request of the loop: addresses and dates are objects already."""

    holders: tuple[str, ...]
    action: str
    resource: str
    context: dict[str, Any]


class Loop:
    """No index but the role or group. It is naive, so it also serves as the answer the others must give."""

    name = "plain loop, fnmatch"

    def __init__(self, workload: Workload) -> None:
        self.workload = workload

    def load(self) -> None:
        """Group rules by holder."""
        self.rules = {holder: tuple(map(_rule, statements)) for holder, statements in self.workload.statements.items()}

    def request(self, question: Question) -> Asked:
        """Addresses are parsed here, once, in the loop's favour."""
        return Asked(question.caller.holders, question.action, question.resource, plain_context(question))

    def decide(self, asked: Asked) -> bool:
        """Any Deny denies; otherwise any Allow allows."""
        allowed = False
        for holder in asked.holders:
            for rule in self.rules[holder]:
                if allowed and not rule.deny:
                    continue
                if not any(fnmatchcase(asked.action, pattern) for pattern in rule.actions):
                    continue
                if not any(fnmatchcase(asked.resource, pattern) for pattern in rule.resources):
                    continue
                if all(test(asked.context) for test in rule.tests):
                    if rule.deny:
                        return False
                    allowed = True
        return allowed


def plain_context(question: Question) -> dict[str, Any]:
    """The context with its address parsed."""
    return {key: ip_address(str(value)) if key == SOURCE_IP else value for key, value in question.context.items()}


def _rule(statement: Statement) -> Rule:
    return Rule(statement.deny, statement.actions, statement.resources, tuple(map(make_test, statement.conditions)))


def make_test(condition: Condition) -> Test:
    """A condition as a function of such a context."""
    _, key, value, variable = condition
    match condition.operator:
        case "IpAddress":
            network = ip_network(value)
            return lambda context: context[key] in network
        case "DateLessThan":
            end = datetime.fromisoformat(value)
            return lambda context: context[key] < end
        case "DateGreaterThan":
            start = datetime.fromisoformat(value)
            return lambda context: context[key] > start
        case "StringLike":
            return lambda context: fnmatchcase(context[key], value)
        case "Bool":
            wanted = value == "true"
            return lambda context: context[key] is wanted
        case "StringEquals" if variable:
            return lambda context: context[key] == context[variable]
        case "StringEquals":
            return lambda context: context[key] == value
    raise ValueError(f"there is no operator '{condition.operator}' in the workloads")
