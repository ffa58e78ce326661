"""No change to a good token makes another good one, whatever is changed and however small it is."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from functools import cache
from itertools import permutations
from typing import Any

import pytest
from hypothesis import assume, currently_in_test_context, given
from hypothesis import strategies as st
from tokens import SECRET, authenticator, claims_of, compact, ec_key, ed_key, i1, jwk, jwks, request, rsa_key, signer

from iam_guard.errors import AuthenticationError
from iam_guard.identity.jwt import JWTAuthenticator

KEYS: dict[str, Callable[[], Any]] = {
    "HS256": lambda: SECRET, "RS256": rsa_key, "PS256": rsa_key, "ES256": ec_key, "EdDSA": ed_key,
}
#: Orders of the groups that signatures are numbers in: P-256 (FIPS 186-4, D.1.2.3), edwards25519 (RFC 8032, 5.1).
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493
URL_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

algorithms = st.sampled_from(list(KEYS))
junk = st.none() | st.booleans() | st.integers() | st.text(max_size=12) | st.lists(st.text(max_size=4), max_size=2)


@cache
def door(alg: str) -> JWTAuthenticator:
    trust: dict[str, Any] = {"secret": SECRET} if alg == "HS256" else {"keys": jwks(jwk(KEYS[alg](), "k1"))}
    return authenticator(i1(algorithms=(alg,), **trust))


@cache
def good(alg: str, subject: str = "alice") -> str:
    claims = claims_of(subject, jti=f"t-{subject}", scope="read")
    return compact({"alg": alg, "kid": "k1", "typ": "JWT"}, claims, signer(KEYS[alg](), alg))


def is_accepted(alg: str, text: str) -> bool:
    """Whether a token gets in; it may be refused, and nothing else may happen."""
    try:
        return asyncio.run(door(alg).authenticate(request(f"Bearer {text}"))) is not None
    except AuthenticationError:
        return False


def holds(alg: str, changed: str) -> None:
    """A changed token is refused, and what it was made of is good before and after."""
    if currently_in_test_context():
        assume(changed != good(alg))
    assert changed != good(alg)
    assert is_accepted(alg, good(alg))
    assert not is_accepted(alg, changed)
    assert is_accepted(alg, good(alg))


def unpacked(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def packed(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def with_part(alg: str, number: int, part: str) -> str:
    parts = good(alg).split(".")
    return ".".join([*parts[:number], part, *parts[number + 1:]])


def part_of(alg: str, number: int) -> str:
    return good(alg).split(".")[number]


# --- characters and bits ----------------------------------------------------------------------------------


@given(algorithms, st.integers(0, 2), st.data())
def test_a_bit_of_what_a_part_says(alg: str, number: int, data: st.DataObject) -> None:
    raw = bytearray(unpacked(part_of(alg, number)))
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[bit // 8] ^= 1 << bit % 8
    holds(alg, with_part(alg, number, packed(bytes(raw))))


@given(algorithms, st.data(), st.sampled_from(URL_ALPHABET + "=.+/ \t~"))
def test_another_character(alg: str, data: st.DataObject, other: str) -> None:
    text = good(alg)
    at = data.draw(st.integers(0, len(text) - 1))
    assume(not (other == " " and at == 0) and not (other == " " and at == len(text) - 1))
    holds(alg, text[:at] + other + text[at + 1:])


@given(algorithms, st.data(), st.sampled_from(list(URL_ALPHABET[::9] + "=. \t\x00\x85\xa0\xff")))
def test_one_character_more(alg: str, data: st.DataObject, more: str) -> None:
    text = good(alg)
    # Spaces around a credential belong to the header field, not to the token (RFC 9110, sections 5.5 and 11.4).
    at = data.draw(st.integers(1, len(text) - 1) if more == " " else st.integers(0, len(text)))
    holds(alg, text[:at] + more + text[at:])


@given(algorithms, st.data())
def test_characters_fewer_or_repeated(alg: str, data: st.DataObject) -> None:
    text = good(alg)
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    holds(alg, text[:start] + text[end:])
    holds(alg, text[:end] + text[start:])


@given(algorithms, st.data())
def test_two_characters_change_places(alg: str, data: st.DataObject) -> None:
    text = list(good(alg))
    one, other = (data.draw(st.integers(0, len(text) - 1)) for _ in range(2))
    text[one], text[other] = text[other], text[one]
    holds(alg, "".join(text))


@pytest.mark.parametrize("alg", KEYS)
def test_letters_of_the_other_case(alg: str) -> None:
    for changed in (good(alg).upper(), good(alg).lower(), good(alg).swapcase()):
        holds(alg, changed)


# --- spellings --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("alg", KEYS)
def test_another_spelling_of_the_same_octets(alg: str, number: int) -> None:
    part = part_of(alg, number)
    raw = unpacked(part)
    spellings = {
        part + "=" * (-len(part) % 4), part + "=", part + "==", base64.b64encode(raw).decode(),
        base64.b64encode(raw).decode().rstrip("="), base64.b32encode(raw).decode(), raw.hex(),
        base64.encodebytes(raw).decode().replace("\n", "\t"), part.replace("-", "%2D").replace("_", "%5F"),
        part + "%3D", "".join(f"%{ord(one):02X}" for one in part),
    }
    for spelling in spellings - {part}:
        holds(alg, with_part(alg, number, spelling))


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("alg", KEYS)
def test_bits_that_stand_for_nothing(alg: str, number: int) -> None:
    part = part_of(alg, number)
    spare = {0: 0, 2: 4, 3: 2}[len(part) % 4]
    last = URL_ALPHABET.index(part[-1])
    for bits in range(1, 1 << spare):
        changed = part[:-1] + URL_ALPHABET[last ^ bits]
        assert unpacked(changed) == unpacked(part)
        holds(alg, with_part(alg, number, changed))


# --- parts ------------------------------------------------------------------------------------------------


@given(algorithms, st.lists(st.sampled_from(["0", "1", "2", ""]), max_size=6))
def test_parts_left_out_repeated_or_moved(alg: str, places: list[str]) -> None:
    parts = good(alg).split(".")
    holds(alg, ".".join(parts[int(place)] if place else "" for place in places) or ".")


@pytest.mark.parametrize("mixture", [(0, 0, 1), (0, 1, 0), (1, 0, 1), (1, 1, 0)])
@pytest.mark.parametrize("alg", KEYS)
def test_parts_of_two_good_tokens(alg: str, mixture: tuple[int, int, int]) -> None:
    two = [good(alg).split("."), good(alg, "bob").split(".")]
    changed = ".".join(two[whose][number] for number, whose in enumerate(mixture))
    if changed not in (good(alg), good(alg, "bob")):
        holds(alg, changed)


@pytest.mark.parametrize("number", [0, 2])
@pytest.mark.parametrize(("alg", "other"), list(permutations(KEYS, 2)))
def test_parts_of_tokens_of_two_algorithms(alg: str, other: str, number: int) -> None:
    holds(alg, with_part(alg, number, part_of(other, number)))


# --- JSON -------------------------------------------------------------------------------------------------


@given(algorithms, st.integers(0, 1), st.data(), junk)
def test_another_member_or_value(alg: str, number: int, data: st.DataObject, value: Any) -> None:
    said = json.loads(unpacked(part_of(alg, number)))
    name = data.draw(st.sampled_from([*said, "nbf", "groups", "crit", "jwk", "jku", "b64", "zip", "x5c", "act", "cnf"]))
    changed = said | {name: value}
    holds(alg, with_part(alg, number, packed(json.dumps(changed).encode())))
    holds(alg, with_part(alg, number, packed(json.dumps({k: v for k, v in said.items() if k != name}).encode())))


@given(algorithms, st.integers(0, 1), st.data(), junk, st.booleans())
def test_a_member_twice(alg: str, number: int, data: st.DataObject, value: Any, first: bool) -> None:
    text = unpacked(part_of(alg, number)).decode()
    name = data.draw(st.sampled_from(list(json.loads(text))))
    member = f"{json.dumps(name)}: {json.dumps(value)}"
    changed = f"{{{member}, {text[1:]}" if first else f"{text[:-1]}, {member}}}"
    holds(alg, with_part(alg, number, packed(changed.encode())))


@given(algorithms, st.integers(0, 1), st.data(), st.booleans())
def test_a_member_twice_under_a_good_signature(alg: str, number: int, data: st.DataObject, escaped: bool) -> None:
    texts = [unpacked(part_of(alg, 0)).decode(), unpacked(part_of(alg, 1)).decode()]
    said = json.loads(texts[number])
    name = data.draw(st.sampled_from(list(said)))
    spelling = f'"\\u{ord(name[0]):04x}{name[1:]}"' if escaped else json.dumps(name)
    texts[number] = f"{texts[number][:-1]}, {spelling}: {json.dumps(said[name])}}}"
    holds(alg, compact(texts[0].encode(), texts[1].encode(), signer(KEYS[alg](), alg)))


@given(algorithms, st.integers(0, 1), st.sampled_from([
    lambda said: json.dumps(said, indent=1), lambda said: json.dumps(said, separators=(",", ":")),
    lambda said: json.dumps(said, sort_keys=True, indent=None) + " ", lambda said: "\ufeff" + json.dumps(said),
    lambda said: json.dumps(dict(reversed(said.items()))), lambda said: "\n" + json.dumps(said),
    lambda said: json.dumps(said).replace("a", "\\u0061"), lambda said: json.dumps([said]), lambda said: "",
]))
def test_the_same_members_written_otherwise(alg: str, number: int, write: Callable[[Any], str]) -> None:
    said = json.loads(unpacked(part_of(alg, number)))
    holds(alg, with_part(alg, number, packed(write(said).encode())))


# --- signatures -------------------------------------------------------------------------------------------


@given(algorithms, st.binary(max_size=600))
def test_any_other_signature(alg: str, signature: bytes) -> None:
    holds(alg, with_part(alg, 2, packed(signature)))


@pytest.mark.parametrize("alg", KEYS)
def test_a_signature_cut_or_lengthened(alg: str) -> None:
    raw = unpacked(part_of(alg, 2))
    for changed in (b"", raw[:-1], raw[1:], raw[:len(raw) // 2], raw + b"\0", b"\0" + raw, raw + raw, raw[::-1],
                    bytes(len(raw)), b"\xff" * len(raw)):
        holds(alg, with_part(alg, 2, packed(changed)))


@pytest.mark.parametrize("alg", ["RS256", "PS256"])
def test_an_rsa_signature_with_the_modulus_added(alg: str) -> None:
    modulus = rsa_key().public_key().public_numbers().n
    value = int.from_bytes(unpacked(part_of(alg, 2)), "big") + modulus
    for length in (256, 257):
        if value < 1 << 8 * length:
            holds(alg, with_part(alg, 2, packed(value.to_bytes(length, "big"))))


def test_an_edwards_signature_with_the_order_added() -> None:
    raw = unpacked(part_of("EdDSA", 2))
    value = int.from_bytes(raw[32:], "little") + ED25519_ORDER
    holds("EdDSA", with_part("EdDSA", 2, packed(raw[:32] + value.to_bytes(32, "little"))))


def _numbers(alg: str) -> tuple[int, int]:
    raw = unpacked(part_of(alg, 2))
    return int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")


@pytest.mark.parametrize(("more_r", "more_s"), [(P256_ORDER, 0), (0, P256_ORDER)])
def test_an_elliptic_signature_with_the_order_added(more_r: int, more_s: int) -> None:
    r, s = _numbers("ES256")
    for length in (32, 33):
        if max(r + more_r, s + more_s) < 1 << 8 * length:
            changed = b"".join(value.to_bytes(length, "big") for value in (r + more_r, s + more_s))
            holds("ES256", with_part("ES256", 2, packed(changed)))


def test_an_elliptic_signature_in_another_container() -> None:
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    holds("ES256", with_part("ES256", 2, packed(encode_dss_signature(*_numbers("ES256")))))


def test_the_twin_of_an_elliptic_signature_says_the_same_and_is_revoked_the_same() -> None:
    """ECDSA accepts (r, -s) with (r, s), and signers make either: the twin is a good signature of the same claims.

    Nobody gains by it, since nothing but those claims counts: not for the caller, nor for revocation.
    """
    r, s = _numbers("ES256")
    twin = with_part("ES256", 2, packed(r.to_bytes(32, "big") + (P256_ORDER - s).to_bytes(32, "big")))
    keys = jwks(jwk(ec_key(), "k1"))
    revoked: set[str] = set()
    one = authenticator(i1(algorithms=("ES256",), keys=keys), is_revoked=lambda token: token.token_id in revoked)
    asked = [asyncio.run(one.authenticate(request(f"Bearer {text}"))) for text in (good("ES256"), twin)]
    assert asked[0] == asked[1]
    revoked.add("t-alice")
    for text in (good("ES256"), twin):
        with pytest.raises(AuthenticationError):
            asyncio.run(one.authenticate(request(f"Bearer {text}")))
