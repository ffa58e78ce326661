"""The protected resource metadata document (RFC 9728)."""

from __future__ import annotations

import json

import pytest

from iam_guard.errors import ConfigurationError
from iam_guard.http.resource_metadata import ResourceMetadata


def test_the_published_example() -> None:
    # RFC 9728 section 3.2, without the tokens in bodies that are never taken here.
    told = ResourceMetadata("https://resource.example.com",
                            authorization_servers=("https://as1.example.com", "https://as2.example.net"),
                            scopes_supported=("profile", "email", "phone"),
                            resource_documentation="https://resource.example.com/resource_documentation.html")
    assert json.loads(told.document) == {
        "resource": "https://resource.example.com",
        "authorization_servers": ["https://as1.example.com", "https://as2.example.net"],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["profile", "email", "phone"],
        "resource_documentation": "https://resource.example.com/resource_documentation.html",
    }


@pytest.mark.parametrize(("resource", "url"), [
    # RFC 9728 sections 3 and 3.1
    ("https://resource.example.com", "https://resource.example.com/.well-known/oauth-protected-resource"),
    ("https://resource.example.com/", "https://resource.example.com/.well-known/oauth-protected-resource"),
    ("https://resource.example.com/resource1",
     "https://resource.example.com/.well-known/oauth-protected-resource/resource1"),
    ("https://api.example:8443/a/b", "https://api.example:8443/.well-known/oauth-protected-resource/a/b"),
])
def test_the_path_stands_between_host_and_path(resource: str, url: str) -> None:
    told = ResourceMetadata(resource)
    assert told.url == url
    assert url.endswith(told.path)
    assert json.loads(told.document)["resource"] == resource


@pytest.mark.parametrize("more", [
    {"resource": "http://api.example"}, {"resource": "https://api.example#x"}, {"resource": "api.example"},
    {"resource": "https://api.example?x=1"}, {"resource": "https://user@api.example"}, {"resource": ""},
    {"authorization_servers": ("http://idp.example",)}, {"scopes_supported": ("a b",)}, {"scopes_supported": ('"',)},
    {"resource_tos_uri": "javascript:alert(1)"}, {"bearer_methods_supported": ("query",)},
])
def test_documents_that_would_mislead(more: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        ResourceMetadata(**({"resource": "https://api.example"} | more))  # type: ignore[arg-type]
