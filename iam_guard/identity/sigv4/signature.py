"""The arithmetic of signatures."""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import TYPE_CHECKING

from iam_guard.identity.sigv4.refusals import ALGORITHM

if TYPE_CHECKING:
    from iam_guard.identity.sigv4.claim import Claim


def hexdigest(content: bytes) -> str:
    """SHA-256 as signatures write it."""
    return sha256(content).hexdigest()


def signing_key(secret: str, claim: Claim) -> bytes:
    """The key of one day, region and service."""
    key = f"AWS4{secret}".encode()
    for part in claim.scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def sign(key: bytes, text: str) -> str:
    """Sign a text with a signing key."""
    return hmac.digest(key, text.encode(), "sha256").hex()


def string_to_sign(claim: Claim, canonical: str) -> str:
    """What is signed of a request."""
    return f"{ALGORITHM}\n{claim.stamp}\n{claim.scope}\n{hexdigest(canonical.encode())}"


def is_same(one: str, other: str) -> bool:
    """Compare two signatures in a time that does not depend on where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())
