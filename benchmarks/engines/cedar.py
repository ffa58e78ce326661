"""Cedar through cedarpy: roles and groups as parents of the caller's entity, everything else in the context."""

from __future__ import annotations

import ipaddress
import json
from datetime import datetime
from typing import Any

import cedarpy

from benchmarks.workloads import SOURCE_IP, Caller, Condition, Question, Statement, Workload

_ARN = "arn"


class CedarReadme:
    """As cedarpy's README shows: one policy set for everybody, entities as a list, the context as a dict."""

    name = "cedarpy, as in its README"

    @staticmethod
    def unsupported(workload: Workload) -> str:
        """Who asks makes no difference to it, so the slowest workload is run once only."""
        return "asks all that is stored, whoever asks" if workload.name.endswith("busy") else ""

    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self.texts = {holder: "\n".join(_policy(holder, one, workload.actions) for one in statements)
                      for holder, statements in workload.statements.items()}

    def load(self) -> None:
        """Parse all policies, once."""
        self.policies = cedarpy.PolicySet.from_str("\n".join(self.texts.values()))

    def request(self, question: Question) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The request, and the entities it is about."""
        return _request(question), _entities(question.caller)

    def decide(self, asked: tuple[dict[str, Any], list[dict[str, Any]]]) -> bool:
        """Hand everything over."""
        request, entities = asked
        return cedarpy.is_authorized(request, self.policies, entities).allowed


class CedarBest:
    """Only the caller's policies are asked, entities are parsed once a caller, the context is JSON already."""

    name = "cedarpy, best use"

    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self.texts: dict[str, list[str]] = {}
        for holder, statements in workload.statements.items():
            slice_of = _slice(holder, workload)
            self.texts.setdefault(slice_of, []).extend(_policy(holder, one, workload.actions) for one in statements)

    def load(self) -> None:
        """Parse a policy set for each role, or each tenant; and the callers."""
        self.policies = {slice_of: cedarpy.PolicySet.from_str("\n".join(texts))
                         for slice_of, texts in self.texts.items()}
        self.callers = {caller.name: (self.policies[_slice(caller.holders[0], self.workload)],
                                      cedarpy.Entities.from_json_str(json.dumps(_entities(caller))))
                        for caller in self.workload.callers}

    def request(self, question: Question) -> tuple[str, dict[str, Any]]:
        """Who asks, and the request."""
        request = _request(question)
        return question.caller.name, request | {"context": json.dumps(request["context"])}

    def decide(self, asked: tuple[str, dict[str, Any]]) -> bool:
        """Ask the caller's slice."""
        caller, request = asked
        policies, entities = self.callers[caller]
        return cedarpy.is_authorized(request, policies, entities).allowed


def _slice(holder: str, workload: Workload) -> str:
    return holder.rpartition("-")[2] if workload.by_group else holder


def _policy(holder: str, statement: Statement, actions: tuple[str, ...]) -> str:
    """One statement. An action pattern becomes the list of actions that it stands for."""
    named = [f"Action::{json.dumps(one)}" for one in actions
             if any(_like(pattern, one) for pattern in statement.actions)]
    tests = [" || ".join(f"context.{_ARN} like {json.dumps(pattern)}" for pattern in statement.resources)]
    tests += map(_test, statement.conditions)
    when = " && ".join(f"({test})" for test in tests)
    return (f"{'forbid' if statement.deny else 'permit'} (principal in Holder::{json.dumps(holder)}, "
            f"action in [{', '.join(named)}], resource) when {{ {when} }};")


def _like(pattern: str, text: str) -> bool:
    start, star, end = pattern.partition("*")
    return text.startswith(start) and text.endswith(end) if star else text == pattern


def _test(condition: Condition) -> str:
    key = f"context[{json.dumps(condition.key)}]"
    value = json.dumps(condition.value)
    match condition.operator:
        case "IpAddress":
            return f"{key}.isInRange(ip({value}))"
        case "DateLessThan":
            return f"{key} < {_milliseconds(datetime.fromisoformat(condition.value))}"
        case "DateGreaterThan":
            return f"{key} > {_milliseconds(datetime.fromisoformat(condition.value))}"
        case "StringLike":
            return f"{key} like {value}"
        case "Bool":
            return f"{key} == {condition.value}"
    return f"{key} == principal[{json.dumps(condition.variable)}]" if condition.variable else f"{key} == {value}"


def _milliseconds(instant: datetime) -> int:
    """Integers are Cedar's quickest way to compare instants."""
    return round(instant.timestamp() * 1000)


def _request(question: Question) -> dict[str, Any]:
    context: dict[str, Any] = {_ARN: question.resource}
    for key, value in question.context.items():
        if isinstance(value, datetime):
            context[key] = _milliseconds(value)
        elif key == SOURCE_IP:
            context[key] = {"__extn": {"fn": "ip", "arg": str(ipaddress.ip_address(str(value)))}}
        elif not key.startswith("aws:PrincipalTag/"):
            context[key] = value
    return {"principal": f"Caller::{json.dumps(question.caller.name)}",
            "action": f"Action::{json.dumps(question.action)}", "resource": 'Thing::"any"', "context": context}


def _entities(caller: Caller) -> list[dict[str, Any]]:
    tags = {f"aws:PrincipalTag/{tag}": value for tag, value in caller.tags.items()}
    return [{"uid": {"type": "Caller", "id": caller.name}, "attrs": tags,
             "parents": [{"type": "Holder", "id": holder} for holder in caller.holders]}]
