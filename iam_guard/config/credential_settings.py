"""What the settings file may say about ways to say who, besides signed tokens."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from iam_guard.identity.api_keys import DEFAULT_HEADER
from iam_guard.identity.dpop_proof import SIGNED_WITH
from iam_guard.identity.settings import MappingSettings
from iam_guard.model import DEFAULT_ACCOUNT, DEFAULT_PARTITION


class IntrospectionSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Opaque tokens, about which their issuer is asked; see :class:`iam_guard.identity.introspection.Introspection`.

    Attributes:
        url: The introspection endpoint.
        issuer: What its callers are said to come from.
        client_id: Who asks; empty where the secret is an access token.
        client_secret: Where the secret is: ``{env: NAME}`` or ``{file: PATH}``.
        audience: Names of this service in ``aud``.
        any_audience: The endpoint answers about tokens for this service only.
        claims: How an answer becomes a caller.
        signed: Ask about tokens as well that look like signed ones; only without ``issuers``.
        leeway: Seconds that clocks may differ.
        cache_seconds: How long an answer is believed.
        allow_http: Ask over plain http.
    """

    url: str
    issuer: str
    client_secret: Any
    client_id: str = ""
    audience: str | tuple[str, ...] = ()
    any_audience: bool = False
    claims: MappingSettings = MappingSettings()
    signed: bool = False
    leeway: float = 30
    cache_seconds: float = 5
    allow_http: bool = False


class DPoPSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tokens that are bound to a key; see :class:`iam_guard.identity.dpop.DPoP`.

    Attributes:
        required: Take no bearer tokens beside them.
        algorithms: What proofs may be signed with.
        max_age: Seconds in which a proof is good.
        leeway: Seconds that a client's clock may be ahead.
        nonce_seconds: Ask for nonces, and change them this often; without it, none are asked for.
        nonce_secret: Where the secret is that nonces are made with, for several processes behind one address.
        origin: Scheme and host that clients use, where a proxy changes them.
        remembered: How many used proofs are remembered.
    """

    required: bool = False
    algorithms: tuple[str, ...] = SIGNED_WITH
    max_age: float = 60
    leeway: float = 5
    nonce_seconds: Annotated[float, msgspec.Meta(ge=1, le=3600)] | None = None
    nonce_secret: Any = None
    origin: str = ""
    remembered: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] = 100_000


class PeerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Holders of certificates; see :class:`iam_guard.identity.certificates.KnownPeers`."""

    name: str
    account: str = DEFAULT_ACCOUNT
    role: str = ""
    partition: str = DEFAULT_PARTITION


class CertificateSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Client certificates.

    Attributes:
        place: Where they stand: the server's own TLS layer, or the one header that trusted proxies set.
        trust_domains: SPIFFE trust domains whose workloads are callers.
        hosts: Host names of machines that are callers.
        bound_tokens: Let tokens be bound to the certificate beside them.
    """

    place: Literal["tls", "client-cert", "ssl-client-cert", "x-forwarded-client-cert"]
    trust_domains: tuple[PeerSettings, ...] = ()
    hosts: tuple[PeerSettings, ...] = ()
    bound_tokens: bool = True


class ApiKeyEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One API key.

    Attributes:
        id: Its text up to the second underscore.
        sha256: SHA-256 of the whole text, in hexadecimal digits.
        principal: ARN of whom it names.
        tags: Principal tags.
        expires: Date and time with a zone from which it is worth nothing.
    """

    id: str
    sha256: str
    principal: str
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    expires: str = ""


class ApiKeyFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of API keys."""

    keys: tuple[ApiKeyEntry, ...]


class ApiKeySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """API keys.

    Attributes:
        keys: Those that are known; or
        file: a file that lists them under ``keys``, and is read again when it changes.
        header: The header that holds them.
    """

    keys: tuple[ApiKeyEntry, ...] = ()
    file: str = ""
    header: str = DEFAULT_HEADER


class CredentialSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ways to say who, besides signed tokens of ``issuers``; a request may use one of them.

    Attributes:
        introspection: Opaque tokens.
        dpop: Tokens that are bound to a key.
        certificates: Client certificates.
        api_keys: API keys.
        replay_file: A file in which the processes of one machine remember together which proofs and signatures were
            used; without it, each remembers its own.
    """

    introspection: IntrospectionSettings | None = None
    dpop: DPoPSettings | None = None
    certificates: CertificateSettings | None = None
    api_keys: ApiKeySettings | None = None
    replay_file: str = ""
