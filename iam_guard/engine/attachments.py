"""What is attached to whom: the input from which a PolicySet is compiled.

Plain, immutable values that a store hands over. Nothing here decides anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from iam_guard.model import EMPTY
from iam_guard.policy.document import PolicyDocument


@dataclass(frozen=True, slots=True)
class Policy:
    """A document under the name that decisions and explanations call it by.

    Attributes:
        id: An ARN for a managed policy; ``OWNER/NAME`` or any stable text for an inline one.
        document: What it says.
    """

    id: str
    document: PolicyDocument


@dataclass(frozen=True, slots=True)
class Holder:
    """A user or role and everything attached to it.

    Attributes:
        arn: Of the user or role.
        policies: Identity policies, inline and managed alike; without those of groups.
        boundary: The permissions boundary, if there is one.
        groups: ARNs of the groups a user is in.
        unique_id: ``AIDA...`` or ``AROA...``; principals in resource policies may name it.
        tags: Tags of the user or role.
        broken: Why this holder's policies could not all be read; when not empty, every request
            of the holder is denied, because what is missing might have been a Deny.
    """

    arn: str
    policies: tuple[Policy, ...] = ()
    boundary: Policy | None = None
    groups: tuple[str, ...] = ()
    unique_id: str = ""
    tags: Mapping[str, str] = EMPTY
    broken: str = ""


@dataclass(frozen=True, slots=True)
class Guardrails:
    """Organization policies over one account, root of the organization first, the account last.

    Attributes:
        scps: Levels of service control policies; ``None`` when there are none to obey. A level without
            a document allows nothing.
        rcps: Levels of resource control policies (denials only; allow-all is implied).
        is_management: The management account obeys neither kind.
        organization_id: ``o-...``, for ``aws:PrincipalOrgID`` and ``aws:ResourceOrgID``.
        organization_path: ``o-.../r-.../ou-.../``, for ``aws:PrincipalOrgPaths``.
    """

    scps: tuple[tuple[Policy, ...], ...] | None = None
    rcps: tuple[tuple[Policy, ...], ...] = ()
    is_management: bool = False
    organization_id: str = ""
    organization_path: str = ""


#: Services whose resources' own policy has to allow (language specification, section 5.6).
DECISIVE_SERVICES = frozenset({"sts", "kms"})


@dataclass(frozen=True, slots=True)
class Attachments:
    """Everything a policy set is made of.

    Attributes:
        everyone: Identity policies of every user, role session and federated user.
        holders: Users and roles by ARN.
        groups: Policies of groups by the group's ARN.
        resources: Resource policies by the resource's ARN; a role's trust policy stands under the role's ARN.
        guardrails: Organization policies by account id.
        endpoint: A ceiling over every request, with Principal elements; ``None`` when there is none.
        decisive: Service prefixes whose resources' own policy must allow, even within one account.
    """

    everyone: tuple[Policy, ...] = ()
    holders: Mapping[str, Holder] = EMPTY
    groups: Mapping[str, tuple[Policy, ...]] = EMPTY
    resources: Mapping[str, Policy] = EMPTY
    guardrails: Mapping[str, Guardrails] = EMPTY
    endpoint: tuple[Policy, ...] | None = None
    decisive: frozenset[str] = DECISIVE_SERVICES
