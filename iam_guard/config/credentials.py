"""The sections ``issuers`` and ``credentials`` to ways to say who."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple, TypeVar

from iam_guard.config.api_keys import read_api_keys
from iam_guard.config.credential_settings import (
    CredentialSettings,
    DPoPSettings,
    IntrospectionSettings,
    PeerSettings,
)
from iam_guard.config.issuers import read_issuers
from iam_guard.config.place import Origin
from iam_guard.config.schema import SettingsFile
from iam_guard.config.secrets import read_secret
from iam_guard.errors import ConfigurationError, Fault
from iam_guard.http.resource_metadata import ResourceMetadata
from iam_guard.identity.bearer_tokens import BearerTokens, Readers
from iam_guard.identity.certificate_proof import NO_CERTIFICATES, CertificateProof
from iam_guard.identity.certificates import CertificateAuthenticator
from iam_guard.identity.client_certificate import CertificateSource, Place
from iam_guard.identity.clock import SteadyClock
from iam_guard.identity.dpop import DPoP, DPoPTokens
from iam_guard.identity.introspection import Introspection, IntrospectionReader
from iam_guard.identity.introspection_call import ClientSecret
from iam_guard.identity.issuer import Issuer
from iam_guard.identity.jwt import JWTAuthenticator
from iam_guard.identity.known_peers import Host, KnownPeers, TrustDomain
from iam_guard.identity.namesakes import Namer, check_namesakes
from iam_guard.identity.nonces import Nonces
from iam_guard.identity.one_credential import Way
from iam_guard.identity.replay import MemoryReplayCache
from iam_guard.identity.settings import build_mapping
from iam_guard.identity.shared_replay import SharedReplayCache
from iam_guard.identity.token_identity import IsRevoked

T = TypeVar("T")
AT = "/credentials"


def credential_ways(settings: SettingsFile, origin: Origin, metadata_url: str,
                    is_revoked: IsRevoked | None = None) -> Ways:
    """Make the ways of ``issuers`` and ``credentials``, the most usual first.

    Args:
        settings: What to make.
        origin: Where it stands.
        metadata_url: What challenges point to; empty for nothing.
        is_revoked: Asked about every token.

    Raises:
        ConfigurationError: with what is wrong with them; two could make the same names; or there is no way at all.
    """
    return _WayMaker(settings, origin, metadata_url, is_revoked).all()


class Ways(NamedTuple):
    """The ways of a settings file.

    Attributes:
        all: The most usual first.
        signed_tokens: Reads signed tokens for those ways; ``None`` when there is no issuer.
        used: Remembers for all processes what may be used once; ``None`` where each does that for itself.
    """

    all: list[Way]
    signed_tokens: JWTAuthenticator | None
    used: SharedReplayCache | None = None


class _WayMaker:
    """Makes the ways of one settings file; each fault stands where its setting does."""

    def __init__(self, settings: SettingsFile, origin: Origin, metadata_url: str,
                 is_revoked: IsRevoked | None) -> None:
        self._is_revoked = is_revoked
        self._settings, self._origin, self._metadata_url = settings, origin, metadata_url
        self._given, self._realm = settings.credentials, settings.realm
        self._namers: list[Namer] = []
        self._used = self._shared_replay()

    def all(self) -> Ways:
        """Every way, the most usual first."""
        others = self._given != CredentialSettings() or self._settings.signed_requests is not None
        named = self._settings.issuers
        issuers = read_issuers(named, self._origin) if named or not others else ()
        source = self._placed("/certificates", self._source)
        peers = self._placed("/certificates", self._peers)
        signed = self._signed_tokens(issuers)
        readers = self._readers(signed)
        proof = self._proof(source, peers)
        ways = [*self._token_ways(readers, proof), *self._other_ways(source, peers, proof)]
        self._check_names(issuers, peers)
        return Ways(ways, signed, self._used)

    def _shared_replay(self) -> SharedReplayCache | None:
        name, dpop, signatures = self._given.replay_file, self._given.dpop, self._settings.signed_requests
        if not name:
            return None
        if dpop is None and signatures is None:
            raise ConfigurationError(self._origin.fault(f"{AT}/replay_file", "nothing is to be used once here",
                                                        "leave it out; it is for 'dpop' and 'signed_requests'"))
        size = (dpop.remembered if dpop else 0) + (signatures.replay_entries if signatures else 0)
        return self._placed("/replay_file", lambda: SharedReplayCache(self._origin.path(name), size))

    def _signed_tokens(self, issuers: tuple[Issuer, ...]) -> JWTAuthenticator | None:
        return JWTAuthenticator(issuers, realm=self._realm, resource_metadata=self._metadata_url,
                                is_revoked=self._is_revoked) if issuers else None

    def _readers(self, signed: JWTAuthenticator | None) -> Readers | None:
        told = self._given.introspection
        if told is not None and told.signed and signed is not None:
            raise ConfigurationError(self._origin.fault(
                f"{AT}/introspection/signed", "signed tokens have one reader", "leave it out, or empty 'issuers'"))
        found: list[JWTAuthenticator | IntrospectionReader] = [] if signed is None else [signed]
        if told is not None:
            found.append(IntrospectionReader(self._placed("/introspection", lambda: self._introspection(told)),
                                             is_revoked=self._is_revoked))
        return Readers(*found) if found else None

    def _introspection(self, told: IntrospectionSettings) -> Introspection:
        secret = read_secret(told.client_secret, self._origin, f"{AT}/introspection/client_secret")
        mapping = build_mapping(told.claims, pointer="/claims")
        self._namers.append((f"introspection at '{told.url}'", mapping))
        audience = (told.audience,) if isinstance(told.audience, str) else told.audience
        return Introspection(told.url, told.issuer, ClientSecret(told.client_id, secret), audience, told.any_audience,
                             mapping, told.signed, told.leeway, told.cache_seconds, told.allow_http)

    def _source(self) -> CertificateSource | None:
        told, edge = self._given.certificates, self._settings.edge
        if told is None:
            return None
        if told.place != "tls" and not edge.trusted_proxies:
            raise ConfigurationError(Fault("no proxy is trusted to tell certificates", "list it in "
                                           "'edge.trusted_proxies', or write 'tls'", "/place"))
        if told.place.startswith("x-forwarded-") and edge.forwarded != "x-forwarded":
            raise ConfigurationError(Fault("this header is removed, since 'edge.forwarded' is another family",
                                           "write 'client-cert'", "/place"))
        return CertificateSource(Place(told.place), clock=SteadyClock())

    def _peers(self) -> tuple[KnownPeers, ...]:
        told = self._given.certificates
        if told is None:
            return ()
        kinds = (("trust_domains", TrustDomain, told.trust_domains), ("hosts", Host, told.hosts))
        found = tuple(self._placed(f"/certificates/{name}/{index}", partial(_peer, kind, one))
                      for name, kind, listed in kinds for index, one in enumerate(listed))
        if not found and not told.bound_tokens:
            raise ConfigurationError(Fault("certificates are good for nothing here", "list 'trust_domains' or 'hosts'"))
        return found

    def _proof(self, source: CertificateSource | None, peers: tuple[KnownPeers, ...]) -> CertificateProof:
        told = self._given.certificates
        if told is None or not told.bound_tokens:
            return NO_CERTIFICATES
        return CertificateProof(source, names_callers=bool(peers))

    def _token_ways(self, readers: Readers | None, proof: CertificateProof) -> list[Way]:
        dpop = self._given.dpop
        if readers is None:
            if dpop is not None:
                raise ConfigurationError(self._origin.fault(f"{AT}/dpop", "there are no tokens to be bound",
                                                            "configure 'issuers' or 'introspection'"))
            return []
        ways: list[Way] = []
        if dpop is None and proof.source is None and (alone := readers.only(JWTAuthenticator)) is not None:
            return [alone]
        if dpop is None or not dpop.required:
            ways.append(BearerTokens(readers, realm=self._realm, resource_metadata=self._metadata_url,
                                     certificates=proof))
        if dpop is not None:
            asked = dpop
            ways.append(DPoPTokens(readers, dpop=self._placed("/dpop", lambda: self._dpop(asked)), certificates=proof,
                                   replay=self._used or MemoryReplayCache(dpop.remembered)))
        return ways

    def _dpop(self, told: DPoPSettings) -> DPoP:
        at = f"{AT}/dpop/nonce_secret"
        if told.nonce_secret is not None and told.nonce_seconds is None:
            raise ConfigurationError(self._origin.fault(at, "no nonces are asked for", "set 'nonce_seconds'"))
        key = None if told.nonce_secret is None else read_secret(told.nonce_secret, self._origin, at).encode()
        nonces = None if told.nonce_seconds is None else Nonces(told.nonce_seconds, key=key)
        return DPoP(told.algorithms, told.max_age, told.leeway, nonces, told.origin)

    def _other_ways(self, source: CertificateSource | None, peers: tuple[KnownPeers, ...],
                    proof: CertificateProof) -> list[Way]:
        ways: list[Way] = []
        if source is not None and peers:
            ways.append(self._placed("/certificates", lambda: CertificateAuthenticator(
                source, trust_domains=[one for one in peers if isinstance(one, TrustDomain)],
                hosts=[one for one in peers if isinstance(one, Host)], proves_tokens=proof.source is not None,
                is_revoked=self._is_revoked)))
        if (keys := self._given.api_keys) is not None:
            ways.append(self._placed("/api_keys", lambda: read_api_keys(keys, self._origin, f"{AT}/api_keys",
                                                                        realm=self._realm)))
        return ways

    def _check_names(self, issuers: tuple[Issuer, ...], peers: tuple[KnownPeers, ...]) -> None:
        named = [*self._namers, *((f"certificates of '{one.name}'", one.mapping()) for one in peers)]
        # A workload of a trust domain is the same by certificate and by token.
        same = {one.issuer for one in peers}
        among = [(f"issuer '{one.issuer}'", one.claims) for one in issuers if one.issuer not in same]
        self._placed("", lambda: check_namesakes(named, beside=among))

    def _placed(self, at: str, make: Callable[[], T]) -> T:
        """Make something of the settings at *at*; what is said of a part of them stands there already."""
        try:
            return make()
        except ConfigurationError as refused:
            raise ConfigurationError(
                one if one.pointer.startswith(AT) else self._origin.placed([one], AT + at)[0]
                for one in refused.faults) from None


def _peer(kind: type[KnownPeers], told: PeerSettings) -> KnownPeers:
    return kind(told.name, told.account, told.role, told.partition)


def read_metadata(settings: SettingsFile) -> ResourceMetadata | None:
    """The protected resource metadata; what they say of the ways follows from the ways."""
    told, dpop, certificates = settings.metadata, settings.credentials.dpop, settings.credentials.certificates
    if told is None:
        return None
    return replace(told, tls_client_certificate_bound_access_tokens=bool(certificates and certificates.bound_tokens),
                   dpop_signing_alg_values_supported=dpop.algorithms if dpop else (),
                   dpop_bound_access_tokens_required=bool(dpop and dpop.required))
