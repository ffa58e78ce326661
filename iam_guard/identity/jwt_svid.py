"""JWT-SVID: tokens by which a trust domain vouches for a workload (SPIFFE JWT-SVID sections 2 to 4).

They need not say who issued them: their subject does, by its trust domain, whose bundle has the keys. A workload is the
same caller whether it shows a token or a certificate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from iam_guard.errors import AuthenticationError
from iam_guard.identity.claims import ClaimMapping
from iam_guard.identity.known_peers import TrustDomain
from iam_guard.identity.spiffe import read_spiffe_id
from iam_guard.model import Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class SpiffeMapping(ClaimMapping):
    """In place of a mapping of claims: the subject is a SPIFFE id of one trust domain.

    Attributes:
        domain: The trust domain.
    """

    domain: TrustDomain

    @classmethod
    def of(cls, domain: TrustDomain) -> SpiffeMapping:
        """The mapping that makes the names of *domain*."""
        names = domain.mapping()
        return cls(domain=domain, account=names.account, role=names.role, partition=names.partition, path=names.path,
                   name_prefix=names.name_prefix)


def trust_domain_of(subject: object) -> str:
    """The trust domain that a subject is said to be of; empty when it is no SPIFFE id."""
    try:
        return read_spiffe_id(subject).trust_domain if isinstance(subject, str) else ""
    except ValueError:
        return ""


def principal_from_svid(claims: Mapping[str, Any], mapping: SpiffeMapping, *, expires_at: float) -> Principal:
    """Make the principal of a workload.

    Args:
        claims: The payload of a token that was checked in every respect.
        mapping: Of the trust domain whose key has signed it.
        expires_at: When the principal stops being one, in seconds since the epoch.

    Raises:
        AuthenticationError: the subject is no workload of that trust domain.
    """
    subject, audience = claims["sub"], claims["aud"]
    if trust_domain_of(subject) != mapping.domain.name:
        raise AuthenticationError("The access token does not name a usable caller",
                                  detail="'sub' is no workload of the trust domain")
    named = read_spiffe_id(subject)
    keys: dict[str, Any] = {
        **named.keys, "jwt:sub": subject, "jwt:iss": mapping.domain.issuer,
        "jwt:aud": (audience,) if isinstance(audience, str) else tuple(audience)}
    if "iat" in claims:
        keys["aws:TokenIssueTime"] = datetime.fromtimestamp(claims["iat"], UTC).isoformat().replace("+00:00", "Z")
    return mapping.domain.principal(named.path[1:], subject, keys, expires_at)
