"""Verification keys: which key may check which algorithm, and sets of them.

A key agrees to an algorithm or it does not; nothing in a token can talk it into another one. That is
what stands between a published RSA key and its use as a shared secret (threat catalogue, J02 and J03).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate
from jwt.algorithms import Algorithm as Signing
from jwt.algorithms import get_default_algorithms
from jwt.exceptions import PyJWTError

from iam_guard.identity.token import is_key_id

MIN_RSA_BITS, MAX_RSA_BITS = 2048, 8192
#: How many keys are tried for one token, at most (wire contracts, section 12).
MAX_CANDIDATES = 4


class Family(StrEnum):
    """Whether verifying and signing need the same key."""

    SYMMETRIC = "symmetric"
    ASYMMETRIC = "asymmetric"


@dataclass(frozen=True, slots=True)
class Algorithm:
    """A signature algorithm (RFC 7518 section 3.1, RFC 8037, RFC 9864).

    Attributes:
        name: The value of ``alg``.
        family: Shared secret or key pair.
        kty: The key type it needs.
        curves: The curves it may be used with; empty where there are none.
        signing: PyJWT's implementation.
        min_secret: Fewest octets of a shared secret (RFC 7518 section 3.2).
    """

    name: str
    family: Family
    kty: str
    curves: tuple[str, ...]
    signing: Signing
    min_secret: int = 0


def _algorithms() -> Mapping[str, Algorithm]:
    signing = get_default_algorithms()
    table = [
        Algorithm(f"HS{bits}", Family.SYMMETRIC, "oct", (), signing[f"HS{bits}"], bits // 8) for bits in (256, 384, 512)
    ]
    table += [
        Algorithm(name, Family.ASYMMETRIC, "RSA", (), signing[name])
        for name in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
    ]
    table += [
        Algorithm(name, Family.ASYMMETRIC, "EC", (curve,), signing[name])
        for name, curve in (("ES256", "P-256"), ("ES384", "P-384"), ("ES512", "P-521"))
    ]
    table += [
        Algorithm(name, Family.ASYMMETRIC, "OKP", curves, signing["EdDSA"])
        for name, curves in (("EdDSA", ("Ed25519", "Ed448")), ("Ed25519", ("Ed25519",)), ("Ed448", ("Ed448",)))
    ]
    return MappingProxyType({algorithm.name: algorithm for algorithm in table})


#: Every algorithm that an issuer can be configured with. ``none`` is not one.
ALGORITHMS: Mapping[str, Algorithm] = _algorithms()


class KeyRefusedError(ValueError):
    """A key is not usable for verification; the text says why and never shows the key."""


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """One key, parsed once.

    Attributes:
        id: Its ``kid``; ``None`` for a key without one, which fits any token that it can verify.
        kty: Its type.
        curve: Its curve, if it has one.
        algorithm: The one algorithm it is published for; empty when its type decides.
        key: The key as PyJWT takes it.
        fingerprint: Equal exactly when the key material is.
    """

    id: str | None
    kty: str
    curve: str
    algorithm: str
    key: Any
    fingerprint: tuple[Any, ...]

    def agrees_to(self, algorithm: Algorithm) -> bool:
        """Whether this key may check signatures of *algorithm*."""
        return (
            self.kty == algorithm.kty
            and self.algorithm in ("", algorithm.name)
            and (not algorithm.curves or self.curve in algorithm.curves)
            and (algorithm.family is Family.ASYMMETRIC or len(self.key) >= algorithm.min_secret)
        )

    def verifies(self, algorithm: Algorithm, signed: bytes, signature: bytes) -> bool:
        """Whether *signature* is this key's over *signed*."""
        return algorithm.signing.verify(signed, self.key, signature)


@dataclass(frozen=True, slots=True)
class KeySet:
    """Keys of one issuer, immutable.

    Attributes:
        keys: The usable ones.
        skipped: Why others were left out, one line each.
    """

    keys: tuple[VerificationKey, ...] = ()
    skipped: tuple[str, ...] = ()

    def find(self, key_id: str | None, algorithm: Algorithm) -> tuple[VerificationKey, ...]:
        """The keys that may verify a token with this ``kid`` and ``alg``.

        A key without a name fits a token of any name, but only when no key has that name. When more
        than four keys fit, none does: trying many keys is work that a stranger chooses.
        """
        named = [key for key in self.keys if key.id == key_id] if key_id is not None else list(self.keys)
        found = tuple(key for key in named or self._nameless() if key.agrees_to(algorithm))
        return found if len(found) <= MAX_CANDIDATES else ()

    def _nameless(self) -> list[VerificationKey]:
        return [key for key in self.keys if key.id is None]

    def has_same_keys(self, other: KeySet) -> bool:
        """Whether both sets accept exactly the same signatures."""
        return self._fingerprints() == other._fingerprints()

    def _fingerprints(self) -> frozenset[tuple[Any, ...]]:
        return frozenset((key.id, key.algorithm, key.fingerprint) for key in self.keys)


