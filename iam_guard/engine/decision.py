"""The answer to an authorization request, and why."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from iam_guard.model import AuthorizationRequest

if TYPE_CHECKING:
    from iam_guard.engine.explain import Explanation
    from iam_guard.engine.policy_set import PolicySet
    from iam_guard.engine.statement import CompiledStatement


class Verdict(StrEnum):
    """The three answers of IAM."""

    ALLOWED = "allowed"
    EXPLICIT_DENY = "explicitDeny"
    IMPLICIT_DENY = "implicitDeny"


class ReasonType(StrEnum):
    """What decided: a kind of policy, or a rule of the evaluation itself (language specification, 5.11)."""

    IDENTITY = "identity"
    RESOURCE = "resource"
    TRUST = "trust"
    BOUNDARY = "boundary"
    SESSION = "session"
    SCP = "scp"
    RCP = "rcp"
    ENDPOINT = "endpoint"
    ROOT = "root"
    ALWAYS = "always"
    CROSS_ACCOUNT = "cross_account"
    EVALUATION_ERROR = "evaluation_error"


#: What IAM calls each kind of policy in its messages (language specification, section 7.4).
POLICY_NAMES = {
    ReasonType.IDENTITY: "identity-based policy",
    ReasonType.RESOURCE: "resource-based policy",
    ReasonType.TRUST: "role trust policy",
    ReasonType.BOUNDARY: "permissions boundary",
    ReasonType.SESSION: "session policy",
    ReasonType.SCP: "service control policy",
    ReasonType.RCP: "resource control policy",
    ReasonType.ENDPOINT: "VPC endpoint policy",
}


class Decision(msgspec.Struct, eq=False, gc=False):
    """An answer. As a truth value it is whether the request is allowed.

    Attributes:
        verdict: Allowed, explicitly denied, or denied because nothing allowed it.
        reason_type: What decided.
        request: The question.
        policies: The policy set that answered.
        statement: The compiled statement that decided; ``None`` when none did.
        error: What went wrong when ``reason_type`` is ``evaluation_error``; otherwise empty.
        level: For organization policies, the level that decided, 0 being the root; otherwise -1.
        id: Names this decision in records and responses; empty until a guard names it.
    """

    verdict: Verdict
    reason_type: ReasonType
    request: AuthorizationRequest
    policies: PolicySet
    statement: CompiledStatement | None = None
    level: int = -1
    error: str = ""
    id: str = ""

    @property
    def allowed(self) -> bool:
        """Whether the request is allowed."""
        return self.verdict is Verdict.ALLOWED

    def __bool__(self) -> bool:
        return self.verdict is Verdict.ALLOWED

    def __repr__(self) -> str:
        return f"<Decision {self.verdict}: {self.reason}>"

    @property
    def revision(self) -> str:
        """Of the policy set that decided."""
        return self.policies.revision

    # The statement that decided

    @property
    def policy_id(self) -> str:
        """The policy whose statement decided; empty when none did."""
        return self.statement.policy.id if self.statement else ""

    @property
    def sid(self) -> str:
        """The statement's own name; empty when it has none."""
        return self.statement.statement.sid if self.statement else ""

    @property
    def statement_index(self) -> int:
        """The statement's position in its policy, from 0; -1 when no statement decided."""
        return self.statement.statement.index if self.statement else -1

    @property
    def file(self) -> str:
        """Where the policy was read from; empty when it came from memory."""
        return self.statement.policy.document.file if self.statement else ""

    @property
    def source_line(self) -> int:
        """The line of the statement in that file, from 1; 0 when it is not known."""
        statement = self.statement
        return statement.policy.document.line_of(statement.statement.index) if statement else 0

    # In words

    @property
    def reason(self) -> str:
        """One short line for operators; it names the policy and is not for the caller."""
        if self.error:
            return f"{self.reason_type}: {self.error}"
        if self.statement:
            name = self.sid or str(self.statement_index)
            verb = "allowed" if self.allowed else "denied"
            return f"{verb} by {self.reason_type} policy '{self.policy_id}', statement {name}"
        if self.allowed:
            return f"allowed: {self.reason_type}"
        return f"no {POLICY_NAMES.get(self.reason_type, self.reason_type)} allows {self.request.action}"

    @property
    def message(self) -> str:
        """IAM's own sentence (language specification, section 7.4); it names the caller and the resource."""
        ask = self.request
        target = "" if ask.resource == "*" else f" on resource: {ask.resource}"
        who = ask.principal.arn or "anonymous"
        if self.allowed:
            return f"User: {who} is authorized to perform: {ask.action}{target}"
        return f"User: {who} is not authorized to perform: {ask.action}{target} {self._because()}"

    def _because(self) -> str:
        if self.reason_type is ReasonType.EVALUATION_ERROR:
            return "because the request could not be evaluated"
        name = POLICY_NAMES.get(self.reason_type, "policy")
        if self.verdict is Verdict.IMPLICIT_DENY:
            return f"because no {name} allows the {self.request.action} action"
        return f"with an explicit deny in {'an' if name[0] in 'aeio' else 'a'} {name}"

    # The whole story, worked out when somebody asks

    def explain(self) -> Explanation:
        """Evaluate again and record everything: which statements applied, which nearly did, and why not."""
        from iam_guard.engine.explain import explain  # explanations are made of decisions

        return explain(self.policies, self)

    @property
    def consulted_keys(self) -> tuple[str, ...]:
        """Condition keys that the statements about this action and resource read, in lower case."""
        return self.explain().consulted_keys

    @property
    def missing_keys(self) -> tuple[str, ...]:
        """Those of them that the context did not have."""
        return self.explain().missing_keys
