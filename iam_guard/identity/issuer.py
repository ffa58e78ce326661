"""Issuer: everything that is trusted about one identity provider, checked before anything starts.

    Issuer("https://idp.example", audience="orders", algorithms=("RS256",), discovery=True)

Nothing a token says can widen what stands here (threat catalogue, S11).
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from types import MappingProxyType
from typing import Any

from iam_guard.errors import ConfigurationError, Fault
from iam_guard.identity.claim_path import split_path
from iam_guard.identity.claims import Claim, ClaimMapping, has_overlap
from iam_guard.identity.discovery import is_key_url
from iam_guard.identity.keys import (
    ALGORITHMS,
    Algorithm,
    Family,
    KeyRefusedError,
    KeySet,
    read_jwks,
    read_pem,
    read_secret,
)
from iam_guard.model import EMPTY

MAX_LEEWAY = 60
#: Kinds of ``typ`` that plain JSON Web Tokens have, written or not.
ANY_JWT = ("at+jwt", "jwt", "")

#: In ``required_claims``: the claim has to be there, whatever it says.
ANY_TEXT = "*"

InlineKeys = Mapping[str, Any] | str | bytes | Sequence[Mapping[str, Any] | str | bytes]
GroupsResolver = Callable[[Mapping[str, Any]], Awaitable[Iterable[str]]]


@dataclass(frozen=True, slots=True)
class Issuer:
    """One identity provider and what its tokens are good for.

    Give the keys in exactly one way: ``keys``, ``secret``, ``jwks_url``, ``jwks_file`` or ``discovery``.

    Attributes:
        issuer: The ``iss`` of its tokens, byte for byte.
        audience: Names of this service, one of which every token must be for.
        algorithms: The signature algorithms it uses, all of one family.
        keys: Public keys: a JSON Web Key (set), PEM text, or several of these.
        secret: A shared secret, for HS256 and its like.
        jwks_url: Where its key set is.
        jwks_file: A local file with its key set, read again when it is due.
        discovery: Ask its ``/.well-known/openid-configuration`` where the key set is.
        jwks_origins: Origins other than its own where discovery may find keys.
        claims: How claims become a principal.
        leeway: Seconds that clocks may differ, at most 60.
        max_lifetime: Longest time between ``iat`` and ``exp`` in seconds; ``None`` for any.
        token_types: Acceptable ``typ`` of the header, lower case and without ``application/``; ``""`` for
            none. ``("at+jwt",)`` is RFC 9068's strict reading.
        id_tokens: Accept ID tokens too. Off, a token that shows signs of being one is refused.
        required_claims: Claims (dotted paths) that must have one of these values, such as
            ``{"token_use": "access"}``; ``"*"`` stands for any text.
        audience_claims: Claims that hold the audience; the first one present counts.
        groups_resolver: Gets the group names of a caller, prefixes included, when the token leaves them out.
        allow_http: Fetch keys over plain http from other hosts too; for closed networks only.
        key_use: ``use`` of the keys that count in its key set.

    Raises:
        ConfigurationError: the issuer would accept what nobody meant it to; every fault is listed.
    """

    issuer: str
    audience: str | tuple[str, ...] = field(kw_only=True)
    algorithms: str | tuple[str, ...] = field(kw_only=True)
    keys: InlineKeys | None = field(default=None, kw_only=True, repr=False)
    secret: str | bytes | None = field(default=None, kw_only=True, repr=False)
    jwks_url: str = field(default="", kw_only=True)
    jwks_file: str = field(default="", kw_only=True)
    discovery: bool = field(default=False, kw_only=True)
    jwks_origins: tuple[str, ...] = field(default=(), kw_only=True)
    claims: ClaimMapping = field(default_factory=ClaimMapping, kw_only=True)
    leeway: float = field(default=30, kw_only=True)
    max_lifetime: float | None = field(default=None, kw_only=True)
    token_types: tuple[str, ...] = field(default=ANY_JWT, kw_only=True)
    id_tokens: bool = field(default=False, kw_only=True)
    required_claims: Mapping[str, str | tuple[str, ...]] = field(default=EMPTY, kw_only=True)
    audience_claims: tuple[str, ...] = field(default=("aud",), kw_only=True)
    groups_resolver: GroupsResolver | None = field(default=None, kw_only=True)
    allow_http: bool = field(default=False, kw_only=True)
    key_use: str = field(default="sig", kw_only=True)
    #: ``audience``, ``algorithms``, ``required_claims`` and inline keys, read once.
    audiences: frozenset[str] = field(init=False, repr=False)
    algorithm_table: Mapping[str, Algorithm] = field(init=False, repr=False)
    requirements: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = field(init=False, repr=False)
    inline_keys: KeySet | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        audiences, names = _texts(self.audience), _texts(self.algorithms)
        table = {name: ALGORITHMS[name] for name in names if name in ALGORITHMS}
        faults = [*_audience_faults(self, audiences), *_algorithm_faults(names), *_place_faults(self),
                  *_time_faults(self), *_kind_faults(self)]
        object.__setattr__(self, "audiences", frozenset(audiences))
        object.__setattr__(self, "algorithm_table", MappingProxyType(table))
        if not faults:
            object.__setattr__(self, "requirements", tuple(
                (split_path(path), _texts(values)) for path, values in self.required_claims.items()))
            try:
                object.__setattr__(self, "inline_keys", _inline_keys(self))
            except KeyRefusedError as refusal:
                faults = [Fault(f"the key cannot be used: {refusal}", pointer="/keys")]
        if faults:
            raise ConfigurationError(faults)


def _texts(value: str | Iterable[str] | None) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def _audience_faults(issuer: Issuer, audiences: tuple[str, ...]) -> Iterator[Fault]:
    if not issuer.issuer or not isinstance(issuer.issuer, str):
        yield Fault("the issuer has no name", "write its 'iss' exactly as in its tokens", "/issuer")
    if not audiences or not all(isinstance(one, str) and one for one in audiences):
        yield Fault(f"issuer '{issuer.issuer}' has no audience",
                    "write what its tokens call this service in 'aud'; else tokens for anybody pass", "/audience")
    if not issuer.audience_claims:
        yield Fault("no claim holds the audience", "write ('aud',)", "/audience_claims")


def _algorithm_faults(names: tuple[str, ...]) -> Iterator[Fault]:
    known = ", ".join(ALGORITHMS)
    if not names:
        yield Fault("no algorithm is allowed", f"name those the issuer signs with: {known}", "/algorithms")
    for name in names:
        if name not in ALGORITHMS:
            yield Fault(f"'{name}' is no signature algorithm that can be trusted", f"use {known}", "/algorithms")
    if len({ALGORITHMS[name].family for name in names if name in ALGORITHMS}) > 1:
        yield Fault("shared secrets and key pairs are mixed in one issuer",
                    "a public key could then pass for a secret: keep one family", "/algorithms")


def _place_faults(issuer: Issuer) -> Iterator[Fault]:
    places = {"keys": issuer.keys is not None, "secret": issuer.secret is not None, "jwks_url": issuer.jwks_url,
              "jwks_file": issuer.jwks_file, "discovery": issuer.discovery}
    chosen = [name for name, given in places.items() if given]
    if len(chosen) != 1:
        yield Fault(f"issuer '{issuer.issuer}' has {len(chosen)} places for its keys",
                    f"give exactly one of {', '.join(places)}")
    symmetric = any(name.startswith("HS") for name in _texts(issuer.algorithms))
    if symmetric and (issuer.jwks_url or issuer.discovery):
        yield Fault("a shared secret cannot be fetched", "give it as 'secret'", "/algorithms")
    if issuer.secret is not None and not symmetric:
        yield Fault("a shared secret does not verify these algorithms", "give public keys instead", "/secret")
    if issuer.jwks_url and not is_key_url(issuer.jwks_url, allow_http=issuer.allow_http):
        yield Fault(f"keys are not fetched from '{issuer.jwks_url}'", "use an https URL", "/jwks_url")
    if issuer.discovery and not is_key_url(issuer.issuer, allow_http=issuer.allow_http):
        yield Fault(f"keys are not looked for at '{issuer.issuer}'", "use an https URL, or 'jwks_url'", "/issuer")
    if issuer.jwks_origins and not issuer.discovery:
        yield Fault("'jwks_origins' means nothing without discovery", "leave it out", "/jwks_origins")


def _time_faults(issuer: Issuer) -> Iterator[Fault]:
    if not (isinstance(issuer.leeway, int | float) and 0 <= issuer.leeway <= MAX_LEEWAY):
        yield Fault(f"a leeway of {issuer.leeway} s is not between 0 and {MAX_LEEWAY}", "set the clocks", "/leeway")
    lifetime = issuer.max_lifetime
    if lifetime is not None and not (math.isfinite(lifetime) and lifetime > 0):
        yield Fault("the longest lifetime is not a number of seconds", "leave it out for any", "/max_lifetime")


def _kind_faults(issuer: Issuer) -> Iterator[Fault]:
    if not issuer.token_types or any(kind != kind.lower() or "/" in kind for kind in issuer.token_types):
        yield Fault("'token_types' are not lower-case types without 'application/'", "write 'at+jwt'", "/token_types")
    for path, values in issuer.required_claims.items():
        if not _texts(values):
            yield Fault(f"claim '{path}' has no acceptable value", "name one", "/required_claims")
        try:
            split_path(path)
        except ValueError as error:
            yield Fault(str(error), pointer="/required_claims")


def _inline_keys(issuer: Issuer) -> KeySet | None:
    if issuer.secret is not None:
        secret = issuer.secret.encode() if isinstance(issuer.secret, str) else issuer.secret
        return KeySet((read_secret(secret, issuer.algorithm_table),))
    if issuer.keys is None:
        return None
    several = issuer.keys if isinstance(issuer.keys, list | tuple) else (issuer.keys,)
    keys = KeySet(tuple(key for one in several for key in _read_keys(one, issuer)))
    check_usable(keys, issuer.algorithm_table)
    return keys


def _read_keys(source: Any, issuer: Issuer) -> Iterator[Any]:
    if isinstance(source, str | bytes):
        yield read_pem(source)
        return
    found = read_jwks(source, symmetric=is_symmetric(issuer.algorithm_table), use=issuer.key_use)
    # A trust bundle holds keys for other purposes too.
    if found.skipped and issuer.key_use == "sig":
        # Somebody wrote these by hand; leaving one out in silence would hide the mistake.
        raise KeyRefusedError("; ".join(found.skipped))
    yield from found.keys


def is_symmetric(algorithms: Mapping[str, Algorithm]) -> bool:
    """Whether these algorithms use shared secrets."""
    return any(algorithm.family is Family.SYMMETRIC for algorithm in algorithms.values())


def check_usable(keys: KeySet, algorithms: Mapping[str, Algorithm]) -> None:
    """Make sure that the keys verify something.

    Raises:
        KeyRefusedError: no key agrees to any of *algorithms*.
    """
    if not any(key.agrees_to(algorithm) for key in keys.keys for algorithm in algorithms.values()):
        raise KeyRefusedError(f"none is for {', '.join(algorithms)}")


def check_issuers(issuers: Sequence[Issuer]) -> None:
    """Make sure that no two issuers can speak for one principal or one group (threat catalogue, S13).

    Raises:
        ConfigurationError: there is no issuer, one twice, or two that can make the same names.
    """
    faults = [] if issuers else [Fault("there is no issuer", "configure at least one")]
    for one, other in combinations(issuers, 2):
        if one.issuer == other.issuer:
            faults.append(Fault(f"issuer '{one.issuer}' is configured twice", "join both into one"))
        elif not (one.claims.shares_names or other.claims.shares_names) and can_meet(one.claims, other.claims):
            faults.append(Fault(
                f"issuers '{one.issuer}' and '{other.issuer}' can make the same names in one account",
                "give each its own account, path or name_prefix (and prefixes of groups), or set 'shares_names'",
            ))
    if faults:
        raise ConfigurationError(faults)


def can_meet(one: ClaimMapping, other: ClaimMapping) -> bool:
    """Whether both can name one principal or one group."""
    constant = isinstance(one.account, str) and isinstance(other.account, str)
    if one.partition != other.partition or (constant and one.account != other.account):
        return False
    # The ARN of a session does not hold the path of its role.
    may_share_path = one.path == other.path or (one.role is not None and other.role is not None)
    return (may_share_path and _names_meet(one, other)) or (one.path == other.path and _groups_meet(one, other))


def _names_meet(one: ClaimMapping, other: ClaimMapping) -> bool:
    if (one.role is None) != (other.role is None):
        return False
    if isinstance(one.role, str) and isinstance(other.role, str) and one.role != other.role:
        return False
    return has_overlap(mapping.name_prefix + mapping.name.prefix for mapping in (one, other))


def _groups_meet(one: ClaimMapping, other: ClaimMapping) -> bool:
    pairs: Iterator[tuple[Claim, Claim]] = ((a, b) for a in one.groups for b in other.groups)
    return any(has_overlap((a.prefix, b.prefix)) for a, b in pairs)
