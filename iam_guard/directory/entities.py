"""The entities of a directory: plain, immutable values that a store keeps and operations replace.

Policy documents are kept as the JSON text that was given, so that nothing of them is lost; dates as the text
that was given or as ISO 8601 in UTC. What an entity is attached to stands in the entity itself, and
:meth:`Entity.links` says so in general terms, which is all that a store needs to find it from the other end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Any, ClassVar, Literal, NamedTuple

import msgspec

from iam_guard.model import ascii_lower


class Kind(StrEnum):
    """The kinds of entity; each is a name space of its own within an account."""

    SETTINGS = "settings"
    ACCOUNT = "account"
    USER = "user"
    GROUP = "group"
    ROLE = "role"
    POLICY = "policy"
    ACCESS_KEY = "access-key"
    RESOURCE_POLICY = "resource-policy"
    STANDING_POLICY = "standing-policy"
    ORGANIZATION = "organization"
    UNIT = "unit"
    CONTROL_POLICY = "control-policy"


class Relation(StrEnum):
    """How one entity refers to another.

    The target is an ARN for POLICY and BOUNDARY, ``ACCOUNT/name`` in lower case for GROUP, the user's unique
    id for OWNER, a unit's id for PARENT, ``scp/name`` or ``rcp/name`` in lower case for CONTROL, and the
    entity's own unique id for ID.
    """

    POLICY = "policy"
    BOUNDARY = "boundary"
    GROUP = "group"
    OWNER = "owner"
    PARENT = "parent"
    CONTROL = "control"
    ID = "id"


class Key(NamedTuple):
    """What names an entity: names that differ in case alone are the same name.

    Attributes:
        kind: Which name space.
        account: The account it belongs to; ``aws`` for policies that come with the platform, and empty for
            what belongs to no account.
        name: The name with A-Z in lower case; the id of an access key or unit, the exact ARN of a resource.
    """

    kind: Kind
    account: str
    name: str


class Link(NamedTuple):
    """A reference from an entity to another."""

    relation: Relation
    target: str


class Entity(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind"):
    """What all kinds have in common.

    Attributes:
        account: The account it belongs to.
        extra: Members of an import that this version knows nothing of, kept for the way back.
    """

    kind: ClassVar[Kind]

    account: str = ""
    extra: dict[str, Any] = {}

    @property
    def key(self) -> Key:
        """What it is found by."""
        raise NotImplementedError

    def links(self) -> Iterator[Link]:
        """What it refers to."""
        return iter(())


class Settings(Entity, frozen=True, kw_only=True, tag="settings"):
    """What holds for the whole directory; there is one, or none.

    Attributes:
        partition: Second field of every ARN.
        default_account: The account that names without one belong to.
        decisive: Further service prefixes whose resources' own policy has to allow.
        imported: Documents are read as AWS would run them, and not as strictly as new ones.
    """

    kind: ClassVar[Kind] = Kind.SETTINGS

    partition: str = "app"
    default_account: str = "000000000000"
    decisive: tuple[str, ...] = ()
    imported: bool = False

    @property
    def key(self) -> Key:
        """There is one."""
        return Key(Kind.SETTINGS, "", "")


class PasswordPolicy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What an account asks of its users' passwords.

    Attributes:
        minimum_length: So long at least.
        symbols: Whether one is needed.
        numbers: Whether one is needed.
        uppercase: Whether such a letter is needed.
        lowercase: Whether such a letter is needed.
        reuse_prevention: How many passwords are refused again, the present one included.
    """

    minimum_length: int = 8
    symbols: bool = False
    numbers: bool = False
    uppercase: bool = False
    lowercase: bool = False
    reuse_prevention: int = 0


class Account(Entity, frozen=True, kw_only=True, tag="account"):
    """A tenant.

    Attributes:
        account: Its id, twelve digits or a tenant's name.
        name: What people call it.
        parent: The unit it is in; empty outside an organization.
        scps: Names of service control policies attached to it; ``None`` means ``FullAWSAccess``.
        rcps: Names of resource control policies attached to it.
        tags: Its tags.
        created: When.
        password_policy: What it asks of passwords; ``None`` for the default.
    """

    kind: ClassVar[Kind] = Kind.ACCOUNT

    name: str = ""
    parent: str = ""
    scps: tuple[str, ...] | None = None
    rcps: tuple[str, ...] = ()
    tags: dict[str, str] = {}
    created: str = ""
    password_policy: PasswordPolicy | None = None

    @property
    def key(self) -> Key:
        """By its id."""
        return Key(Kind.ACCOUNT, self.account, self.account)

    def links(self) -> Iterator[Link]:
        """Its place in the tree and what limits it there."""
        return _limits(self)


