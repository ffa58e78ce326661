"""Break one rule of the engine and see the shared cases notice: a table that stays green proves nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from iam_guard.engine import combine, index, policy_set, principals, statement
from iam_guard.engine import substitution as substitution_room
from iam_guard.engine.combine import Target
from iam_guard.engine.conditions import arn as arn_conditions
from iam_guard.engine.conditions import compile as conditions
from iam_guard.engine.conditions import string as string_conditions
from iam_guard.engine.principals import Match, PrincipalTest
from iam_guard.policy.document import Statement
from iam_guard.policy.operators import Operator, Qualifier, read_operator
from iam_guard.policy.variables import Literal
from iam_guard.simulation import evaluate_case

TABLES = Path(__file__).parents[1] / "conformance"
CASES = [json.loads(line) for name in ("cases.jsonl", "user-cases.jsonl")
         for line in (TABLES / name).read_text().splitlines()]
CASES += [row for row in json.loads((TABLES / "spec_examples.json").read_text())["rows"] if row["kind"] == "evaluate"]

Patch = pytest.MonkeyPatch


def wrong_answers() -> int:
    return sum(evaluate_case(case).verdict.value != case.get("verdict", case.get("expect")) for case in CASES)


def test_unbroken_the_engine_answers_all() -> None:
    assert wrong_answers() == 0


def flip_the_effect(patch: Patch) -> None:
    patch.setattr(Statement, "is_deny", property(lambda self: self.effect == "Allow"))


def read_operators_as(patch: Patch, change: Callable[[Operator], Operator]) -> None:
    def read(text: str) -> Operator | None:
        operator = read_operator(text)
        return None if operator is None else change(operator)

    patch.setattr(conditions, "read_operator", read)


def drop_negations(patch: Patch) -> None:
    read_operators_as(patch, lambda one: one._replace(comparison=one.comparison._replace(negated=False)))


def ignore_if_exists(patch: Patch) -> None:
    read_operators_as(patch, lambda one: one._replace(if_exists=False))


def swap_set_operators(patch: Patch) -> None:
    swapped = {Qualifier.ALL: Qualifier.ANY, Qualifier.ANY: Qualifier.ALL, Qualifier.NONE: Qualifier.NONE}
    read_operators_as(patch, lambda one: one._replace(qualifier=swapped[one.qualifier]))


def let_missing_keys_pass(patch: Patch) -> None:
    read_operators_as(patch, lambda one: one._replace(if_exists=True))


def compare_dates_the_wrong_way(patch: Patch) -> None:
    other = {"lt": "gt", "gt": "lt", "le": "ge", "ge": "le"}
    read_operators_as(patch, lambda one: one._replace(
        comparison=one.comparison._replace(test=other.get(one.comparison.test, one.comparison.test))))


def skip_conditions(patch: Patch) -> None:
    patch.setattr(statement, "compile_conditions", lambda one: ())


def read_stars_wide_everywhere(patch: Patch) -> None:
    compile_resource = statement.compile_resource
    patch.setattr(statement, "compile_resource",
                  lambda text, *, variables, wide, broken: compile_resource(text, variables=variables, wide=True,
                                                                            broken=broken))


def read_not_resource_as_resource(patch: Patch) -> None:
    not_resource = index.not_resource_test
    patch.setattr(index, "not_resource_test",
                  lambda one: lambda key, context: not not_resource(one)(key, context))


def read_not_action_as_action(patch: Patch) -> None:
    not_action = statement._not_action_test
    patch.setattr(statement, "_not_action_test", lambda one: lambda action: not not_action(one)(action))


def let_values_be_patterns(patch: Patch) -> None:
    resolve = substitution_room.resolve

    def resolved(*arguments: Any, **more: Any) -> list[str] | None:
        found = resolve(*arguments, **more)
        return None if found is None else [str(part) if isinstance(part, Literal) else part for part in found]

    patch.setattr(string_conditions, "resolve", resolved)
    patch.setattr(arn_conditions, "resolve", resolved)
    patch.setattr("iam_guard.engine.arn.resolve", resolved)


def substitute_in_old_documents(patch: Patch) -> None:
    patch.setattr(Statement, "variables", property(lambda self: True, lambda self, value: None), raising=True)


def forget_boundaries_and_sessions(patch: Patch) -> None:
    patch.setattr(combine, "_withheld", lambda case, own: None)


def forget_organization_policies(patch: Patch) -> None:
    make = policy_set._GuardrailLayers.__init__

    def without(self: Any, *arguments: Any) -> None:
        make(self, *arguments)
        self.scps, self.rcps = (), ()

    patch.setattr(policy_set._GuardrailLayers, "__init__", without)


def take_every_account_for_ones_own(patch: Patch) -> None:
    target = policy_set.PolicySet._target
    patch.setattr(policy_set.PolicySet, "_target",
                  lambda self, request, who: target(self, request, who)._replace(same_account=True))
    assert Target._fields[-1] == "same_account"


def let_the_account_grant(patch: Patch) -> None:
    named = PrincipalTest.named
    patch.setattr(PrincipalTest, "named",
                  lambda self, who: Match.DIRECT if named(self, who) is Match.ACCOUNT else named(self, who))


def let_the_role_grant_finally(patch: Patch) -> None:
    named = PrincipalTest.named
    patch.setattr(PrincipalTest, "named",
                  lambda self, who: Match.DIRECT if named(self, who) is Match.PARENT else named(self, who))


def spare_whoever_is_listed_in_part(patch: Patch) -> None:
    patch.setattr(PrincipalTest, "_spares", lambda self, who: self.named(who) is not Match.NONE)


def mind_the_case_of_actions(patch: Patch) -> None:
    patch.setattr(index, "ascii_lower", str)
    patch.setattr(statement, "ascii_lower", str)


def trust_identity_policies_alone(patch: Patch) -> None:
    target = policy_set.PolicySet._target
    patch.setattr(policy_set.PolicySet, "_target",
                  lambda self, request, who: target(self, request, who)._replace(decisive=False))


def let_the_first_statement_decide(patch: Patch) -> None:
    patch.setattr(combine, "layers_in_order", lambda case: [(combine.ReasonType.IDENTITY, -1, case.subject.identity)])


def take_role_names_for_paths(patch: Patch) -> None:
    patch.setattr(principals, "_same_role", lambda arn, name: False)


MUTATIONS = [value for value in list(globals().values())
             if callable(value) and getattr(value, "__annotations__", {}) == {"patch": "Patch", "return": "None"}]


def test_no_mutation_is_forgotten() -> None:
    assert len(MUTATIONS) == 22


@pytest.mark.parametrize("mutate", MUTATIONS, ids=lambda mutate: mutate.__name__)
def test_a_broken_rule_is_noticed(mutate: Callable[[Patch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    mutate(monkeypatch)
    assert wrong_answers() > 0
