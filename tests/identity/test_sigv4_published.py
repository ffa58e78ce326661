"""AWS's published examples of Signature Version 4: the test suite, and those of the S3 and IAM references."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from hashlib import sha256

import pytest
from signing import STRICT, Keys, ask, body_of, door, scope_of, sent

from iam_guard.errors import AuthenticationError
from iam_guard.http.edge import EdgeSettings
from iam_guard.http.request import HTTPRequest
from iam_guard.identity.access_keys import KnownKey
from iam_guard.identity.sigv4.rules import SignatureRules
from iam_guard.model import Principal

SUITE_SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
NOON = 1440938160.0  # 2015-08-30, 12:36 UTC
EVE = Principal.user("example")
SUITE_KEYS = (KnownKey("AKIDEXAMPLE", SUITE_SECRET, EVE),)
SUITE = SignatureRules("us-east-1", "service")
SUITE_SCOPE = "AKIDEXAMPLE/20150830/us-east-1/service/aws4_request"
EVERY_LETTER = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Example:
    """One request and its signature; the host and the date are the same for all of the suite."""

    name: str
    signature: str
    target: str = "/"
    more: tuple[tuple[str, str], ...] = ()
    method: str = "GET"
    body: bytes = b""


VANILLA = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
POSTED = "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
SUITE_EXAMPLES = [
    Example("vanilla", VANILLA),
    Example("a header three times", "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
            more=(("my-header1", "value2"), ("my-header1", "value2"), ("my-header1", "value1"))),
    Example("values keep their order", "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
            more=tuple(("my-header1", f"value{number}") for number in (4, 1, 3, 2))),
    Example("blanks are folded", "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
            more=(("my-header1", " value1"), ("my-header2", ' "a   b   c"'))),
    Example("unreserved letters in the path", "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
            target=f"/{EVERY_LETTER}"),
    Example("a parameter", "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb", "/?Param1=value1"),
    Example("encoded names are ordered", "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
            "/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1"),
    Example("names are ordered", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            "/?Param2=value2&Param1=value1"),
    Example("capitals come first", "eedbc4e291e521cf13422ffca22be7d2eb8146eecf653089df300a15b2382bd1",
            "/?Param1=value2&Param1=Value1"),
    Example("values are ordered", "5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694",
            "/?Param1=value2&Param1=value1"),
    Example("unreserved letters in the query", "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
            f"/?{EVERY_LETTER}={EVERY_LETTER}"),
    Example("a dollar in the path", "a853c9b21b528b19643d00910d35b83a10c366a10833ceefb45edd6c80e40f27",
            "/example/$delete"),
    Example("posted", POSTED, method="POST"),
    Example("a small letter", "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c", method="POST",
            more=(("my-header1", "value1"),)),
    Example("a capital value", "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d", method="POST",
            more=(("my-header1", "VALUE1"),)),
    Example("posted with a parameter", "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
            "/?Param1=value1", method="POST"),
    Example("a form", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a", method="POST",
            more=(("content-type", FORM),), body=b"Param1=value1"),
    Example("a form and its alphabet", "1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe",
            method="POST", more=(("content-type", f"{FORM}; charset=utf8"),), body=b"Param1=value1"),
]
NORMALIZED = [
    Example("up twice", VANILLA, "/example1/example2/../.."), Example("up", VANILLA, "/example/.."),
    Example("here", VANILLA, "/./"), Example("two slashes", VANILLA, "//"),
    Example("here first", "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5", "/./example"),
    Example("slashes all over", "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84", "//example//"),
]


def authorization(credential: str, names: str, signature: str) -> tuple[str, str]:
    return "authorization", f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"


def suite_scope(example: Example) -> tuple[list[tuple[str, str]], str]:
    headers = [("host", "example.amazonaws.com"), *example.more, ("x-amz-date", "20150830T123600Z")]
    names = ";".join(sorted({name for name, _ in headers}))
    return [*headers, authorization(SUITE_SCOPE, names, example.signature)], names


def suite_ask(example: Example, edge: EdgeSettings = STRICT) -> Principal | None:
    headers, _ = suite_scope(example)
    path, mark, query = example.target.partition("?")
    one = scope_of(example.method, f"https://example.amazonaws.com{mark}{query}", headers, example.body)
    one.update(path=path, raw_path=path.encode())  # no parser of URLs between the example and us
    return ask(one, rules=SUITE, keys=Keys(*SUITE_KEYS), edge=edge)


@pytest.mark.parametrize("example", SUITE_EXAMPLES, ids=lambda example: example.name)
def test_the_suite(example: Example) -> None:
    assert suite_ask(example) is EVE


@pytest.mark.parametrize("example", SUITE_EXAMPLES, ids=lambda example: example.name)
def test_the_suite_with_another_signature(example: Example) -> None:
    other = example.signature[:-1] + ("0" if example.signature[-1] != "0" else "1")
    with pytest.raises(AuthenticationError, match="wrong"):
        suite_ask(replace(example, signature=other))


@pytest.mark.parametrize("example", NORMALIZED, ids=lambda example: example.name)
def test_the_suite_where_paths_are_resolved(example: Example) -> None:
    assert suite_ask(example, EdgeSettings(path_mode="normalize")) is EVE


@pytest.mark.parametrize(("target", "query", "signature"), [
    ("/\u1234", "", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
    ("/example space/", "", "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"),
    ("/", "\u1234=bar", "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"),
])
def test_the_suite_where_no_server_would_let_it_through(target: str, query: str, signature: str) -> None:
    headers, _ = suite_scope(Example("", signature))
    request = HTTPRequest(raw_path=target.encode(), path=target, query_string=query.encode(), body=body_of([b""]),
                          headers=tuple((name.encode(), value.encode()) for name, value in headers))
    authenticator = door(SUITE, keys=Keys(*SUITE_KEYS), now=NOON)
    assert asyncio.run(authenticator.authenticate(request)) is EVE


SESSION_TOKEN = (
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwt"
    "hAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVX"
    "AkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==")


class Sessions:
    """Knows one session."""

    async def find(self, access_key_id: str, session_token: str) -> KnownKey | None:
        return SUITE_KEYS[0] if (access_key_id, session_token) == ("AKIDEXAMPLE", SESSION_TOKEN) else None


def test_a_session_token_that_is_signed() -> None:
    example = Example("", "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead", method="POST",
                      more=(("x-amz-security-token", SESSION_TOKEN),))
    headers, names = suite_scope(example)
    assert names == "host;x-amz-date;x-amz-security-token"
    one = scope_of("POST", "https://example.amazonaws.com/", headers)
    assert ask(one, rules=SUITE, keys=Keys(*SUITE_KEYS), temporary=Sessions()) is EVE
    with pytest.raises(AuthenticationError, match="no such access key"):
        ask(one, rules=SUITE, keys=Keys(*SUITE_KEYS))


def test_a_session_token_that_is_added_after_signing_is_refused() -> None:
    """AWS leaves this to its services; here everything that says who asks has to be signed."""
    headers, _ = suite_scope(Example("", POSTED, method="POST"))
    one = scope_of("POST", "https://example.amazonaws.com/", [*headers, ("x-amz-security-token", SESSION_TOKEN)])
    with pytest.raises(AuthenticationError, match="does not cover x-amz-security-token"):
        ask(one, rules=SUITE, keys=Keys(*SUITE_KEYS), temporary=Sessions())


def test_the_example_of_the_iam_reference() -> None:
    names = "content-type;host;x-amz-date"
    signature = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    one = scope_of("GET", "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08", [
        ("host", "iam.amazonaws.com"), ("content-type", f"{FORM}; charset=utf-8"), ("x-amz-date", "20150830T123600Z"),
        authorization("AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request", names, signature)])
    assert ask(one, rules=SignatureRules("us-east-1", "iam"), keys=Keys(*SUITE_KEYS)) is EVE


# --- S3 -----------------------------------------------------------------------------------------------------

S3 = SignatureRules("us-east-1", "s3", presigned=True, max_presigned=86_400, signed_chunks=True)
BUCKET = "examplebucket.s3.amazonaws.com"
S3_SCOPE = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"
DAY = "20130524T000000Z"
NOTHING = sha256(b"").hexdigest()


@pytest.mark.parametrize(("method", "target", "more", "body", "signature"), [
    ("GET", "/test.txt", [("range", "bytes=0-9")], b"",
     "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
    ("PUT", "/test%24file.text", [("date", "Fri, 24 May 2013 00:00:00 GMT"),
                                  ("x-amz-storage-class", "REDUCED_REDUNDANCY")], b"Welcome to Amazon S3.",
     "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"),
    ("GET", "/?lifecycle", [], b"", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
    ("GET", "/?max-keys=2&prefix=J", [], b"", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
])
def test_the_examples_of_the_s3_reference(method: str, target: str, more: list[tuple[str, str]], body: bytes,
                                          signature: str) -> None:
    headers = [("host", BUCKET), *more, ("x-amz-content-sha256", sha256(body).hexdigest()), ("x-amz-date", DAY)]
    names = ";".join(sorted(name for name, _ in headers))
    # Written without blanks, as that reference has it.
    written = authorization(S3_SCOPE, names, signature)[1].replace(", ", ",")
    one = scope_of(method, f"https://{BUCKET}{target}", [*headers, ("authorization", written)], body)
    assert ask(one, rules=S3) is not None
    with pytest.raises(AuthenticationError, match="another than was signed"):
        ask(sent(one, [body + b"!"]), rules=S3)


def test_the_presigned_example_of_the_s3_reference() -> None:
    credential = S3_SCOPE.replace("/", "%2F")
    one = scope_of("GET", f"https://{BUCKET}/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}"
                   f"&X-Amz-Date={DAY}&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature="
                   "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404", [])
    assert ask(one, rules=S3, at=86_400) is not None
    with pytest.raises(AuthenticationError, match="not made now"):
        ask(one, rules=S3, at=86_401)


CHUNK_SIGNATURES = ("ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
                    "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
                    "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9")


def chunks_of_the_example() -> bytes:
    contents = (b"a" * 65536, b"a" * 1024, b"")
    return b"".join(b"%x;chunk-signature=%s\r\n%s\r\n" % (len(content), signature.encode(), content)
                    for content, signature in zip(contents, CHUNK_SIGNATURES, strict=True))


def example_in_chunks(body: bytes, pieces: list[bytes] | None = None) -> object:
    headers = [("host", "s3.amazonaws.com"), ("x-amz-date", DAY), ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
               ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), ("content-encoding", "aws-chunked"),
               ("x-amz-decoded-content-length", "66560"), ("content-length", "66824")]
    names = ";".join(sorted(name for name, _ in headers))
    one = scope_of("PUT", "https://s3.amazonaws.com/examplebucket/chunkObject.txt", [*headers, authorization(
        S3_SCOPE, names, "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9")])
    return sent(one, pieces or [body])


def test_the_example_in_chunks_of_the_s3_reference() -> None:
    body = chunks_of_the_example()
    assert len(body) == 66824
    assert ask(example_in_chunks(body), rules=S3) is not None  # type: ignore[arg-type]
    with pytest.raises(AuthenticationError, match="not accepted here"):
        ask(example_in_chunks(body), rules=replace(S3, signed_chunks=False))  # type: ignore[arg-type]
