"""Protected resource metadata: what a client needs to know to get a token for this service (RFC 9728)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import urlsplit

from iam_guard.errors import ConfigurationError, Fault
from iam_guard.http.challenge import is_scope

WELL_KNOWN = "/.well-known/oauth-protected-resource"

#: Seconds that clients may keep the document.
MAX_AGE = 300
_URL = re.compile(r"https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[!-~]*)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class ResourceMetadata:
    """The document about this service. Members without a value are left out (section 3.2).

    Args:
        resource: The URL by which clients know this service; the path of the document follows from it.
        authorization_servers: Issuers of tokens for it.
        scopes_supported: Scopes that a client may ask for.
        bearer_methods_supported: How tokens may be sent; here in the header only.
        resource_name: For people.
        resource_documentation: A page for developers.
        resource_policy_uri: A page about what clients may do with the data.
        resource_tos_uri: A page with the terms of service.
        tls_client_certificate_bound_access_tokens: Tokens may be bound to client certificates.
        dpop_signing_alg_values_supported: What DPoP proofs may be signed with.
        dpop_bound_access_tokens_required: Tokens have to be bound to a key of DPoP.

    Raises:
        ConfigurationError: a URL is not an https URL, or a scope is none.
    """

    resource: str
    authorization_servers: tuple[str, ...] = ()
    scopes_supported: tuple[str, ...] = ()
    bearer_methods_supported: tuple[str, ...] = ("header",)
    resource_name: str = ""
    resource_documentation: str = ""
    resource_policy_uri: str = ""
    resource_tos_uri: str = ""
    tls_client_certificate_bound_access_tokens: bool = False
    dpop_signing_alg_values_supported: tuple[str, ...] = ()
    dpop_bound_access_tokens_required: bool = False
    #: Where the document is, seen from the root of the host, and what it says.
    path: str = field(init=False, repr=False, compare=False)
    url: str = field(init=False, repr=False, compare=False)
    document: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if faults := list(_faults(self)):
            raise ConfigurationError(faults)
        parts = urlsplit(self.resource)
        path = WELL_KNOWN + parts.path.removesuffix("/")
        object.__setattr__(self, "path", path)
        object.__setattr__(self, "url", f"https://{parts.netloc}{path}")
        object.__setattr__(self, "document", json.dumps(self._members()).encode())

    def _members(self) -> dict[str, Any]:
        return {one.name: value for one in fields(self) if one.init and (value := getattr(self, one.name))}

    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """Header fields of the answer; scripts of any origin may read it, since it is for everybody."""
        return ((b"content-type", b"application/json"), (b"content-length", str(len(self.document)).encode()),
                (b"cache-control", f"public, max-age={MAX_AGE}".encode()), (b"access-control-allow-origin", b"*"))


def _faults(told: ResourceMetadata) -> Iterator[Fault]:
    pages = ("resource_documentation", "resource_policy_uri", "resource_tos_uri")
    urls = [("resource", told.resource), *((name, value) for name in pages if (value := getattr(told, name)))]
    urls += [("authorization_servers", one) for one in told.authorization_servers]
    for name, url in urls:
        if not _URL.fullmatch(url) or "#" in url:
            yield Fault(f"'{url}' is not an https URL", "write it in full, without '#'", f"/{name}")
    if "?" in told.resource:
        yield Fault("the resource has a query", "requests are told apart by their path", "/resource")
    for scope in told.scopes_supported:
        if not is_scope(scope):
            yield Fault(f"'{scope}' is not a scope", pointer="/scopes_supported")
    if not set(told.bearer_methods_supported) <= {"header"}:
        yield Fault("tokens are taken from the header only", "leave it out", "/bearer_methods_supported")