class _Named(Entity, frozen=True, kw_only=True):
    """Users, groups, roles and managed policies.

    Attributes:
        name: With the case it was given.
        path: ``/`` or ``/staff/`` and the like.
        id: The unique id: a name that is used again gets another.
        arn: The whole ARN.
        created: When.
    """

    name: str
    arn: str
    path: str = "/"
    id: str = ""
    created: str = ""

    @property
    def key(self) -> Key:
        """By its name."""
        return Key(self.kind, self.account, ascii_lower(self.name))

    def links(self) -> Iterator[Link]:
        """Its own id, so that it is found by it."""
        if self.id:
            yield Link(Relation.ID, self.id)


class _Holding(_Named, frozen=True, kw_only=True):
    """Users, groups and roles: whatever policies are attached to.

    Attributes:
        policies: ARNs of attached managed policies, in the order of attachment.
        inline: Documents of its own, by name.
    """

    policies: tuple[str, ...] = ()
    inline: dict[str, str] = {}

    def links(self) -> Iterator[Link]:
        """Its id and its policies."""
        yield from _Named.links(self)
        for arn in self.policies:
            yield Link(Relation.POLICY, arn)


class User(_Holding, frozen=True, kw_only=True, tag="user"):
    """A user.

    Attributes:
        groups: Names of the groups it is in, in the order of joining.
        boundary: ARN of its permissions boundary; empty without one.
        tags: Its tags.
        password: argon2id hash of its password; empty without one.
        password_created: When that was set.
        password_reset_required: Whether it has to be changed at the next sign-in.
        password_last_used: When it was last used.
        password_history: Hashes of former passwords, newest first, as many as the account asks for.
    """

    kind: ClassVar[Kind] = Kind.USER

    groups: tuple[str, ...] = ()
    boundary: str = ""
    tags: dict[str, str] = {}
    password: str = ""
    password_created: str = ""
    password_reset_required: bool = False
    password_last_used: str = ""
    password_history: tuple[str, ...] = ()

    def links(self) -> Iterator[Link]:
        """Its id, policies, boundary and groups."""
        yield from _Holding.links(self)
        if self.boundary:
            yield Link(Relation.BOUNDARY, self.boundary)
        for name in self.groups:
            yield Link(Relation.GROUP, f"{self.account}/{ascii_lower(name)}")


class Group(_Holding, frozen=True, kw_only=True, tag="group"):
    """A group of users; its members say that they are in it."""

    kind: ClassVar[Kind] = Kind.GROUP


class Role(_Holding, frozen=True, kw_only=True, tag="role"):
    """A role.

    Attributes:
        trust: The document that says who may assume it; empty when nobody may.
        trusted_ids: Unique ids of users and roles that the trust policy named when it was saved, by ARN.
        boundary: ARN of its permissions boundary; empty without one.
        description: In words.
        max_session_duration: Seconds.
        tags: Its tags.
        last_used: When it was last assumed.
    """

    kind: ClassVar[Kind] = Kind.ROLE

    trust: str = ""
    trusted_ids: dict[str, str] = {}
    boundary: str = ""
    description: str = ""
    max_session_duration: int = 3600
    tags: dict[str, str] = {}
    last_used: str = ""

    def links(self) -> Iterator[Link]:
        """Its id, policies and boundary."""
        yield from _Holding.links(self)
        if self.boundary:
            yield Link(Relation.BOUNDARY, self.boundary)


