"""How much of everything there may be (language specification, section 1.10)."""

from __future__ import annotations

import msgspec


class Quotas(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Quotas, by IAM's defaults. Sizes are in characters that are not white space.

    Attributes:
        managed_policy_size: Of one version of a managed policy.
        user_inline_size: Of all inline policies of a user together.
        group_inline_size: Of a group's.
        role_inline_size: Of a role's.
        trust_policy_size: Of a role's trust policy.
        resource_policy_size: Of a resource policy.
        scp_size: Of a service control policy.
        rcp_size: Of a resource control policy.
        scps_attached: To one root, unit or account.
        rcps_attached: To one root, unit or account.
        unit_depth: Of organizational units below the root.
        policies_per_user: Managed policies attached to a user.
        policies_per_group: To a group.
        policies_per_role: To a role.
        groups_per_user: Groups that a user is in.
        versions: Kept of one managed policy.
        tags: Of one entity.
        access_keys_per_user: Active or not.
        users: In an account.
        groups: In an account.
        roles: In an account.
        policies: Managed policies of an account.
    """

    managed_policy_size: int = 6144
    user_inline_size: int = 2048
    group_inline_size: int = 5120
    role_inline_size: int = 10240
    trust_policy_size: int = 2048
    resource_policy_size: int = 20480
    scp_size: int = 10240
    rcp_size: int = 5120
    scps_attached: int = 10
    rcps_attached: int = 5
    unit_depth: int = 5
    policies_per_user: int = 10
    policies_per_group: int = 10
    policies_per_role: int = 10
    groups_per_user: int = 10
    versions: int = 5
    tags: int = 50
    access_keys_per_user: int = 2
    users: int = 5000
    groups: int = 300
    roles: int = 1000
    policies: int = 1500
