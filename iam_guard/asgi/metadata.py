"""The protected resource metadata document, which the guard serves itself and to everybody."""

from __future__ import annotations

from iam_guard.asgi.types import Scope
from iam_guard.http.resource_metadata import ResourceMetadata
from iam_guard.http.response import Denial


def metadata_answer(metadata: ResourceMetadata, scope: Scope) -> Denial | None:
    """The document, when that is what a connection asks for; ``None`` when it is to be judged like any other."""
    if scope["type"] != "http" or scope["path"] != metadata.path or scope["method"] not in ("GET", "HEAD"):
        return None
    return Denial(200, metadata.headers(), b"" if scope["method"] == "HEAD" else metadata.document)
