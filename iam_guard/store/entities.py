"""What may stand in the files of a policy folder, as types.

A policy document is ``Any`` here; :mod:`iam_guard.policy.parse` reads it.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class FolderSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``folder.yaml``: how the folder is to be read.

    Attributes:
        partition: Second field of every ARN.
        account: Id of the account that the top folders belong to: twelve digits, or a tenant's name.
        accounts: Ids of further accounts, by the name of their folder under ``accounts/``; without any, a
            folder's name is the id.
        mode: ``import`` accepts documents that AWS would run and would not accept anew.
        quotas: ``aws`` holds documents and attachments to AWS's default quotas.
        decisive: Further service prefixes whose resources' own policy has to allow.
    """

    partition: str = ""
    account: str = ""
    accounts: dict[str, str] = {}
    mode: Literal["strict", "import"] = "strict"
    quotas: Literal["none", "aws"] = "none"
    decisive: tuple[str, ...] = ()


class GroupFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``groups/NAME.yaml``.

    Attributes:
        policies: Names or ARNs of managed policies.
        inline: Documents of this group alone, by name.
    """

    policies: tuple[str, ...] = ()
    inline: dict[str, Any] = {}


class RoleFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``roles/NAME.yaml``.

    Attributes:
        policies: Names or ARNs of managed policies.
        inline: Documents of this role alone, by name.
        boundary: Name or ARN of the managed policy that is its permissions boundary.
        tags: Tags, as ``aws:PrincipalTag/KEY``.
        id: ``AROA...``, where policies written elsewhere name it.
        trust: The document that says who may assume the role.
    """

    policies: tuple[str, ...] = ()
    inline: dict[str, Any] = {}
    boundary: str = ""
    tags: dict[str, str] = {}
    id: str = ""
    trust: Any = None


class UserFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``users/NAME.yaml``; as for a role, with groups instead of trust.

    Attributes:
        groups: Names of groups of the same account.
    """

    policies: tuple[str, ...] = ()
    inline: dict[str, Any] = {}
    boundary: str = ""
    tags: dict[str, str] = {}
    id: str = ""
    groups: tuple[str, ...] = ()


class ResourceFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``resources/ANY.yaml``.

    Attributes:
        resource: ARN of the one resource that the policy is attached to.
        policy: The document.
    """

    resource: str
    policy: Any


class AccountNode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An account in the tree.

    Attributes:
        scps: Names of service control policies attached to it; without the key, ``FullAWSAccess``.
        rcps: Names of resource control policies attached to it.
    """

    scps: tuple[str, ...] | None = None
    rcps: tuple[str, ...] = ()


class UnitNode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The root or an organizational unit.

    Attributes:
        id: ``r-...`` or ``ou-...``, for ``aws:PrincipalOrgPaths``; the unit's name when empty.
        scps: As for an account.
        rcps: As for an account.
        accounts: Accounts directly in it, by folder name or id.
        units: Units directly in it, by name.
    """

    id: str = ""
    scps: tuple[str, ...] | None = None
    rcps: tuple[str, ...] = ()
    accounts: dict[str, AccountNode | None] = {}
    units: dict[str, UnitNode] = {}


class OrganizationFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``organization.yaml``.

    Attributes:
        id: ``o-...``.
        management: The account that no control policy limits, by folder name or id.
        root: The tree.
    """

    root: UnitNode
    id: str = ""
    management: str = ""
