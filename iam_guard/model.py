"""The nouns: who asks (Principal), one question (AuthorizationRequest), what else is known (context).

A context maps condition keys to values. Keys are compared without case, so a normalised context has
lower-case keys. A value is text, or a tuple of texts for a key that holds a set of values; a set stays a
set even with one member or none.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from iam_guard.policy.document import PolicyDocument

Scalar = str | bool | int | float | Decimal | datetime | ipaddress.IPv4Address | ipaddress.IPv6Address
ContextValue = Scalar | Iterable[Scalar]
#: What the engine reads: lower-case keys; text, or a tuple of texts for a set of values.
Context = Mapping[str, str | tuple[str, ...]]


class _Empty(Mapping[str, Any]):
    """No entries, ever. Hashable, which Python 3.11 wants of the default of a dataclass field."""

    __slots__ = ()

    def __getitem__(self, key: str) -> Any:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "{}"


EMPTY: Mapping[str, Any] = _Empty()

DEFAULT_PARTITION = "app"
DEFAULT_ACCOUNT = "000000000000"

# Characters of IAM names; whatever else a subject holds is percent-encoded, so that no claim
# can produce a path, a field separator or another user's name.
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_+=,.@-]")


def ascii_lower(text: str) -> str:
    """Lower-case A-Z only, so that no foreign letter folds onto an ASCII one."""
    return text.lower() if text.isascii() else text.translate(_ASCII_LOWER)


_ASCII_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


def scalar_text(value: Scalar) -> str:
    """Write one context value the way conditions read it (language specification, section 4.8)."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("a date in the context needs a time zone")
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, float | Decimal):
        return format(Decimal(repr(value)) if isinstance(value, float) else value, "f")
    if isinstance(value, int | ipaddress.IPv4Address | ipaddress.IPv6Address):
        return str(value)
    raise TypeError(f"a context value cannot be a {type(value).__name__}; leave out a key that has no value")


def normalise_context(context: Mapping[str, ContextValue]) -> dict[str, str | tuple[str, ...]]:
    """Lower-case the keys and write every value as text; ``None`` is not a value: leave the key out."""
    return {ascii_lower(key): _texts(value) for key, value in context.items()}


def _texts(value: ContextValue) -> str | tuple[str, ...]:
    if isinstance(value, str):
        return value
    if type(value) is tuple and all(type(one) is str for one in value):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return tuple(scalar_text(one) for one in (sorted(value) if isinstance(value, set | frozenset) else value))
    return scalar_text(value)  # type: ignore[arg-type]


class PrincipalKind(StrEnum):
    """The kinds of caller that evaluation tells apart (language specification, section 5.1)."""

    ROOT = "root"
    USER = "user"
    ROLE_SESSION = "role_session"
    FEDERATED_USER = "federated_user"
    SERVICE = "service"
    WEB_IDENTITY = "web_identity"
    ANONYMOUS = "anonymous"


_PRINCIPAL_TYPE = {
    PrincipalKind.ROOT: "Account",
    PrincipalKind.USER: "User",
    PrincipalKind.FEDERATED_USER: "FederatedUser",
    PrincipalKind.ROLE_SESSION: "AssumedRole",
    PrincipalKind.ANONYMOUS: "Anonymous",
}


