"""moto's evaluator of identity policies. It denies whatever has a condition, so it runs where there is none."""

from __future__ import annotations

from moto.iam.access_control import IAMPolicy, PermissionResult

from benchmarks.engines.ours import documents
from benchmarks.workloads import Question, Workload


class Moto:
    """The loop of moto's own check, over policies that are parsed once."""

    name = "moto's evaluator"

    @staticmethod
    def unsupported(workload: Workload) -> str:
        """Conditions of identity policies are beyond it."""
        conditional = any(one.conditions for held in workload.statements.values() for one in held)
        return "knows no conditions in identity policies" if conditional else ""

    def __init__(self, workload: Workload) -> None:
        self.texts = {holder: documents(statements) for holder, statements in workload.statements.items()}

    def load(self) -> None:
        """Parse every document."""
        self.policies = {holder: list(map(IAMPolicy, texts)) for holder, texts in self.texts.items()}

    def request(self, question: Question) -> Question:
        """As it is."""
        return question

    def decide(self, asked: Question) -> bool:
        """Denied when one policy says so, otherwise permitted when one does."""
        permitted = False
        for holder in asked.caller.holders:
            for policy in self.policies[holder]:
                result = policy.is_action_permitted(asked.action, asked.resource)
                if result is PermissionResult.DENIED:
                    return False
                permitted = permitted or result is PermissionResult.PERMITTED
        return permitted