def read_jwks(document: Mapping[str, Any], *, symmetric: bool = False, use: str = "sig") -> KeySet:
    """Read a JSON Web Key set; a key that cannot be used is left out and does not spoil the others.

    Args:
        document: The set (RFC 7517 section 5) or a single key.
        symmetric: Whether shared secrets may be among them; never for a set that was fetched.
        use: What the keys are published for; those that do not say so are for signatures of any kind.

    Raises:
        KeyRefusedError: it is not a key set, or holds no usable key.
    """
    entries = document.get("keys") if "kty" not in document else [document]
    if not isinstance(entries, list):
        raise KeyRefusedError("the key set has no list named 'keys'")
    keys, skipped = [], []
    for number, entry in enumerate(entries):
        try:
            keys.append(read_jwk(entry, symmetric=symmetric, use=use))
        except KeyRefusedError as refusal:
            skipped.append(f"key {number}: {refusal}")
    if not keys:
        raise KeyRefusedError("; ".join(["the key set holds no usable key", *skipped[:5]]))
    return KeySet(tuple(keys), tuple(skipped))


def read_jwk(entry: Any, *, symmetric: bool = False, use: str = "sig") -> VerificationKey:
    """Read one JSON Web Key (RFC 7517 section 4).

    Raises:
        KeyRefusedError: it is not meant for signatures, is private, too short, or of an unknown kind.
    """
    if not isinstance(entry, dict):
        raise KeyRefusedError("it is not an object")
    _check_purpose(entry, use)
    kty, name = entry.get("kty"), entry.get("alg", "")
    if kty == "oct" and not symmetric:
        raise KeyRefusedError("it is a shared secret, which must not be published")
    if kty != "oct" and "d" in entry:
        raise KeyRefusedError("it holds private key material")
    fitting = _fitting_algorithm(kty, entry.get("crv", ""), name)
    try:
        key = fitting.signing.from_jwk(entry)
    except (PyJWTError, ValueError, TypeError, AttributeError) as error:
        raise KeyRefusedError(f"it cannot be read: {type(error).__name__}") from None
    return _verification_key(key, key_id=entry.get("kid"), algorithm=name)


def _check_purpose(entry: dict[str, Any], use: str) -> None:
    if entry.get("use", "sig") != use:
        raise KeyRefusedError(f"its 'use' is not '{use}'")
    operations = entry.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise KeyRefusedError("its 'key_ops' lack 'verify'")
    kid = entry.get("kid")
    if kid is not None and not (isinstance(kid, str) and is_key_id(kid)):
        raise KeyRefusedError("its 'kid' is not a short printable string")


def _fitting_algorithm(kty: Any, curve: Any, name: Any) -> Algorithm:
    for algorithm in ALGORITHMS.values():
        fits = algorithm.kty == kty and (not algorithm.curves or curve in algorithm.curves)
        if fits and name in ("", algorithm.name):
            return algorithm
    raise KeyRefusedError("its 'kty', 'crv' and 'alg' name no known algorithm")


def read_pem(text: str | bytes) -> VerificationKey:
    """Read a public key or certificate in PEM form.

    Raises:
        KeyRefusedError: it is private, or not a key that signatures are verified with.
    """
    data = text.encode() if isinstance(text, str) else text
    if b"PRIVATE KEY" in data:
        raise KeyRefusedError("it is a private key; give the public key only")
    try:
        if b"BEGIN CERTIFICATE" in data:
            return _verification_key(load_pem_x509_certificate(data).public_key())
        return _verification_key(load_pem_public_key(data))
    except KeyRefusedError:
        raise
    except ValueError:
        raise KeyRefusedError("it is not a public key in PEM form") from None


def read_secret(secret: bytes, algorithms: Iterable[str]) -> VerificationKey:
    """Make a verification key of a shared secret.

    Raises:
        KeyRefusedError: it is a key of another kind in disguise, or shorter than one of *algorithms* needs.
    """
    try:
        key = ALGORITHMS["HS256"].signing.prepare_key(secret)
    except PyJWTError:
        raise KeyRefusedError("it is empty or a public key") from None
    needed = max((ALGORITHMS[name].min_secret for name in algorithms), default=0)
    if len(secret) < needed:
        raise KeyRefusedError(f"it has {len(secret)} octets where {needed} are needed")
    return _verification_key(key)


def _verification_key(key: Any, *, key_id: str | None = None, algorithm: str = "") -> VerificationKey:
    kty, curve, material = _describe(key)
    return VerificationKey(key_id, kty, curve, algorithm, key, (kty, curve, *material))


def _describe(key: Any) -> tuple[str, str, Sequence[Any]]:
    match key:
        case bytes():
            return "oct", "", (key,)
        case rsa.RSAPublicKey():
            if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
                raise KeyRefusedError(f"it has {key.key_size} bits, not {MIN_RSA_BITS} to {MAX_RSA_BITS}")
            rsa_numbers = key.public_numbers()
            return "RSA", "", (rsa_numbers.n, rsa_numbers.e)
        case ec.EllipticCurvePublicKey() if key.curve.name in _CURVES:
            ec_numbers = key.public_numbers()
            return "EC", _CURVES[key.curve.name], (ec_numbers.x, ec_numbers.y)
        case ed25519.Ed25519PublicKey():
            return "OKP", "Ed25519", (key.public_bytes_raw(),)
        case ed448.Ed448PublicKey():
            return "OKP", "Ed448", (key.public_bytes_raw(),)
    raise KeyRefusedError("it is of a kind that no supported algorithm uses")


_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
