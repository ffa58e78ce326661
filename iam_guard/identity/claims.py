"""ClaimMapping: how the claims of one issuer become a Principal, as one declaration.

    ClaimMapping(
        account=Claim("tenant"),                                  # or a constant: account="111122223333"
        groups=(Claim("realm_access.roles", prefix="realm:"),),
        tags={"team": Claim("team"), "source": "keycloak"},
        context=("project", "vip_until"),                         # condition keys jwt:project, jwt:vip_until
    )

Where a value may be a constant, plain text is one and a :class:`Claim` is not. Reading the claims is in
:mod:`iam_guard.identity.claimant`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from iam_guard.errors import ConfigurationError, Fault
from iam_guard.identity.claim_path import claim_at, split_path
from iam_guard.identity.delegation import ACTOR_KEYS
from iam_guard.model import DEFAULT_ACCOUNT, DEFAULT_PARTITION, EMPTY, ascii_lower

#: Claims that people can change or share. They are names, not identities (threat catalogue, S13).
CHANGEABLE = frozenset({
    "preferred_username", "upn", "name", "nickname", "unique_name", "given_name", "family_name", "phone_number",
})
#: Condition keys that every mapping makes; a chosen claim cannot take their place.
STANDARD_KEYS = ("iss", "sub", "aud", "scope", *ACTOR_KEYS)

_ACCOUNT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_RESERVED_ACCOUNTS = frozenset({"anonymous", "aws"})
_KEY = re.compile(r"[A-Za-z0-9_.:/@-]{1,128}")
_PATH = re.compile(r"/(?:[A-Za-z0-9_+=,.@-]+/)*")


def is_account(text: str) -> bool:
    """Whether *text* can stand in the account field of an ARN and is not a name of ours."""
    return bool(_ACCOUNT.fullmatch(text)) and text.lower() not in _RESERVED_ACCOUNTS


@dataclass(frozen=True, slots=True)
class Claim:
    r"""A value that a token brings.

    Args:
        path: Dotted path to it, ``realm_access.roles``; write ``\.`` for a dot inside a name. Or the
            names, one by one, as a tuple.
        prefix: Put before the value.
        otherwise: Path that is read when there is nothing at the first.

    Raises:
        ConfigurationError: a path cannot be read.
    """

    path: str | tuple[str, ...]
    prefix: str = ""
    otherwise: str | tuple[str, ...] = ""
    names: tuple[str, ...] = field(init=False, repr=False, compare=False)
    other_names: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", _names(self.path))
        object.__setattr__(self, "other_names", _names(self.otherwise) if self.otherwise else ())

    def read(self, claims: Mapping[str, Any]) -> Any:
        """The value in *claims*; ``None`` when there is none."""
        value = claim_at(claims, self.names)
        return claim_at(claims, self.other_names) if value is None and self.other_names else value

    def __str__(self) -> str:
        return ".".join(self.names)


def _names(path: str | tuple[str, ...]) -> tuple[str, ...]:
    if not isinstance(path, str):
        return tuple(path)
    try:
        return split_path(path)
    except ValueError as error:
        mend = r"write names with dots between them, and '\.' for a dot in a name"
        raise ConfigurationError(Fault(str(error), mend)) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimMapping:
    """How claims become a principal.

    Attributes:
        account: The account (tenant): a constant, or a claim that every token must then have.
        name: The caller's own name: of the user, or of the session when there is a role. Use a claim
            that is never given to somebody else.
        role: The role that callers of this issuer play: a constant, or a claim with exactly one value;
            ``None`` makes them users.
        groups: Claims with group names; each becomes ``arn:PARTITION:iam::ACCOUNT:group/NAME``.
        tags: Principal tags: constants or claims.
        context: Claims that become condition keys ``jwt:NAME``: names of top-level claims, or a mapping
            from NAME to a claim.
        partition: First field of the ARNs.
        path: IAM path of the users, roles and groups.
        name_prefix: Put before the caller's name, so that two issuers cannot make one name.
        email_domains: With ``name=Claim("email")``: the domains whose addresses the issuer vouches for.
        trust_name: Says that the issuer never changes or reissues the name, though claims of that kind
            usually are changeable.
        shares_names: Says that names of this issuer and of others into the same account, or of two group
            claims, mean the same on purpose.

    Raises:
        ConfigurationError: callers could take each other's names, or a part cannot be read.
    """

    account: str | Claim = DEFAULT_ACCOUNT
    name: Claim = Claim("sub")
    role: str | Claim | None = None
    groups: tuple[Claim, ...] = ()
    tags: Mapping[str, str | Claim] = EMPTY
    context: Iterable[str] | Mapping[str, Claim] = ()
    partition: str = DEFAULT_PARTITION
    path: str = "/"
    name_prefix: str = ""
    email_domains: tuple[str, ...] = ()
    trust_name: bool = False
    shares_names: bool = False
    #: ``context`` as condition keys.
    keys: Mapping[str, Claim] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        chosen = self.context
        if not isinstance(chosen, Mapping):
            chosen = {name: Claim((name,)) for name in ((chosen,) if isinstance(chosen, str) else chosen)}
        keys = {f"jwt:{ascii_lower(name)}": claim for name, claim in chosen.items()}
        object.__setattr__(self, "keys", MappingProxyType(keys))
        object.__setattr__(self, "tags", MappingProxyType(dict(self.tags)))
        object.__setattr__(self, "groups", tuple(self.groups))
        if faults := [*self._type_faults()] or [*self._name_faults(), *self._place_faults(), *self._key_faults(chosen)]:
            raise ConfigurationError(faults)

    def _type_faults(self) -> Iterator[Fault]:
        name: object = self.name
        if not isinstance(name, Claim):
            yield Fault("the caller's name is a constant", "write Claim('sub'), or all callers are one", "/name")
        if any(not isinstance(group, Claim) for group in self.groups):
            yield Fault("a group is not a claim", "write Claim('groups')", "/groups")

    def _name_faults(self) -> Iterator[Fault]:
        last = {names[-1] for names in (self.name.names, self.name.other_names) if names}
        if "email" in last and not self.email_domains:
            yield Fault("the caller's name is an email address that anybody may own",
                        "name the domains this issuer vouches for in 'email_domains', or use 'sub'", "/name")
        if self.email_domains and last != {"email"}:
            yield Fault("'email_domains' means nothing without email addresses as names",
                        "set name=Claim('email') or leave it out", "/email_domains")
        if not self.trust_name and (found := sorted(last & CHANGEABLE)):
            yield Fault(f"the caller's name is '{found[0]}', which can change hands",
                        "use 'sub', or set 'trust_name' when this issuer never reissues it", "/name")
        if not self.shares_names and has_overlap(group.prefix for group in self.groups):
            yield Fault("two group claims can make one group name",
                        "give each its own 'prefix', or set 'shares_names' when that is meant", "/groups")

    def _place_faults(self) -> Iterator[Fault]:
        if isinstance(self.account, str) and not is_account(self.account):
            yield Fault(f"'{self.account}' cannot be an account",
                        "use letters, digits, '.', '_' and '-'; 'anonymous' and 'aws' are taken", "/account")
        if self.role == "":
            yield Fault("the role has no name", "name it, or leave 'role' out", "/role")
        if not _PATH.fullmatch(self.path):
            yield Fault(f"'{self.path}' is not an IAM path", "write '/' or '/division/team/'", "/path")
        if not re.fullmatch(r"[a-z][a-z0-9-]*", self.partition):
            yield Fault(f"'{self.partition}' is not a partition", "use lower-case letters", "/partition")

    def _key_faults(self, chosen: Mapping[str, Claim]) -> Iterator[Fault]:
        for name in chosen:
            if not _KEY.fullmatch(name):
                yield Fault(f"'{name}' cannot be part of a condition key", "use letters, digits and _.:/@-", "/context")
            elif ascii_lower(name) in STANDARD_KEYS:
                yield Fault(f"'jwt:{name}' is always there", "leave it out, or choose another name", "/context")
            elif chosen[name].prefix:
                yield Fault(f"'jwt:{name}' has a prefix", "conditions see the claim as it is", "/context")
        if len(self.keys) != len(chosen):
            yield Fault("two condition keys differ in case only", "choose other names", "/context")
        if len({ascii_lower(tag) for tag in self.tags}) != len(self.tags) or not all(map(_KEY.fullmatch, self.tags)):
            yield Fault("a tag has no usable name of its own", "tag names differ in more than case", "/tags")


def has_overlap(prefixes: Iterable[str]) -> bool:
    """Whether two names with different ones of these prefixes can be equal."""
    ordered = sorted(prefixes)
    return any(after.startswith(before) for before, after in pairwise(ordered))
