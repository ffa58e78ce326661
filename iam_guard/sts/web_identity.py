"""Tokens of other issuers, for which sessions are given: checked whole before any policy is asked (6.11)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec

from iam_guard.errors import AuthenticationError, ConfigurationError, Fault, TokenServiceError, UnavailableError
from iam_guard.identity.issuer import Issuer
from iam_guard.identity.jwks import DEFAULT_REFRESH, RefreshSettings
from iam_guard.identity.jwt import JWTAuthenticator
from iam_guard.identity.token import read_token
from iam_guard.model import DEFAULT_ACCOUNT, EMPTY, ContextValue, Principal, PrincipalKind

#: Claims by which providers pass session tags and a source identity.
TAGS_CLAIM, SOURCE_CLAIM = "https://aws.amazon.com/tags", "https://aws.amazon.com/source_identity"
# Tokens of this provider name the application in 'azp'; their 'aud' may be that of a server behind it.
_NAMES_CLIENT_IN_AZP = frozenset({"accounts.google.com"})
# Providers that trust policies name by host, since no account has to set them up (IAM, "Principal").
_KNOWN_TO_ALL = frozenset({"accounts.google.com", "cognito-identity.amazonaws.com", "graph.facebook.com",
                           "www.amazon.com"})
# Beginnings of condition keys that are not a provider's to make.
_OURS = frozenset({"aws", "sts", "iam", "jwt", "saml", "iam_guard"})
_CLAIMS = ("sub", "azp", "amr")


@dataclass(frozen=True, slots=True)
class WebIdentityProvider:
    """An issuer whose tokens open sessions.

    Attributes:
        issuer: What is trusted about it; its audiences are the client ids.
        accounts: Accounts whose roles may trust it.

    Raises:
        ConfigurationError: its name is no URL, so that it could pass for something else in policies.
    """

    issuer: Issuer
    accounts: frozenset[str] = frozenset({DEFAULT_ACCOUNT})

    def __post_init__(self) -> None:
        scheme, mark, rest = self.issuer.issuer.partition("://")
        if scheme not in ("https", "http") or not mark or re.split("[:/]", rest)[0].lower() in {"", *_OURS}:
            raise ConfigurationError(Fault(f"'{self.issuer.issuer}' cannot be a web identity provider",
                                           "its issuer is a URL with a host"))

    @property
    def host(self) -> str:
        """Its name in ARNs and condition keys: the URL without its scheme."""
        return self.issuer.issuer.partition("://")[2]


class _PrincipalTags(msgspec.Struct, frozen=True):
    principal_tags: dict[str, list[str]] = {}
    transitive_tag_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WebIdentity:
    """Somebody for whom a provider vouches.

    Attributes:
        provider: Which.
        subject: The provider's name for the caller.
        audience: What the token is for.
        keys: Condition keys of the provider, such as ``idp.example:sub``.
        tags: Session tags that the provider passes.
        transitive: Keys of those that go on.
        source_identity: Who the provider says began it; ``None`` when it does not say.
    """

    provider: WebIdentityProvider
    subject: str
    audience: str
    keys: Mapping[str, str | tuple[str, ...]]
    tags: Mapping[str, str] = EMPTY
    transitive: tuple[str, ...] = ()
    source_identity: str | None = None

    def caller(self, account: str, partition: str) -> Principal:
        """The caller as the roles of an account know it; it has no policies of its own."""
        host = self.provider.host
        arn = host if host in _KNOWN_TO_ALL else f"arn:{partition}:iam::{account}:oidc-provider/{host}"
        attributes: dict[str, ContextValue] = {**self.keys, "aws:FederatedProvider": arn}
        return Principal(PrincipalKind.WEB_IDENTITY, arn, account, attributes=attributes,
                         issuer=self.provider.issuer.issuer, subject=self.subject)

    @property
    def lasting(self) -> dict[str, str | tuple[str, ...]]:
        """The condition keys that stay with the session: who, for whom and how."""
        names = {f"{self.provider.host}:{name}" for name in ("sub", "aud", "amr")}
        return {key: value for key, value in self.keys.items() if key in names}


class WebIdentities:
    """Checks tokens of configured providers.

    Args:
        providers: Whose tokens.
        clock: Seconds since the epoch.
        http: Client for fetching keys.
        refresh: Times of the life cycle of fetched keys.

    Raises:
        ConfigurationError: there is none, one twice, or one whose tokens nothing else protects.
    """

    def __init__(self, providers: Iterable[WebIdentityProvider], *, clock: Callable[[], float] | None = None,
                 http: httpx.AsyncClient | None = None, refresh: RefreshSettings = DEFAULT_REFRESH) -> None:
        known = tuple(providers)
        self._providers = {one.issuer.issuer: one for one in known}
        if not known or len(self._providers) < len(known):
            raise ConfigurationError(Fault("there is no web identity provider, or one is there twice"))
        # One reader each: names of different providers never meet here, since callers have none in the directory.
        self._readers = {one.issuer.issuer: JWTAuthenticator([one.issuer], clock=clock, http=http, refresh=refresh)
                         for one in known}

    async def start(self) -> None:
        """Fetch the keys of all providers."""
        for reader in self._readers.values():
            await reader.start()

    async def close(self) -> None:
        """Stop keeping them fresh."""
        for reader in self._readers.values():
            await reader.close()

    def knows(self, issuer: object) -> bool:
        """Whether tokens of this name are read here."""
        return isinstance(issuer, str) and issuer in self._readers

    async def verify(self, token: bytes) -> WebIdentity:
        """Check a token in every respect.

        Raises:
            TokenServiceError: it is not good, or cannot be judged at the moment.
        """
        try:
            return await self._verify(token)
        except AuthenticationError as refusal:
            expired = refusal.description == "The access token expired"
            raise TokenServiceError("ExpiredTokenException" if expired else "InvalidIdentityToken",
                                    "The web identity token is not good.") from refusal
        except UnavailableError as problem:
            raise TokenServiceError("IDPCommunicationError", "The provider's keys cannot be had.") from problem

    async def _verify(self, token: bytes) -> WebIdentity:
        claims = read_token(token).claims  # nothing of it counts before the reader has said so
        name = claims.get("iss")
        if not self.knows(name):
            raise AuthenticationError("The token is not of a known provider")
        found = await self._readers[str(name)].read(token)
        if found.confirmation:
            raise AuthenticationError("The token is bound to a key that is not shown")
        return _identity(claims, self._providers[str(name)])


def _identity(claims: Mapping[str, Any], provider: WebIdentityProvider) -> WebIdentity:
    try:
        passed = msgspec.convert(claims.get(TAGS_CLAIM, {}), _PrincipalTags)
        tags = {key: value for key, [value] in passed.principal_tags.items()}
        source = msgspec.convert(claims.get(SOURCE_CLAIM), str | None)
    except (msgspec.ValidationError, ValueError):
        raise AuthenticationError("The token passes session tags in no known form") from None
    keys = _keys(claims, provider)
    audience = keys[f"{provider.host}:aud"]
    return WebIdentity(provider, claims["sub"], audience if isinstance(audience, str) else audience[0], keys, tags,
                       passed.transitive_tag_keys, source)


def _keys(claims: Mapping[str, Any], provider: WebIdentityProvider) -> dict[str, str | tuple[str, ...]]:
    """The provider's condition keys: the usual ones, and the claims that its configuration chooses."""
    chosen = {key.removeprefix("jwt:"): claim.read(claims) for key, claim in provider.issuer.claims.keys.items()}
    audience = next(claims[name] for name in provider.issuer.audience_claims if name in claims)  # it was checked
    found = {**chosen, **{name: claims.get(name) for name in _CLAIMS}, "aud": audience}
    if provider.host in _NAMES_CLIENT_IN_AZP and found["azp"] is not None:
        found |= {"aud": found["azp"], "oaud": found["aud"]}
    return {f"{provider.host}:{name}": text for name, value in found.items() if (text := _text(value)) is not None}


def _text(value: Any) -> str | tuple[str, ...] | None:
    """A claim as a condition reads it; a list of one is that one, and an object is nothing."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case [str(only)]:
            return only
        case list() if value and all(isinstance(one, str) for one in value):
            return tuple(value)
    return None