class PolicyVersion(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One version of a managed policy.

    Attributes:
        id: ``v1``, ``v2``, never used again.
        document: JSON text.
        created: When.
        extra: As for an entity.
    """

    id: str
    document: str
    created: str = ""
    extra: dict[str, Any] = {}


class ManagedPolicy(_Named, frozen=True, kw_only=True, tag="policy"):
    """A policy that can be attached to many.

    Attributes:
        account: ``aws`` for one that comes with the platform.
        versions: Those that are kept, oldest first.
        default: Id of the version that counts.
        next_version: Number of the next one.
        description: In words.
        tags: Its tags.
        updated: When it last got a version.
        attachable: Whether it may be attached at all.
    """

    kind: ClassVar[Kind] = Kind.POLICY

    versions: tuple[PolicyVersion, ...] = ()
    default: str = "v1"
    next_version: int = 2
    description: str = ""
    tags: dict[str, str] = {}
    updated: str = ""
    attachable: bool = True

    def version(self, id: str = "") -> PolicyVersion | None:
        """The version with this id, or the one that counts."""
        return next((one for one in self.versions if one.id == (id or self.default)), None)


class AccessKey(Entity, frozen=True, kw_only=True, tag="access-key"):
    """A long-term key of a user.

    Attributes:
        id: ``AKIA...``.
        user: The user's name.
        user_id: The user's unique id: a later user of that name does not own it.
        secret: The secret, encrypted.
        active: Whether it may be used.
        created: When.
        last_used: When it was last used.
    """

    kind: ClassVar[Kind] = Kind.ACCESS_KEY

    id: str
    user: str
    user_id: str
    secret: str
    active: bool = True
    created: str = ""
    last_used: str = ""

    @property
    def key(self) -> Key:
        """By its id alone: who signs a request names no account."""
        return Key(Kind.ACCESS_KEY, "", self.id)

    def links(self) -> Iterator[Link]:
        """Whose it is."""
        yield Link(Relation.OWNER, self.user_id)


class ResourcePolicy(Entity, frozen=True, kw_only=True, tag="resource-policy"):
    """The policy of one resource.

    Attributes:
        arn: Of the resource, taken literally.
        document: JSON text.
        named_ids: Unique ids of local users and roles that it named when it was saved, by ARN.
        name: What the folder format calls its file; empty otherwise.
    """

    kind: ClassVar[Kind] = Kind.RESOURCE_POLICY

    arn: str
    document: str
    named_ids: dict[str, str] = {}
    name: str = ""

    @property
    def key(self) -> Key:
        """By the resource's ARN, exactly as written."""
        return Key(Kind.RESOURCE_POLICY, self.account, self.arn)


class StandingPolicy(Entity, frozen=True, kw_only=True, tag="standing-policy"):
    """A policy that is attached to nobody in particular.

    Attributes:
        name: Its name.
        reach: ``everyone`` for an identity policy of every user and session, ``endpoint`` for the ceiling
            over every request.
        document: JSON text.
    """

    kind: ClassVar[Kind] = Kind.STANDING_POLICY

    name: str
    reach: Literal["everyone", "endpoint"]
    document: str

    @property
    def key(self) -> Key:
        """By reach and name."""
        return Key(Kind.STANDING_POLICY, self.account, f"{self.reach}/{ascii_lower(self.name)}")


class Organization(Entity, frozen=True, kw_only=True, tag="organization"):
    """The platform; there is one, or none.

    Attributes:
        id: ``o-...``.
        management: Id of the account that no control policy limits.
        root: Id of the unit at the top.
        created: When.
    """

    kind: ClassVar[Kind] = Kind.ORGANIZATION

    id: str
    management: str = ""
    root: str = ""
    created: str = ""

    @property
    def key(self) -> Key:
        """There is one."""
        return Key(Kind.ORGANIZATION, "", "")


class Unit(Entity, frozen=True, kw_only=True, tag="unit"):
    """The root of the organization, or an organizational unit.

    Attributes:
        id: ``r-...`` or ``ou-...``.
        name: What people call it.
        parent: The unit it is in; empty for the root.
        scps: As for an account.
        rcps: As for an account.
    """

    kind: ClassVar[Kind] = Kind.UNIT

    id: str
    name: str = ""
    parent: str = ""
    scps: tuple[str, ...] | None = None
    rcps: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        """By its id."""
        return Key(Kind.UNIT, "", self.id)

    def links(self) -> Iterator[Link]:
        """Its place in the tree and what limits it there."""
        return _limits(self)


class ControlPolicy(Entity, frozen=True, kw_only=True, tag="control-policy"):
    """A service or resource control policy.

    Attributes:
        type: Which.
        name: Its name.
        id: ``p-...``.
        document: JSON text.
        description: In words.
        created: When.
    """

    kind: ClassVar[Kind] = Kind.CONTROL_POLICY

    type: Literal["scp", "rcp"]
    name: str
    document: str
    id: str = ""
    description: str = ""
    created: str = ""

    @property
    def key(self) -> Key:
        """By type and name."""
        return Key(Kind.CONTROL_POLICY, "", f"{self.type}/{ascii_lower(self.name)}")


def _limits(one: Account | Unit) -> Iterator[Link]:
    if one.parent:
        yield Link(Relation.PARENT, one.parent)
    for name in one.scps or ():
        yield Link(Relation.CONTROL, f"scp/{ascii_lower(name)}")
    for name in one.rcps:
        yield Link(Relation.CONTROL, f"rcp/{ascii_lower(name)}")


AnyEntity = (Settings | Account | User | Group | Role | ManagedPolicy | AccessKey | ResourcePolicy
             | StandingPolicy | Organization | Unit | ControlPolicy)

_encode = msgspec.json.Encoder(order="deterministic").encode
_decode: Callable[[bytes | str], AnyEntity] = msgspec.json.Decoder(AnyEntity).decode


def to_json(entity: AnyEntity) -> bytes:
    """Write an entity; equal entities give equal bytes."""
    return _encode(entity)


def from_json(text: bytes | str) -> AnyEntity:
    """Read an entity that :func:`to_json` wrote.

    Raises:
        msgspec.ValidationError: it is not one.
    """
    return _decode(text)
