"""What is true at the edge of the application: whom to believe, what to accept, how much of it.

Nothing here is detected from a request. Trust in forwarded data is by peer address (promise S8), and the
family of headers that is read is a setting, since a client can send the other family through most proxies.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal

from iam_guard.errors import ConfigurationError, Fault
from iam_guard.http.address import TrustedProxies

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

#: Names that need no second look. A list for speed only: any other name is examined one by one.
HARMLESS = frozenset(
    b"accept accept-charset accept-encoding accept-language access-control-request-headers "
    b"access-control-request-method authorization baggage cache-control connection content-encoding "
    b"content-language content-length content-type cookie date dnt dpop expect from host if-match "
    b"if-modified-since if-none-match if-range if-unmodified-since keep-alive last-event-id max-forwards "
    b"origin pragma priority range referer sec-ch-ua sec-ch-ua-mobile sec-ch-ua-platform sec-fetch-dest "
    b"sec-fetch-mode sec-fetch-site sec-fetch-user sec-gpc sec-websocket-extensions sec-websocket-key "
    b"sec-websocket-protocol sec-websocket-version te traceparent tracestate trailer transfer-encoding "
    b"upgrade upgrade-insecure-requests user-agent via x-api-key x-correlation-id x-csrf-token x-request-id "
    b"x-requested-with".split()
)
# Told by a proxy about its client; an application believes them, so only a trusted proxy may send them.
_TOLD_BY_PROXIES = frozenset({
    b"cf-connecting-ip", b"client-cert", b"client-cert-chain", b"fastly-client-ip", b"ssl-client-cert",
    b"ssl-client-issuer-dn", b"ssl-client-subject-dn", b"ssl-client-verify", b"true-client-ip",
    b"x-amzn-mtls-clientcert", b"x-amzn-mtls-clientcert-leaf", b"x-amzn-mtls-clientcert-subject", b"x-client-cert",
    b"x-client-ip", b"x-cluster-client-ip", b"x-forwarded", b"x-real-ip", b"x-ssl-client-cert", b"x-ssl-client-s-dn",
    b"x-ssl-client-verify",
})
# They make an application serve something else than was checked (promises S3 and S6): never let through.
_OVERRIDES = frozenset({b"x-http-method", b"x-http-method-override", b"x-method-override"})
# ... and names that belong to this package.
_NEVER_PREFIXES = (b"x-original-", b"x-rewrite-", b"x-iam-", b"x-guard-")
#: Names about which the answer is remembered, and the longest of them: clients choose names.
_KEPT_NAMES, _SHORT = 1024, 64
# Whatever a name may hold besides letters and digits becomes one sign; letters become small.
_FOLDED = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ!#$%&'*+.^_`|~", b"abcdefghijklmnopqrstuvwxyz" + b"-" * 14)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def canonical_name(name: bytes) -> bytes:
    """Fold the spellings of a header name that a CGI-style backend would fold (promise S9).

    Some of them fold ``_`` alone, others every sign that is no letter and no digit.
    """
    return name.translate(_FOLDED)


@dataclass(frozen=True, slots=True)
class EdgeSettings:
    """How requests arrive. Secure as it stands; a setting only ever says who is trusted or what is narrower.

    Args:
        trusted_proxies: Addresses or networks of proxies whose forwarded data is believed; nobody by default,
            private ranges included.
        forwarded: Which family a trusted proxy speaks: ``x-forwarded`` (``X-Forwarded-For``, ``-Proto``) or
            ``forwarded`` (RFC 7239). The other family is removed even then.
        identity_headers: Names that the guard itself sets for the application; copies sent by a client are
            removed under every spelling. Names that start with ``X-IAM-`` or ``X-Guard-`` always are.
        methods: Methods that exist here; any other is answered 405.
        path_mode: ``strict`` refuses dot segments and empty segments; ``normalize`` resolves them, and the
            application receives the resolved path.
        allowed_hosts: Host names that are served; empty for any.
        allow_semicolon: Let ``;`` stand in a path, for applications that give it no meaning.
        refuse_any_residue: Refuse every percent-triplet that is left after decoding once, for a gateway whose
            upstream may decode again.
        max_header_bytes: Names and values together, four bytes of punctuation for each included.
        max_target_bytes: Path and query.

    Raises:
        ConfigurationError: an address, name or word is not one.
    """

    trusted_proxies: tuple[str, ...] = ()
    forwarded: Literal["x-forwarded", "forwarded"] = "x-forwarded"
    identity_headers: tuple[str, ...] = ()
    methods: tuple[str, ...] = METHODS
    path_mode: Literal["strict", "normalize"] = "strict"
    allowed_hosts: tuple[str, ...] = ()
    allow_semicolon: bool = False
    refuse_any_residue: bool = False
    max_header_bytes: int = 16_384
    max_target_bytes: int = 8_192
    proxies: TrustedProxies = field(init=False, repr=False, compare=False)
    trusts_anybody: bool = field(init=False, repr=False, compare=False)
    method_set: frozenset[str] = field(init=False, repr=False, compare=False)
    host_set: frozenset[str] = field(init=False, repr=False, compare=False)
    harmless: frozenset[bytes] = field(init=False, repr=False, compare=False)
    reserved: frozenset[bytes] = field(init=False, repr=False, compare=False)
    _known: Callable[[bytes, bool], bool] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if faults := list(_faults(self)):
            raise ConfigurationError(faults)
        reserved = frozenset(canonical_name(name.encode()) for name in self.identity_headers)
        derived = {
            "proxies": TrustedProxies(self.trusted_proxies),
            "trusts_anybody": bool(self.trusted_proxies),
            "method_set": frozenset(self.methods),
            "host_set": frozenset(host.lower().removesuffix(".") for host in self.allowed_hosts),
            "harmless": HARMLESS - reserved,
            "reserved": reserved,
            "_known": lru_cache(maxsize=_KEPT_NAMES)(self._keeps),
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    def keeps(self, name: bytes, trusted: bool) -> bool:
        """Say whether the application may see a header that a peer sent.

        Args:
            name: As sent.
            trusted: The peer is one of ``trusted_proxies``.
        """
        return self._known(name, trusted) if len(name) <= _SHORT else self._keeps(name, trusted)

    def _keeps(self, name: bytes, trusted: bool) -> bool:
        if self.is_reserved(name):
            return False
        sent, name = name, canonical_name(name)
        trusted = trusted and _is_written_so(sent, name)
        if name.startswith(b"x-forwarded-"):
            return trusted and self.forwarded == "x-forwarded"
        if name == b"forwarded":
            return trusted and self.forwarded == "forwarded"
        return trusted or name not in _TOLD_BY_PROXIES

    def is_reserved(self, name: bytes) -> bool:
        """Say whether a header is dropped whoever sent it: it is the guard's own, or makes another request of this.

        Args:
            name: As sent.
        """
        name = canonical_name(name)
        return name in self.reserved or name in _OVERRIDES or name.startswith(_NEVER_PREFIXES)

    def with_identity_headers(self, names: Iterable[str]) -> EdgeSettings:
        """The same settings, with further names that the guard itself sets."""
        return replace(self, identity_headers=(*self.identity_headers, *names))


def _is_written_so(sent: bytes, canonical: bytes) -> bool:
    """Whether a proxy writes a name like this: with dashes, and those of mod_ssl with underscores.

    Other spellings are its client's, which it passes on since it does not know them for what it writes itself.
    """
    sent = sent.lower()
    return sent == canonical or (canonical.startswith(b"ssl-") and sent == canonical.replace(b"-", b"_"))


def _faults(settings: EdgeSettings) -> Iterable[Fault]:
    for text in settings.trusted_proxies:
        try:
            TrustedProxies([text])
        except ValueError:
            yield Fault(f"'{text}' is not an address or a network", "write it like '10.9.0.0/16'")
    for name in settings.identity_headers:
        if not _TOKEN.fullmatch(name):
            yield Fault(f"'{name}' is not a header name")
    for method in settings.methods:
        if not (method.isascii() and method.isalpha() and method.isupper()):
            yield Fault(f"'{method}' is not a method", "write it in capitals")
    if settings.forwarded not in ("x-forwarded", "forwarded"):
        yield Fault(f"'{settings.forwarded}' is not a family of headers", "use 'x-forwarded' or 'forwarded'")
    if settings.path_mode not in ("strict", "normalize"):
        yield Fault(f"'{settings.path_mode}' is not a path mode", "use 'strict' or 'normalize'")
