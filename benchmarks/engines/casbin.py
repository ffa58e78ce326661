"""pycasbin's fast enforcer: policy lines filtered by domain (the role, or the tenant) and service, a
matcher over each of those that are left.

Casbin has no conditions of its own for a policy line; a registered function looks them up, as its users do.
"""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

import casbin  # type: ignore[import-untyped]
from casbin.model import FastModel  # type: ignore[import-untyped]
from casbin.persist.adapters.string_adapter import StringAdapter  # type: ignore[import-untyped]

from benchmarks.engines.loop import make_test, plain_context
from benchmarks.workloads import Question, Workload

SERVICE = "docs"
#: The first two fields of requests and lines are looked up; fewer than two it cannot.
FILTER = [0, 1]
MODEL = """
[request_definition]
r = dom, service, sub, act, obj, ctx

[policy_definition]
p = dom, service, sub, act, obj, cond, eft

[role_definition]
g = _, _

[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))

[matchers]
m = r.dom == p.dom && r.service == p.service && g(r.sub, p.sub) && like(r.act, p.act) && like(r.obj, p.obj) && \\
    holds(r.ctx, p.cond)
"""


class Casbin:
    """A line for each action and resource of a statement; the domain is the index."""

    name = "pycasbin, fast enforcer"

    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self.tests: dict[str, list[Callable[[dict[str, Any]], bool]]] = {"": []}
        lines: list[str] = []
        for holder, statements in workload.statements.items():
            for place, one in enumerate(statements):
                name = f"{holder}/{place}" if one.conditions else ""
                self.tests[name] = list(map(make_test, one.conditions))
                effect = "deny" if one.deny else "allow"
                lines += [f"p, {self._domain(holder)}, {SERVICE}, {holder}, {action}, {resource}, {name}, {effect}"
                          for action in one.actions for resource in one.resources]
        lines += [f"g, {caller.name}, {holder}" for caller in workload.callers for holder in caller.holders]
        self.text = "\n".join(lines)

    def _domain(self, holder: str) -> str:
        return holder.rpartition("-")[2] if self.workload.by_group else holder

    def load(self) -> None:
        """Read every line and every membership through an adapter; adding them one by one takes far longer."""
        model = FastModel(FILTER)
        model.load_model_from_text(MODEL)
        self.enforcer = casbin.FastEnforcer(model, StringAdapter(self.text), cache_key_order=FILTER)
        self.enforcer.add_function("like", fnmatchcase)
        self.enforcer.add_function("holds", self._holds)

    def _holds(self, context: dict[str, Any], name: str) -> bool:
        return all(test(context) for test in self.tests[name])

    def request(self, question: Question) -> tuple[Any, ...]:
        """The arguments of ``enforce``."""
        domain = self._domain(question.caller.holders[0])
        return (domain, SERVICE, question.caller.name, question.action, question.resource, plain_context(question))

    def decide(self, asked: tuple[Any, ...]) -> bool:
        """Ask."""
        return bool(self.enforcer.enforce(*asked))
