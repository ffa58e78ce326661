"""Client certificates as credentials: mutual TLS to principals (RFC 8705 section 2, SPIFFE X509-SVID).

Whether a certificate is genuine is settled where TLS ends; here it is settled whom it names, and whether anybody of
that name is expected.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from iam_guard.errors import ConfigurationError, Fault
from iam_guard.identity.authorization import authorization_scheme
from iam_guard.identity.client_certificate import CertificateSource, ClientCertificate, bad
from iam_guard.identity.known_peers import Host, TrustDomain
from iam_guard.identity.repeatable import Again
from iam_guard.identity.spiffe import read_spiffe_id
from iam_guard.identity.token_identity import IsRevoked, TokenIdentity, check_revocation

if TYPE_CHECKING:
    from iam_guard.http.request import HTTPRequest
    from iam_guard.model import Principal


class CertificateAuthenticator:
    """Turns a client certificate into a principal.

    Args:
        source: Where the certificate of a request is.
        trust_domains: Whose workloads are known.
        hosts: Which machines are known.
        proves_tokens: A certificate beside a token is the token's proof; whether it is one, the reader of the
            token finds out.
        is_revoked: Asked about every certificate on every request, by its thumbprint and whom it names; must not
            block.

    Raises:
        ConfigurationError: nobody is known, or somebody twice.
    """

    schemes: tuple[str, ...] = ()

    def __init__(self, source: CertificateSource, *, trust_domains: Sequence[TrustDomain] = (),
                 hosts: Sequence[Host] = (), proves_tokens: bool = False,
                 is_revoked: IsRevoked | None = None) -> None:
        self._domains = {one.name: one for one in trust_domains}
        self._hosts = {one.name: one for one in hosts}
        if len(self._domains) + len(self._hosts) != len(trust_domains) + len(hosts):
            raise ConfigurationError(Fault("a trust domain or host is listed twice", "join both into one"))
        if not self._domains and not self._hosts:
            raise ConfigurationError(Fault("no certificate names anybody", "list 'trust_domains' or 'hosts'"))
        self._source, self._proves_tokens, self._is_revoked = source, proves_tokens, is_revoked

    def carries(self, request: HTTPRequest) -> bool:
        """See :class:`Way`."""
        if self._source.find(request) is None:
            return False
        return not (self._proves_tokens and authorization_scheme(request) in ("bearer", "dpop"))

    async def authenticate(self, request: HTTPRequest) -> Principal | None:
        """Say whom the certificate of *request* names; see :class:`Authenticator`."""
        return self._named(request)

    def _named(self, request: HTTPRequest) -> Principal | None:
        found = self._source.find(request)
        if found is None:
            return None
        if not found.is_leaf:
            raise bad("it may sign other certificates, so it names no caller")
        spiffe = any(uri.lower().startswith("spiffe:") for uri in found.uris)
        caller = self._workload(found) if spiffe else self._host(found)
        if self._is_revoked is not None:
            check_revocation(self._is_revoked, TokenIdentity(caller.issuer, found.thumbprint, caller.subject,
                                                             found.not_before), "client certificate")
        return caller

    async def check_again(self, request: HTTPRequest) -> None:
        """See :class:`~iam_guard.identity.lasting.Lasting`; a certificate ages while its connection lasts."""
        if self.carries(request):
            await self.authenticate(request)

    def again(self, request: HTTPRequest, principal: Principal) -> Again | None:
        """See :class:`~iam_guard.identity.repeatable.Repeatable`; the same certificate names the same caller."""
        return lambda: self._named(request) is not None

    def _workload(self, found: ClientCertificate) -> Principal:
        try:
            named, = map(read_spiffe_id, found.uris)
        except ValueError:
            raise bad("it does not hold exactly one URI that is a SPIFFE id") from None
        domain = self._domains.get(named.trust_domain)
        if domain is None:
            raise bad("its trust domain is none that is known")
        return domain.principal(named.path[1:], str(named), _thumbprint(found) | named.keys, found.not_after)

    def _host(self, found: ClientCertificate) -> Principal:
        if found.uris or len(found.dns_names) != 1:
            raise bad("it does not hold exactly one host name and nothing else")
        host = self._hosts.get(found.dns_names[0].lower())
        if host is None:
            raise bad("its host name is none that is known")
        return host.principal(host.name, host.issuer, _thumbprint(found), found.not_after)

    def challenges(self) -> tuple[str, ...]:
        """None: a client cannot be asked for a certificate over HTTP."""
        return ()

    async def start(self) -> None:
        """There is nothing to prepare."""

    async def close(self) -> None:
        """There is nothing to release."""


def _thumbprint(found: ClientCertificate) -> dict[str, str]:
    return {"cert:thumbprint": found.thumbprint}
