"""Client certificates and SPIFFE ids: whom they name, where they may stand, and when they are none."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from certificates import certificate, client_cert, pem, x5t, xfcc
from tokens import NOW, FakeClock, authenticator, claims_of, token

from iam_guard.errors import AuthenticationError, ConfigurationError
from iam_guard.http.request import HTTPRequest
from iam_guard.identity.bearer_tokens import BearerTokens, Readers
from iam_guard.identity.certificate_proof import CertificateProof
from iam_guard.identity.certificates import CertificateAuthenticator, Host, TrustDomain
from iam_guard.identity.client_certificate import CertificateSource, Place, read_certificate
from iam_guard.identity.lasting import still_holds
from iam_guard.identity.one_credential import OneCredential
from iam_guard.identity.revocation import Revocations, read_revocations
from iam_guard.identity.spiffe import read_spiffe_id
from iam_guard.identity.token_identity import TokenIdentity
from iam_guard.model import Principal

SVID = certificate(("spiffe://prod.example/ns/default/sa/web",))


def way(place: Place = Place.TLS, clock: FakeClock | None = None, **more: object) -> CertificateAuthenticator:
    settings: dict[str, object] = {"trust_domains": [TrustDomain("prod.example", "t1")],
                                   "hosts": [Host("db.example", "t1", role="database")]}
    return CertificateAuthenticator(CertificateSource(place, clock=clock or FakeClock()),
                                    **(settings | more))  # type: ignore[arg-type]


def proxied(*headers: tuple[str, str], trusted: bool = True) -> HTTPRequest:
    return HTTPRequest(headers=tuple((name.encode(), value.encode()) for name, value in headers), trusted=trusted)


def tls(*chain: str) -> HTTPRequest:
    return HTTPRequest(tls_chain=chain)


def ask(asked: CertificateAuthenticator, request: HTTPRequest) -> Principal | None:
    return asyncio.run(OneCredential(asked).authenticate(request))


def refusal(asked: CertificateAuthenticator, request: HTTPRequest) -> AuthenticationError:
    with pytest.raises(AuthenticationError) as caught:
        ask(asked, request)
    return caught.value


def test_a_workload_by_its_spiffe_id() -> None:
    caller = ask(way(), tls(pem(SVID), pem(certificate(ca=True))))
    assert caller is not None
    assert caller.arn == "arn:app:iam::t1:user/spiffe/prod.example/ns%2Fdefault%2Fsa%2Fweb"
    assert caller.subject == "spiffe://prod.example/ns/default/sa/web"
    assert caller.issuer == "spiffe://prod.example"
    assert caller.expires_at == NOW + 3600
    assert caller.context["spiffe:id"] == caller.subject
    assert caller.context["spiffe:path"] == "/ns/default/sa/web"
    assert caller.context["cert:thumbprint"] == x5t(SVID)


def test_a_machine_by_its_host_name_plays_its_role() -> None:
    caller = ask(way(), tls(pem(certificate(dns=("db.example",)))))
    assert caller is not None
    assert caller.role_arn == "arn:app:iam::t1:role/database"
    assert caller.subject == "host://db.example"


def test_without_a_certificate_nobody_is_named() -> None:
    assert ask(way(), tls()) is None
    assert ask(way(Place.SSL_CLIENT_CERT), proxied()) is None
    assert ask(way(Place.SSL_CLIENT_CERT), proxied(("ssl-client-cert", ""), ("ssl-client-verify", "NONE"))) is None


@pytest.mark.parametrize("made", [
    certificate(("spiffe://other.example/web",)),
    certificate(("spiffe://prod.example/web", "spiffe://prod.example/admin")),  # exactly one (X509-SVID section 2)
    certificate(("spiffe://prod.example/web", "https://prod.example/")),
    certificate(("spiffe://prod.example",)),
    certificate(("SPIFFE://prod.example/web",)),
    certificate(("spiffe://prod.example/web/../admin",)),
    certificate(("spiffe://prod.example/web",), ca=True),
    certificate(("spiffe://prod.example/web",), signs_others=True),
    certificate(("spiffe://prod.example/web",), start=NOW - 60, end=NOW),
    certificate(("spiffe://prod.example/web",), start=NOW + 1),
    certificate(dns=("other.example",)),
    certificate(dns=("db.example", "admin.example")),
    certificate(("https://db.example/",), ("db.example",)),
    certificate(cn="db.example"),
])
def test_certificates_that_name_nobody(made: object) -> None:
    error = refusal(way(), tls(pem(made)))  # type: ignore[arg-type]
    assert error.description == "The client certificate is not acceptable"


def test_a_remembered_certificate_still_expires() -> None:
    clock = FakeClock()
    asked = way(clock=clock)
    assert ask(asked, tls(pem(SVID))) is not None
    clock.now = NOW + 3600
    assert "not valid" in refusal(asked, tls(pem(SVID))).detail


@pytest.mark.parametrize("text", ["", "junk", pem(SVID) + pem(SVID), pem(SVID).replace("MII", "MI!", 1),
                                  "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"])
def test_what_is_no_certificate(text: str) -> None:
    refusal(way(), tls(text))


HEADERS = [
    (Place.CLIENT_CERT, [("client-cert", client_cert(SVID))]),
    (Place.SSL_CLIENT_CERT, [("ssl-client-cert", quote(pem(SVID))), ("ssl-client-verify", "SUCCESS")]),
    (Place.XFCC, [("x-forwarded-client-cert", xfcc(SVID))]),
    (Place.XFCC, [("x-forwarded-client-cert", xfcc(SVID, with_cert=True))]),
]


@pytest.mark.parametrize(("place", "headers"), HEADERS)
def test_a_trusted_proxy_tells_the_certificate(place: Place, headers: list[tuple[str, str]]) -> None:
    caller = ask(way(place), proxied(*headers))
    assert caller is not None
    assert caller.subject == "spiffe://prod.example/ns/default/sa/web"
    assert caller.context["cert:thumbprint"] == x5t(SVID)


@pytest.mark.parametrize(("place", "headers"), HEADERS)
def test_s8_nobody_else_may_tell_one(place: Place, headers: list[tuple[str, str]]) -> None:
    assert ask(way(place), proxied(*headers, trusted=False)) is None


@pytest.mark.parametrize(("place", "headers"), HEADERS)
def test_only_the_configured_place_is_read(place: Place, headers: list[tuple[str, str]]) -> None:
    for other in Place:
        if other is not place:
            assert ask(way(other), proxied(*headers)) is None


@pytest.mark.parametrize(("place", "headers"), HEADERS)
def test_h04_a_header_sent_twice_is_ambiguous(place: Place, headers: list[tuple[str, str]]) -> None:
    assert refusal(way(place), proxied(*headers, headers[0])).code == "invalid_request"


@pytest.mark.parametrize("verify", ["FAILED:certificate has expired", "", "success", "NONE,SUCCESS"])
def test_nginx_has_to_have_verified_it(verify: str) -> None:
    asked = proxied(("ssl-client-cert", quote(pem(SVID))), ("ssl-client-verify", verify))
    refusal(way(Place.SSL_CLIENT_CERT), asked)
    refusal(way(Place.SSL_CLIENT_CERT), proxied(("ssl-client-cert", quote(pem(SVID)))))


@pytest.mark.parametrize("value", [
    f"{xfcc(SVID)},{xfcc(SVID)}",  # two hops, of which nobody can say which is the caller's
    xfcc(SVID).replace("Hash=", "Hash=00"),
    xfcc(SVID).replace("Hash=", "Hush="),
    f"{xfcc(SVID)};",
    f"{xfcc(SVID)};Hash={'0' * 64}",
    f"{xfcc(SVID)};URI=spiffe://prod.example/admin",
    xfcc(SVID, with_cert=True).replace("Hash=", "Hash=" + "0" * 64 + ";By=x;Subject=", 1),
    'Hash="unfinished',
])
def test_forwarded_elements_with_more_than_one_reading(value: str) -> None:
    refusal(way(Place.XFCC), proxied(("x-forwarded-client-cert", value)))


#: RFC 8705 appendix A, figure 6, and figure 5: the certificate and its thumbprint.
PUBLISHED = """-----BEGIN CERTIFICATE-----
MIIBBjCBrAIBAjAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARtdGxzMB4XDTE4MTAx
ODEyMzcwOVoXDTIyMDUwMjEyMzcwOVowDzENMAsGA1UEAwwEbXRsczBZMBMGByqG
SM49AgEGCCqGSM49AwEHA0IABNcnyxwqV6hY8QnhxxzFQ03C7HKW9OylMbnQZjjJ
/Au08/coZwxS7LfA4vOLS9WuneIXhbGGWvsDSb0tH6IxLm8wCgYIKoZIzj0EAwID
SQAwRgIhAP0RC1E+vwJD/D1AGHGzuri+hlV/PpQEKTWUVeORWz83AiEA5x2eXZOV
bUlJSGQgjwD5vaUaKlLR50Q2DmFfQj1L+SY=
-----END CERTIFICATE-----
"""
PUBLISHED_THUMBPRINT = "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"


def test_the_published_thumbprint() -> None:
    source = CertificateSource(Place.TLS, clock=FakeClock(1_600_000_000))
    found = source.find(tls(PUBLISHED))
    assert found is not None
    assert found.thumbprint == PUBLISHED_THUMBPRINT
    assert (found.uris, found.dns_names) == ((), ())


#: RFC 9440 appendix A, and RFC 9421 appendix B.3: valid until 2021-01-23T22:55:33Z, for an email address.
CLIENT_CERT = (
    ":MIIBqDCCAU6gAwIBAgIBBzAKBggqhkjOPQQDAjA6MRswGQYDVQQKDBJMZXQncyBBdXRoZW50aWNhdGUxGzAZBgNVBAMMEkxBIEludGVybWVkaWF0"
    "ZSBDQTAeFw0yMDAxMTQyMjU1MzNaFw0yMTAxMjMyMjU1MzNaMA0xCzAJBgNVBAMMAkJDMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8YnXXfaU"
    "gmnMtOXU/IncWalRhebrXmckC8vdgJ1p5Be5F/3YC8OthxM4+k1M6aEAEFcGzkJiNy6J84y7uzo9M6NyMHAwCQYDVR0TBAIwADAfBgNVHSMEGDAW"
    "gBRm3WjLa38lbEYCuiCPct0ZaSED2DAOBgNVHQ8BAf8EBAMCBsAwEwYDVR0lBAwwCgYIKwYBBQUHAwIwHQYDVR0RAQH/BBMwEYEPYmRjQGV4YW1w"
    "bGUuY29tMAoGCCqGSM49BAMCA0gAMEUCIBHda/r1vaL6G3VliL4/Di6YK0Q6bMjeSkC3dFCOOB8TAiEAx/kHSB4urmiZ0NX5r5XarmPk0wmuydBV"
    "oU4hBVZ1yhk=:")


def test_the_published_header_of_a_proxy() -> None:
    end = datetime(2021, 1, 23, 22, 55, 33, tzinfo=UTC).timestamp()
    clock = FakeClock(end - 1)
    source, sent = CertificateSource(Place.CLIENT_CERT, clock=clock), proxied(("client-cert", CLIENT_CERT))
    found = source.find(sent)
    assert found is not None
    assert (found.not_after, found.uris, found.dns_names, found.is_leaf) == (end, (), (), True)
    clock.now = end
    with pytest.raises(AuthenticationError, match="not valid"):
        source.find(sent)


def test_the_published_token_needs_the_published_certificate() -> None:
    # RFC 8705 section 3.1, figure 3, holds the confirmation; the certificate is that of appendix A.
    clock = FakeClock(1_600_000_000)
    proof = CertificateProof(CertificateSource(Place.TLS, clock=clock))
    jwt = authenticator(clock=clock)
    text = token(claims_of(iat=1_599_999_990, exp=1_600_000_600, cnf={"x5t#S256": PUBLISHED_THUMBPRINT}))
    sent = ((b"authorization", f"Bearer {text}".encode()),)

    def run(*chain: str) -> Principal | None:
        door = BearerTokens(Readers(jwt), certificates=proof)
        return asyncio.run(door.authenticate(HTTPRequest(headers=sent, tls_chain=chain)))

    assert run(PUBLISHED) is not None
    with pytest.raises(AuthenticationError, match="not shown"):
        run()
    with pytest.raises(AuthenticationError, match="'cnf' is present"):
        asyncio.run(jwt.authenticate(HTTPRequest(headers=sent, tls_chain=(PUBLISHED,))))


def test_the_hash_and_the_certificate_of_an_element_agree() -> None:
    other = xfcc(certificate(("spiffe://prod.example/other",)), with_cert=True)
    mixed = xfcc(SVID).split(";")[1] + ";" + next(part for part in other.split(";") if part.startswith("Cert="))
    assert "another certificate" in refusal(way(Place.XFCC), proxied(("x-forwarded-client-cert", mixed))).detail


@pytest.mark.parametrize("text", [
    "spiffe://acme.com/billing/payments",  # SPIFFE-ID section 2
    "spiffe://staging.acme.com/payments/mysql",
    "spiffe://example.org/9eebccd2-12bf-40a6-b262-65fe0487d453",
])
def test_published_spiffe_ids(text: str) -> None:
    assert str(read_spiffe_id(text)) == text


@pytest.mark.parametrize("text", [
    "spiffe://acme.com/billing/", "spiffe://acme.com//x", "spiffe://acme.com/./x", "spiffe://acme.com:80/x",
    "spiffe://user@acme.com/x", "spiffe://acme.com/x?q", "spiffe://acme.com/x#f", "spiffe://acme.com/%41",
    "spiffe://ACME.com/x", "spiffe:///x", "https://acme.com/x", f"spiffe://acme.com/{'x' * 2048}",
])
def test_what_is_no_spiffe_id(text: str) -> None:
    with pytest.raises(ValueError, match="SPIFFE"):
        read_spiffe_id(text)


def test_settings_that_name_nobody_or_somebody_twice() -> None:
    for settings in ({"trust_domains": (), "hosts": ()}, {"hosts": [Host("a.example"), Host("a.example")]}):
        with pytest.raises(ConfigurationError):
            way(**settings)
    for wrong in ("Prod.example", "prod.example/x", "*", ""):
        with pytest.raises(ConfigurationError):
            TrustDomain(wrong)
        with pytest.raises(ConfigurationError):
            Host(wrong)
    with pytest.raises(ConfigurationError):
        TrustDomain("prod.example", "anonymous")


def test_what_is_der_and_no_certificate() -> None:
    with pytest.raises(AuthenticationError):
        read_certificate(b"\x30\x03\x02\x01\x01")


def test_a_certificate_of_an_open_connection_is_looked_at_again() -> None:
    clock, sent = FakeClock(), tls(pem(SVID))
    door = way(clock=clock)
    assert ask(door, sent) is not None
    assert asyncio.run(still_holds(door, sent))
    clock.now += 3600
    assert not asyncio.run(still_holds(door, sent))
    assert asyncio.run(still_holds(door, tls()))


def test_a_certificate_can_be_revoked_by_its_thumbprint() -> None:
    asked: list[TokenIdentity] = []

    def is_revoked(identity: TokenIdentity) -> bool:
        asked.append(identity)
        return len(asked) > 1

    door, sent = way(is_revoked=is_revoked), tls(pem(SVID))
    assert ask(door, sent) is not None
    assert refusal(door, sent).description == "The client certificate was revoked"
    assert not asyncio.run(still_holds(OneCredential(door), sent))
    assert asked[0] == TokenIdentity("spiffe://prod.example", x5t(SVID), "spiffe://prod.example/ns/default/sa/web",
                                     NOW - 60)


def test_older_certificates_of_a_workload_can_be_revoked_together() -> None:
    """One of which only the proxy has seen more than a digest does not say when it was issued: it is an older one."""
    older = Revocations(read_revocations(json.dumps({"tokens": [], "sessions": [{
        "issuer": "spiffe://prod.example", "subject": "spiffe://prod.example/ns/default/sa/web",
        "before": datetime.fromtimestamp(NOW - 30, UTC).isoformat()}]}).encode()))
    newer = certificate(("spiffe://prod.example/ns/default/sa/web",), start=NOW - 20)
    other = certificate(("spiffe://prod.example/ns/default/sa/db",))
    door = way(is_revoked=older.cover)
    assert "revoked" in refusal(door, tls(pem(SVID))).description
    assert ask(door, tls(pem(newer))) is not None
    assert ask(door, tls(pem(other))) is not None
    proxy = way(Place.XFCC, is_revoked=older.cover)
    assert "revoked" in refusal(proxy, proxied(("x-forwarded-client-cert", xfcc(newer)))).description
