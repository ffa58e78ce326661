"""What may stand in the files of a policy folder, as types.

A policy document is ``Any`` here; :mod:`iam_guard.policy.parse` reads it.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from iam_guard.directory.entities import PasswordPolicy


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
        extra: Members of an import that this version knows nothing of.
    """

    partition: str = ""
    account: str = ""
    accounts: dict[str, str] = {}
    mode: Literal["strict", "import"] = "strict"
    quotas: Literal["none", "aws"] = "none"
    decisive: tuple[str, ...] = ()
    extra: Any = None


class NamedFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What files of users, groups, roles and managed policies have in common.

    The first four say what the place of the file does not: a name that cannot be a file's, or an ARN that does
    not follow from account, path and name. A store writes them where it has to; nobody else needs them.

    Attributes:
        account: Id of its account.
        name: Its name.
        path: Its path.
        arn: Its ARN.
        id: Its unique id: ``AIDA...``, ``AGPA...``, ``AROA...`` or ``ANPA...``.
        created: When, ISO 8601 in UTC.
        extra: Members of an import that this version knows nothing of.
    """

    account: str | None = None
    name: str | None = None
    path: str | None = None
    arn: str | None = None
    id: str = ""
    created: str = ""
    extra: Any = None


class GroupFile(NamedFile, frozen=True, forbid_unknown_fields=True):
    """``groups/NAME.yaml``.

    Attributes:
        policies: Names or ARNs of managed policies.
        inline: Documents of this group alone, by name.
    """

    policies: tuple[str, ...] = ()
    inline: dict[str, Any] = {}


class RoleFile(NamedFile, frozen=True, forbid_unknown_fields=True):
    """``roles/NAME.yaml``.

    Attributes:
        policies: Names or ARNs of managed policies.
        inline: Documents of this role alone, by name.
        boundary: Name or ARN of the managed policy that is its permissions boundary.
        tags: Tags, as ``aws:PrincipalTag/KEY``.
        trust: The document that says who may assume the role.
        trusted_ids: Unique ids of the users and roles that the trust policy names, by ARN.
        description: In words.
        max_session_duration: Seconds.
    """

    policies: tuple[str, ...] = ()
    inline: dict[str, Any] = {}
    boundary: str = ""
    tags: dict[str, str] = {}
    trust: Any = None
    trusted_ids: dict[str, str] = {}
    description: str = ""
    max_session_duration: int = 3600


class UserFile(NamedFile, frozen=True, forbid_unknown_fields=True):
    """``users/NAME.yaml``; as for a role, with groups instead of trust.

    Attributes:
        groups: Names of groups of the same account.
    """

    policies: tuple[str, ...] = ()
    inline: dict[str, Any] = {}
    boundary: str = ""
    tags: dict[str, str] = {}
    groups: tuple[str, ...] = ()


class VersionFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A version within ``policies/NAME.yaml``.

    Attributes:
        document: The document.
        created: When.
        extra: As for its policy.
    """

    document: Any
    created: str = ""
    extra: Any = None


class PolicyFile(NamedFile, frozen=True, forbid_unknown_fields=True):
    """``policies/NAME.yaml`` where it says more than the document.

    Attributes:
        description: In words.
        tags: Tags.
        updated: When it last got a version.
        attachable: Whether it may be attached.
        document: The document, where there is one version, ``v1``.
        versions: All versions by id, oldest first, where there are others.
        default: Id of the version that counts.
        next_version: Number of the version to come; by default one more than the highest.
    """

    description: str = ""
    tags: dict[str, str] = {}
    updated: str = ""
    attachable: bool = True
    document: Any = None
    versions: dict[str, VersionFile] | None = None
    default: str = "v1"
    next_version: int | None = None


class ControlPolicyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``scps/NAME.yaml`` or ``rcps/NAME.yaml`` where it says more than the document.

    Attributes:
        document: The document.
        name: Its name, where that cannot be a file's.
        id: ``p-...``.
        description: In words.
        created: When.
        extra: As for other files.
    """

    document: Any
    name: str | None = None
    id: str = ""
    description: str = ""
    created: str = ""
    extra: Any = None


class StandingPolicyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``everyone/NAME.yaml`` or ``endpoint/NAME.yaml`` where it says more than the document.

    Attributes:
        document: The document.
        account: The account it is kept in, where that is not the folder's own.
        name: Its name, where that cannot be a file's.
        extra: As for other files.
    """

    document: Any
    account: str | None = None
    name: str | None = None
    extra: Any = None


class ResourceFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``resources/ANY.yaml``.

    Attributes:
        resource: ARN of the one resource that the policy is attached to.
        policy: The document.
        named_ids: Unique ids of the users and roles that the policy names, by ARN.
        account: Id of its account, where the folder does not say it.
        name: What it is called, where that is not the file's name.
        extra: As for other files.
    """

    resource: str
    policy: Any
    named_ids: dict[str, str] = {}
    account: str | None = None
    name: str | None = None
    extra: Any = None


class AccountFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``account.yaml`` of the folder or of a folder under ``accounts/``.

    Attributes:
        account: Its id, where the folder does not say it.
        name: What people call it.
        tags: Tags.
        created: When.
        parent: Id of the unit it is in, where ``organization.yaml`` has no place for it.
        scps: As in ``organization.yaml``, likewise.
        rcps: As in ``organization.yaml``, likewise.
        password_policy: What it asks of its users' passwords.
        extra: As for other files.
    """

    account: str | None = None
    name: str | None = None
    tags: dict[str, str] = {}
    created: str = ""
    parent: str = ""
    scps: tuple[str, ...] | None = None
    rcps: tuple[str, ...] = ()
    password_policy: PasswordPolicy | None = None
    extra: Any = None


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
        name: The unit's name, where it is not its key.
        extra: As for other files.
    """

    id: str = ""
    scps: tuple[str, ...] | None = None
    rcps: tuple[str, ...] = ()
    accounts: dict[str, AccountNode | None] = {}
    units: dict[str, UnitNode] = {}
    name: str | None = None
    extra: Any = None


class LooseUnit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A unit that is not part of the tree.

    Attributes:
        id: Its id.
        name: Its name.
        parent: Id of the unit it is said to be in.
        scps: As for an account.
        rcps: As for an account.
        extra: As for other files.
    """

    id: str
    name: str = ""
    parent: str = ""
    scps: tuple[str, ...] | None = None
    rcps: tuple[str, ...] = ()
    extra: Any = None


class OrganizationFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``organization.yaml``.

    Attributes:
        id: ``o-...``.
        management: The account that no control policy limits, by folder name or id.
        root: The tree; nothing where there is only its id.
        created: When.
        loose: Units that are not part of the tree.
        root_id: Id of the root, where there is no tree.
        extra: As for other files.
    """

    root: UnitNode | None
    id: str | None = None
    management: str = ""
    created: str = ""
    loose: tuple[LooseUnit, ...] = ()
    root_id: str = ""
    extra: Any = None
