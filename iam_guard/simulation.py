"""Reads test cases (policies, a caller, a request) in the JSON form of the conformance suite, and decides them.

A case brings all its policies with it, and its context is complete: nothing is added, not even the caller's
own keys. That makes an answer repeatable anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from iam_guard.engine.attachments import Attachments, Guardrails, Holder, Policy
from iam_guard.engine.decision import Decision
from iam_guard.engine.policy_set import PolicySet
from iam_guard.errors import IAMGuardError
from iam_guard.model import AuthorizationRequest, Principal, PrincipalKind, normalise_context
from iam_guard.policy.document import Mode, PolicyDocument, PolicyKind
from iam_guard.policy.parse import parse_policy

_FEDERATED_ACTIONS = frozenset({"sts:assumerolewithwebidentity", "sts:assumerolewithsaml"})
_GROUP = "arn:app:iam::{account}:group/case"


class CaseError(IAMGuardError, ValueError):
    """A case cannot be read."""


def evaluate_case(case: Mapping[str, Any]) -> Decision:
    """Decide one case.

    Args:
        case: ``principal``, ``identityPolicies``, ``request`` and, where they exist, ``groupPolicies``,
            ``resourcePolicy``, ``permissionBoundaries``, ``sessionPolicies``, ``scps`` and ``rcps``.

    Raises:
        CaseError: something is missing or of the wrong type.
        PolicyDocumentError: a policy cannot be read even in import mode.
    """
    policies, request = read_case(case)
    return policies.evaluate(request)


def read_case(case: Mapping[str, Any]) -> tuple[PolicySet, AuthorizationRequest]:
    """Make a policy set and a request of a case. Raises as :func:`evaluate_case` does."""
    ask = _member(case, "request", Mapping)
    action = _member(ask, "action", str)
    who = _principal(_member(case, "principal", str), action, _session(case))
    owner = _member(ask, "resourceAccountId", str, "")
    attachments = Attachments(
        holders={who.role_arn or who.user_arn or who.arn: _holder(case, who)},
        groups={_GROUP.format(account=who.account): _policies(case, "groupPolicies", PolicyKind.IDENTITY)},
        guardrails=_guardrails(case, who.account, owner),
    )
    request = AuthorizationRequest(
        who, action, _member(ask, "resource", str), _context(ask), owner,
        _resource_policy(case, action) if case.get("resourcePolicy") is not None else None)
    return PolicySet(attachments), request


_Required: Any = object()


def _member(holder: Mapping[str, Any], name: str, kind: type, default: Any = _Required) -> Any:
    value = holder.get(name)
    if value is None and default is not _Required:
        return default
    if not isinstance(value, kind):
        wanted = "text" if kind is str else "a list" if kind is list else "an object"
        raise CaseError(f"'{name}' is missing" if name not in holder else f"'{name}' has to be {wanted}")
    return value


def _principal(text: str, action: str, session: tuple[PolicyDocument, ...] | None) -> Principal:
    if action.lower() in _FEDERATED_ACTIONS:
        account = text.split(":")[4] if text.startswith("arn:") and text.count(":") >= 5 else ""
        return Principal(PrincipalKind.WEB_IDENTITY, text, account)
    try:
        return Principal.from_arn(text, session_policies=session)
    except (ValueError, TypeError) as problem:
        raise CaseError(f"'principal': {problem}") from None


def _context(ask: Mapping[str, Any]) -> dict[str, str | tuple[str, ...]]:
    context = _member(ask, "contextVariables", Mapping, {})
    for key, value in context.items():
        for one in value if isinstance(value, list) else [value]:
            if not isinstance(one, str | bool | int | float):
                raise CaseError(f"the value of '{key}' has to be text or a list of texts")
    return normalise_context(context)


def _documents(listed: Iterable[Any], name: str, kind: PolicyKind) -> tuple[PolicyDocument, ...]:
    return tuple(_document(one, f"{name}[{place}]", kind) for place, one in enumerate(listed))


def _document(value: Any, name: str, kind: PolicyKind) -> PolicyDocument:
    if not isinstance(value, Mapping | str):
        raise CaseError(f"'{name}' is not a policy")
    return parse_policy(value, kind=kind, mode=Mode.IMPORT, file="" if isinstance(value, Mapping) else name,
                        resource_required=False)


def _policies(case: Mapping[str, Any], name: str, kind: PolicyKind) -> tuple[Policy, ...]:
    documents = _documents(_member(case, name, list, []), name, kind)
    return tuple(Policy(f"{name}[{place}]", document) for place, document in enumerate(documents))


def _session(case: Mapping[str, Any]) -> tuple[PolicyDocument, ...] | None:
    if case.get("sessionPolicies") is None:
        return None
    return _documents(_member(case, "sessionPolicies", list), "sessionPolicies", PolicyKind.SESSION)


def _resource_policy(case: Mapping[str, Any], action: str) -> PolicyDocument:
    trust = case.get("resourcePolicyType") == "trust" or action.lower().startswith("sts:")
    kind = PolicyKind.TRUST if trust else PolicyKind.RESOURCE
    return _document(case["resourcePolicy"], "resourcePolicy", kind)


def _holder(case: Mapping[str, Any], who: Principal) -> Holder:
    boundaries = _policies(case, "permissionBoundaries", PolicyKind.BOUNDARY)
    broken = "a caller has at most one permissions boundary" if len(boundaries) > 1 else ""
    return Holder(who.role_arn or who.user_arn or who.arn, _policies(case, "identityPolicies", PolicyKind.IDENTITY),
                  boundaries[0] if boundaries else None, (_GROUP.format(account=who.account),), broken=broken)


def _levels(case: Mapping[str, Any], name: str, kind: PolicyKind) -> tuple[tuple[Policy, ...], ...]:
    found = []
    for place, level in enumerate(_member(case, name, list, [])):
        if not isinstance(level, list):
            raise CaseError(f"'{name}[{place}]' has to be a list of policies")
        documents = _documents(level, f"{name}[{place}]", kind)
        found.append(tuple(Policy(f"{name}[{place}][{at}]", document) for at, document in enumerate(documents)))
    return tuple(found)


def _guardrails(case: Mapping[str, Any], account: str, owner: str) -> dict[str, Guardrails]:
    scps = _levels(case, "scps", PolicyKind.SCP)
    rcps = _levels(case, "rcps", PolicyKind.RCP)
    if account == owner or not owner:
        return {account: Guardrails(scps, rcps)}
    return {account: Guardrails(scps), owner: Guardrails(None, rcps)}
