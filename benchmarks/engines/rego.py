"""Rego through regopy (rego-cpp): statements as data grouped by holder, one module, a bundle built once.

rego-cpp has no ``net.cidr_contains``, so addresses are numbers here, and a range is its two ends.
"""

from __future__ import annotations

from datetime import datetime
from ipaddress import ip_address, ip_network
from typing import Any

from regopy import Input, Interpreter  # type: ignore[import-untyped]

from benchmarks.workloads import SOURCE_IP, Condition, Question, Statement, Value, Workload

MODULE = """
package authz

default allow := false

allow if {
    granted
    not denied
}

granted if {
    some holder in input.holders
    some statement in data.allows[holder]
    applies(statement)
}

denied if {
    some holder in input.holders
    some statement in data.denies[holder]
    applies(statement)
}

applies(statement) if {
    some action in statement.actions
    matches(action, input.action)
    some resource in statement.resources
    matches(resource, input.resource)
    every one in statement.conditions { holds(one) }
}

matches(pattern, text) if pattern.exact == text
matches(pattern, text) if startswith(text, pattern.prefix)
matches(pattern, text) if regex.match(pattern.regex, text)

holds(one) if one.equals == input.context[one.key]
holds(one) if input.context[one.variable] == input.context[one.key]
holds(one) if matches(one.like, input.context[one.key])
holds(one) if input.context[one.key] < one.below
holds(one) if input.context[one.key] > one.above
holds(one) if {
    one.first <= input.context[one.key]
    input.context[one.key] <= one.last
}
"""


class Rego:
    """A query of the bundle for each decision."""

    name = "regopy (rego-cpp)"

    @staticmethod
    def unsupported(workload: Workload) -> str:
        """The data is rewritten when a bundle is built."""
        return "loading takes more than a minute" if workload.stored > 10_000 else ""

    def __init__(self, workload: Workload) -> None:
        sides: dict[str, dict[str, Any]] = {"allows": {}, "denies": {}}
        for holder, statements in workload.statements.items():
            for name, side in sides.items():
                side[holder] = [_statement(one) for one in statements if one.deny is (name == "denies")]
        self.data = sides

    def load(self) -> None:
        """Add data and module, build the bundle."""
        builder = Interpreter()
        builder.add_data(self.data)
        builder.add_module("authz.rego", MODULE)
        self.bundle = builder.build(None, ["authz/allow"])
        self.interpreter = Interpreter()

    def request(self, question: Question) -> Input:
        """The input, handed over already."""
        context = {key: _number(key, value) for key, value in question.context.items()}
        return Input({"holders": list(question.caller.holders), "action": question.action,
                      "resource": question.resource, "context": context})

    def decide(self, asked: Input) -> bool:
        """Ask."""
        self.interpreter.set_input(asked)
        answer = self.interpreter.query_bundle_entrypoint(self.bundle, "authz/allow")
        return bool(answer[0].expressions[0])


def _number(key: str, value: Value) -> str | int | bool:
    if isinstance(value, datetime):
        return round(value.timestamp() * 1000)
    return int(ip_address(str(value))) if key == SOURCE_IP else value


def _statement(statement: Statement) -> dict[str, Any]:
    return {"actions": list(map(_pattern, statement.actions)), "resources": list(map(_pattern, statement.resources)),
            "conditions": list(map(_condition, statement.conditions))}


def _pattern(text: str) -> dict[str, str]:
    if "*" not in text:
        return {"exact": text}
    if text.find("*") == len(text) - 1:
        return {"prefix": text[:-1]}
    return {"regex": f"^{'.*'.join(text.split('*'))}$"}


def _condition(condition: Condition) -> dict[str, Any]:
    key: dict[str, Any] = {"key": condition.key}
    value = condition.value
    match condition.operator:
        case "IpAddress":
            network = ip_network(value)
            return key | {"first": int(network[0]), "last": int(network[-1])}
        case "DateLessThan" | "DateGreaterThan":
            bound = round(datetime.fromisoformat(value).timestamp() * 1000)
            return key | {"below" if condition.operator == "DateLessThan" else "above": bound}
        case "StringLike":
            return key | {"like": _pattern(value)}
        case "Bool":
            return key | {"equals": value == "true"}
    return key | ({"variable": condition.variable} if condition.variable else {"equals": value})