def entity_name(text: str) -> str:
    """Make an IAM name of any text, injectively: foreign characters are percent-encoded."""
    return _NOT_IN_A_NAME.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), text)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. Use the constructors (``Principal.user(...)``) rather than the fields.

    Attributes:
        kind: Which kind of caller.
        arn: The caller's own ARN: of the user, of the session, of the account's root; the host name of
            a service; the provider of a web identity; ``""`` for anonymous.
        account: The account (tenant) the caller belongs to; ``""`` for services and anonymous.
        role_arn: For a role session: the role, with its path when that is known.
        role_path_known: Whether ``role_arn`` has the role's path; a session's own ARN does not tell it.
        user_arn: For a federated-user session: the IAM user who made it.
        unique_id: ``AIDA...`` or ``AROA...`` where it is known.
        groups: ARNs of groups that the identity provider vouches for; ``None`` means *unknown*, and a
            policy set that speaks of groups then refuses.
        tags: Principal and session tags.
        session_policies: Documents given when the session was made; ``None`` when none were given.
        attributes: Further condition keys that travel with the caller (``aws:TokenIssueTime``, ``jwt:sub``).
        issuer: Who vouched for the caller; empty when nobody outside did.
        subject: The issuer's own name for the caller.
        expires_at: Seconds since the epoch after which this principal is nobody; ``None`` for never.
        mfa_at: When the caller proved a second factor, in seconds since the epoch; ``None`` when that did not happen
            for these credentials. Its age is told at every decision.
    """

    kind: PrincipalKind
    arn: str
    account: str = DEFAULT_ACCOUNT
    role_arn: str = ""
    role_path_known: bool = True
    user_arn: str = ""
    unique_id: str = ""
    groups: tuple[str, ...] | None = ()
    tags: Mapping[str, str] = EMPTY
    session_policies: tuple[PolicyDocument, ...] | None = None
    attributes: Mapping[str, ContextValue] = EMPTY
    issuer: str = ""
    subject: str = ""
    expires_at: float | None = None
    mfa_at: float | None = None
    #: The caller's condition keys, normalised once.
    context: Context = field(init=False, repr=False, compare=False)
    #: What decides which policies are the caller's: a cheap key for memories.
    key: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "context", MappingProxyType(_principal_context(self)))
        holder = self.role_arn or self.user_arn or self.arn
        object.__setattr__(self, "key", repr((self.kind.value, holder, self.groups, self.unique_id)))

    @classmethod
    def user(cls, name: str, *, account: str = DEFAULT_ACCOUNT, partition: str = DEFAULT_PARTITION,
             path: str = "/", **more: Any) -> Principal:
        """An IAM user, by name and account."""
        arn = f"arn:{partition}:iam::{account}:user{path}{entity_name(name)}"
        return cls(PrincipalKind.USER, arn, account, **more)

    @classmethod
    def role_session(cls, role: str, session: str, *, account: str = DEFAULT_ACCOUNT,
                     partition: str = DEFAULT_PARTITION, path: str = "/", **more: Any) -> Principal:
        """A session of the role *role*, named *session*."""
        name, session = entity_name(role), entity_name(session)
        return cls(PrincipalKind.ROLE_SESSION, f"arn:{partition}:sts::{account}:assumed-role/{name}/{session}",
                   account, role_arn=f"arn:{partition}:iam::{account}:role{path}{name}", **more)

    @classmethod
    def root(cls, *, account: str = DEFAULT_ACCOUNT, partition: str = DEFAULT_PARTITION) -> Principal:
        """The root user of an account."""
        return cls(PrincipalKind.ROOT, f"arn:{partition}:iam::{account}:root", account)

    @classmethod
    def service(cls, host: str, **more: Any) -> Principal:
        """An internal service that acts for itself, such as ``billing.internal``."""
        return cls(PrincipalKind.SERVICE, host, "", **more)

    @classmethod
    def anonymous(cls) -> Principal:
        """Somebody who sent no credentials."""
        return cls(PrincipalKind.ANONYMOUS, "", "")

    @classmethod
    def from_arn(cls, arn: str, **more: Any) -> Principal:
        """Read a principal off an ARN, a service host name, or the word ``anonymous``.

        A bare role ARN stands for a session of that role whose own name nobody mentions.

        Raises:
            ValueError: the ARN is of something that cannot be a caller.
        """
        return _from_arn(cls, arn, more)

    @property
    def name(self) -> str:
        """The last part of the ARN, for display."""
        return self.arn.rsplit("/", 1)[-1] or "anonymous"


def _from_arn(cls: type[Principal], arn: str, more: dict[str, Any]) -> Principal:
    if arn == "anonymous":
        return cls.anonymous()
    if not arn.startswith("arn:"):
        return cls.service(arn, **more)
    _, partition, service, _, account, resource = arn.split(":", 5)
    match service, resource.partition("/")[0]:
        case "iam", "root" if resource == "root":
            return cls(PrincipalKind.ROOT, arn, account, **more)
        case "iam", "user":
            return cls(PrincipalKind.USER, arn, account, **more)
        case "iam", "role":
            name = resource.rsplit("/", 1)[-1]
            session = f"arn:{partition}:sts::{account}:assumed-role/{name}/-"
            return cls(PrincipalKind.ROLE_SESSION, session, account, role_arn=arn, **more)
        case "sts", "assumed-role" if resource.count("/") == 2:
            role = f"arn:{partition}:iam::{account}:role/{resource.split('/')[1]}"
            more.setdefault("role_path_known", "role_arn" in more)
            return cls(PrincipalKind.ROLE_SESSION, arn, account, role_arn=more.pop("role_arn", role), **more)
        case "sts", "federated-user":
            user = f"arn:{partition}:iam::{account}:user/{resource.partition('/')[2]}"
            return cls(PrincipalKind.FEDERATED_USER, arn, account, user_arn=more.pop("user_arn", user), **more)
        case "iam", "oidc-provider" | "saml-provider":
            return cls(PrincipalKind.WEB_IDENTITY, arn, account, **more)
    raise ValueError(f"'{arn}' cannot be a caller")


def _principal_context(who: Principal) -> dict[str, str | tuple[str, ...]]:
    """The condition keys of language specification section 4.6, and the caller's own attributes.

    Attributes come first: nothing an issuer says may overwrite a key that is ours.
    """
    keys = normalise_context(who.attributes)
    for tag, value in who.tags.items():
        keys[f"aws:principaltag/{ascii_lower(tag)}"] = value
    if who.kind in _PRINCIPAL_TYPE:
        keys["aws:principaltype"] = _PRINCIPAL_TYPE[who.kind]
        keys["aws:principalaccount"] = who.account or "anonymous"
        keys["aws:userid"] = _user_id(who)
    if who.kind is PrincipalKind.USER:
        keys["aws:username"] = who.arn.rsplit("/", 1)[-1]
    if arn := who.role_arn or who.arn:
        keys["aws:principalarn"] = arn
        keys["aws:principalisawsservice"] = "true" if who.kind is PrincipalKind.SERVICE else "false"
    if who.kind is PrincipalKind.SERVICE:
        keys["aws:principalservicename"] = who.arn
        del keys["aws:principalarn"]
    return keys


def _user_id(who: Principal) -> str:
    name = who.arn.rsplit("/", 1)[-1]
    match who.kind:
        case PrincipalKind.ROOT:
            return who.account
        case PrincipalKind.ROLE_SESSION:
            return f"{who.unique_id or who.role_arn.rsplit('/', 1)[-1]}:{name}"
        case PrincipalKind.FEDERATED_USER:
            return f"{who.account}:{name}"
        case PrincipalKind.ANONYMOUS:
            return "anonymous"
    return who.unique_id or name


class AuthorizationRequest(msgspec.Struct, frozen=True, gc=False):
    """One question: may *principal* perform *action* on *resource*, given *context*?

    Attributes:
        principal: Who asks.
        action: ``service:Name``.
        resource: A full ARN, taken literally, or ``*`` for an action without a resource.
        context: Every condition key that is known, normalised (see :func:`normalise_context`); nothing
            is added to it. :class:`iam_guard.Guard` fills it.
        resource_account: Who owns the resource; empty means the account field of the ARN.
        resource_policy: The resource's own policy where the caller of the engine looked it up; it
            takes the place of one that the policy set holds for this ARN.
    """

    principal: Principal
    action: str
    resource: str
    context: Context = EMPTY
    resource_account: str = ""
    resource_policy: PolicyDocument | None = None
