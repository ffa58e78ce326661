"""A DPoP proof: a signature by the key that it brings along, over this very request (RFC 9449 section 4).

Whose key that is the proof does not say; the token does, by the key's thumbprint.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from iam_guard.errors import AuthenticationError
from iam_guard.identity.confirmation import thumbprint
from iam_guard.identity.keys import ALGORITHMS, Algorithm, KeyRefusedError, VerificationKey, read_jwk
from iam_guard.identity.strict_json import read_object
from iam_guard.identity.token import decode_part

#: What proofs may be signed with by default.
SIGNED_WITH = ("ES256", "ES384", "ES512", "PS256", "EdDSA", "Ed25519")
MAX_PROOF = 8192
MAX_ID = 256

_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
#: Members that make a key what it is, in the order of RFC 7638 section 3.2.
_REQUIRED = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n"), "OKP": ("crv", "kty", "x")}


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof whose signature is right.

    Attributes:
        thumbprint: Of its key (RFC 7638).
        id: ``jti``.
        method: ``htm``.
        target: ``htu``.
        issued_at: ``iat``.
        token_hash: ``ath``.
        nonce: ``nonce``, whatever it is; ``None`` when there is none.
    """

    thumbprint: str
    id: str
    method: str
    target: str
    issued_at: float
    token_hash: str
    nonce: Any


def bad_proof(detail: str) -> AuthenticationError:
    """The refusal of a proof; *detail* is for the log."""
    return AuthenticationError("The DPoP proof is not valid", code="invalid_dpop_proof", detail=detail)


def read_proof(text: bytes, algorithms: Iterable[str]) -> Proof:
    """Read a proof and check its form and signature.

    Args:
        text: The value of the ``DPoP`` header.
        algorithms: What it may be signed with; shared secrets never are.

    Raises:
        AuthenticationError: it is not a proof, or not signed by the key that it shows.
    """
    if len(text) > MAX_PROOF:
        raise bad_proof(f"it is longer than {MAX_PROOF} characters")
    parts = text.split(b".", 3)
    if len(parts) != 3:
        raise bad_proof("it does not have three parts")
    try:
        header, claims = (read_object(decode_part(part)) for part in parts[:2])
        signature = decode_part(parts[2])
    except (ValueError, RecursionError) as error:
        raise bad_proof(f"it cannot be read: {type(error).__name__}") from None
    algorithm, key = _key(header, algorithms)
    if not key.verifies(algorithm, b".".join(parts[:2]), signature):
        raise bad_proof("it is not signed by the key that it shows")
    return _proof(jwk_thumbprint(header["jwk"]), claims)


def _key(header: Mapping[str, Any], algorithms: Iterable[str]) -> tuple[Algorithm, VerificationKey]:
    kind, name, shown = header.get("typ"), header.get("alg"), header.get("jwk")
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") != "dpop+jwt":
        raise bad_proof("'typ' is not 'dpop+jwt'")
    if not header.keys().isdisjoint(("crit", "b64", "zip", "enc")):
        raise bad_proof("the header asks for an extension")
    if not isinstance(name, str) or name not in algorithms or name not in ALGORITHMS:
        raise bad_proof("'alg' is none that proofs may have")
    if not isinstance(shown, dict) or not _PRIVATE.isdisjoint(shown):
        raise bad_proof("'jwk' is not a public key")
    try:
        key = read_jwk(shown)
    except KeyRefusedError as refusal:
        raise bad_proof(f"its key cannot be used: {refusal}") from None
    algorithm = ALGORITHMS[name]
    if not key.agrees_to(algorithm):
        raise bad_proof("'jwk' and 'alg' do not fit")
    return algorithm, key


def jwk_thumbprint(key: Mapping[str, Any]) -> str:
    """The SHA-256 thumbprint of a public key that was read before (RFC 7638 section 3)."""
    members = {name: key[name] for name in _REQUIRED[key["kty"]]}
    return thumbprint(sha256(json.dumps(members, separators=(",", ":")).encode()).digest())


def _proof(shown: str, claims: Mapping[str, Any]) -> Proof:
    texts = {name: claims.get(name) for name in ("jti", "htm", "htu", "ath")}
    if not all(isinstance(text, str) and text for text in texts.values()) or len(texts["jti"] or "") > MAX_ID:
        raise bad_proof("'jti', 'htm', 'htu' or 'ath' is missing or no text")
    issued_at = claims.get("iat")
    if isinstance(issued_at, bool) or not isinstance(issued_at, int | float):
        raise bad_proof("'iat' is not a number")
    return Proof(shown, str(texts["jti"]), str(texts["htm"]), str(texts["htu"]), issued_at, str(texts["ath"]),
                 claims.get("nonce"))
