"""Compiles attached policies when they are first asked about, and remembers them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from iam_guard.engine.attachments import Policy
from iam_guard.engine.index import Layer
from iam_guard.engine.memo import Memo
from iam_guard.engine.statement import CompiledPolicy
from iam_guard.policy.document import PolicyDocument, PolicyKind

#: How many policies, sets of policies that count together, and documents given with requests stay compiled.
MAX_POLICIES = 65_536
MAX_LAYERS = 32_768
MAX_GIVEN = 4_096

# Resource control policies speak of everybody, so their Principal is not even looked at.
_NAMING_PRINCIPALS = frozenset({PolicyKind.RESOURCE, PolicyKind.TRUST, PolicyKind.ENDPOINT})


class Compiler:
    """Knows policies by what they are and not by what they say: the same object is compiled once.

    A policy set and its successors share one, so that a change costs what it touches. An entry holds the
    policies it is known by, hence no other policy can come to have their identity.
    """

    __slots__ = ("_given", "_layers", "_policies")

    def __init__(self) -> None:
        self._policies: Memo[tuple[int, PolicyKind], CompiledPolicy] = Memo(MAX_POLICIES)
        self._layers: Memo[tuple[Any, ...], Layer] = Memo(MAX_LAYERS)
        self._given: Memo[tuple[int, PolicyKind], tuple[Any, Layer]] = Memo(MAX_GIVEN)

    def layer(self, policies: Sequence[Policy], kind: PolicyKind) -> Layer:
        """Policies that count together; callers with the same attachments share one."""
        key = (kind, *map(id, policies))
        found = self._layers.get(key) or self._layers.recall(key)
        if found is None:
            found = self._layers.keep(key, _layer(tuple(self._compiled(policy, kind) for policy in policies), kind))
        return found

    def _compiled(self, policy: Policy, kind: PolicyKind) -> CompiledPolicy:
        key = (id(policy), kind)
        return (self._policies.get(key) or self._policies.recall(key)
                or self._policies.keep(key, CompiledPolicy(policy, kind)))

    def given(self, documents: tuple[PolicyDocument, ...], kind: PolicyKind) -> Layer:
        """Documents that came with the request, compiled once as long as they are remembered."""
        key = (id(documents[0]) if documents else 0, kind)
        found = self._given.get(key) or self._given.recall(key)
        if found is not None and found[0] == documents:
            return found[1]
        policies = [Policy(document.id or f"{kind} policy", document) for document in documents]
        layer = _layer(tuple(CompiledPolicy(policy, kind) for policy in policies), kind)
        if documents:
            self._given.keep(key, (documents, layer))
        return layer


def _layer(compiled: tuple[CompiledPolicy, ...], kind: PolicyKind) -> Layer:
    return Layer(compiled, names_principals=kind in _NAMING_PRINCIPALS)
