"""Bodies in chunks with a checksum after them: AWS's published example, and what botocore's own wrapper sends."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import re
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.httpchecksum import AwsChunkedWrapper, Crc32Checksum, Sha1Checksum, Sha256Checksum
from signing import HOST, KEY, REGION, RULES, SECRET, SERVICE, Sent, door, scope_of, sent, with_body

from iam_guard.asgi.body import HeldBody
from iam_guard.errors import AuthenticationError, RequestRefusedError
from iam_guard.identity.sigv4.rules import SignatureRules

S3 = SignatureRules("us-east-1", "s3", signed_chunks=True)
UNSIGNED = replace(RULES, unsigned_payload=True)
BY_S3 = ("content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;"
         "x-amz-storage-class;x-amz-trailer")
CHUNK_SIGNATURES = ("b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
                    "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
                    "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992")
TRAILER = (b"x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:"
           b"d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n")
CONTENT = b"a" * 66_560


def example(trailer: bytes = TRAILER, pieces: int = 1 << 20) -> Sent:
    """The example of "Transferring payload in multiple chunks with trailing headers"."""
    head = [b"%x;chunk-signature=%s\r\n" % (size, one.encode())
            for size, one in zip((65_536, 1024, 0), CHUNK_SIGNATURES, strict=True)]
    body = head[0] + b"a" * 65_536 + b"\r\n" + head[1] + b"a" * 1024 + b"\r\n" + head[2] + trailer
    return sent(scope_of("PUT", "https://s3.amazonaws.com/examplebucket/chunkObject.txt", [
        ("host", "s3.amazonaws.com"), ("x-amz-date", "20130524T000000Z"), ("content-encoding", "aws-chunked"),
        ("x-amz-storage-class", "REDUCED_REDUNDANCY"), ("x-amz-decoded-content-length", "66560"),
        ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"),
        ("x-amz-trailer", "x-amz-checksum-crc32c"), ("content-length", str(len(body))),
        ("authorization", f"AWS4-HMAC-SHA256 Credential={KEY}/20130524/us-east-1/s3/aws4_request,"
         f"SignedHeaders={BY_S3},Signature=106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"),
    ]), [body[at:at + pieces] for at in range(0, len(body), pieces)])


def received(one: Sent, rules: SignatureRules) -> tuple[bytes, dict[str, str]]:
    """The body and the headers that an application gets."""
    got, headers = bytearray(), {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers.update({name.decode(): value.decode() for name, value in scope["headers"]})
        more = True
        while more:
            message = await receive()
            assert message["type"] == "http.request"
            got.extend(message["body"])
            more = message["more_body"]

    async def run() -> None:
        request = with_body(one)
        assert await door(rules, now=one.made).authenticate(request) is not None
        assert isinstance(request.body, HeldBody)
        await request.body.run(app, one, None)  # type: ignore[arg-type]

    asyncio.run(run())
    return bytes(got), headers


def refusal(one: Sent, rules: SignatureRules) -> str:
    with pytest.raises((AuthenticationError, RequestRefusedError)) as refused:
        received(one, rules)
    return getattr(refused.value, "detail", "") or str(refused.value)


# --- signed -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pieces", [1 << 20, 1000, 77])
def test_the_published_example(pieces: int) -> None:
    content, headers = received(example(pieces=pieces), S3)
    assert content == CONTENT
    assert headers["content-length"] == "66560"
    assert not {"content-encoding", "x-amz-trailer", "x-amz-decoded-content-length"} & headers.keys()


@pytest.mark.parametrize("trailer", [
    b"", b"\r\n", TRAILER[:-2], TRAILER[:-1], TRAILER + b"\r\n", TRAILER + b"0",
    TRAILER.replace(b"sOO8/Q==", b"sOO8/A=="), TRAILER.replace(b"crc32c:", b"crc32:"),
    TRAILER.replace(b"d81f", b"d81e"), re.sub(rb"x-amz-trailer-signature.*?\r\n", b"", TRAILER),
    b"x-amz-storage-class:STANDARD\r\n" + TRAILER, TRAILER.replace(b":", b""), b"x:" + b"y" * 2000 + b"\r\n" + TRAILER,
    b"".join(line + b"\r\n" for line in reversed(TRAILER.split(b"\r\n")[:2])) + b"\r\n",
])
def test_another_trailer_than_was_signed(trailer: bytes) -> None:
    assert refusal(example(trailer), S3)


def test_a_signed_trailer_is_off_by_default() -> None:
    assert "not accepted here" in refusal(example(), replace(S3, signed_chunks=False))


# --- not signed ---------------------------------------------------------------------------------------------

KINDS: dict[str, Callable[[bytes], bytes]] = {
    "crc32": lambda body: zlib.crc32(body).to_bytes(4, "big"),
    "sha1": lambda body: hashlib.sha1(body).digest(), "sha256": lambda body: hashlib.sha256(body).digest()}
BOTOCORES = {"crc32": Crc32Checksum, "sha1": Sha1Checksum, "sha256": Sha256Checksum}


def unsigned(kind: str, content: bytes, *, body: bytes | None = None, **changes: str) -> Sent:
    """What botocore sends where the payload is not signed: its own wrapper around the body, its own signer."""
    name = f"x-amz-checksum-{kind}"
    checksum = BOTOCORES.get(kind, Crc32Checksum)()
    wrapped = AwsChunkedWrapper(io.BytesIO(content), checksum_cls=lambda: checksum, checksum_name=name, chunk_size=1000)
    body = wrapped.read() if body is None else body
    request = AWSRequest(method="PUT", url=f"https://{HOST}/orders/7", data=b"", headers={
        "Content-Encoding": "aws-chunked", "X-Amz-Content-SHA256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "X-Amz-Trailer": name, "X-Amz-Decoded-Content-Length": str(len(content)), **changes})
    SigV4Auth(Credentials(KEY, SECRET), SERVICE, REGION).add_auth(request)
    return scope_of("PUT", request.url, request.headers.items(), body)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [0, 1, 999, 1000, 2500])
def test_what_botocore_sends(kind: str, size: int) -> None:
    content = bytes(range(256)) * 10
    one = unsigned(kind, content[:size])
    assert base64.b64encode(KINDS[kind](content[:size])) in one.pieces[0]
    assert received(one, UNSIGNED)[0] == content[:size]


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_seen(kind: str) -> None:
    one = unsigned(kind, b"hello" * 300)
    assert "checksum" in refusal(sent(one, [one.pieces[0].replace(b"hello", b"jello", 1)]), UNSIGNED)


def test_it_is_off_by_default_and_with_signed_chunks_alone() -> None:
    for rules in (RULES, replace(RULES, signed_chunks=True)):
        assert "not accepted here" in refusal(unsigned("crc32", b"hello"), rules)


@pytest.mark.parametrize("kind", ["crc64nvme", "crc32c", "md5"])
def test_a_checksum_that_is_not_known_protects_nothing(kind: str) -> None:
    assert "not checked here" in refusal(unsigned(kind, b"hello"), UNSIGNED)


@pytest.mark.parametrize("announced", ["", "x-amz-checksum-crc32,x-amz-checksum-sha1", "x-amz-meta-a", "content-type",
                                       "x-amz-checksum-"])
def test_one_checksum_is_announced(announced: str) -> None:
    assert "does not announce" in refusal(unsigned("crc32", b"hello", **{"X-Amz-Trailer": announced}), UNSIGNED)


GOOD = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"


def test_the_bytes_of_a_body_by_hand() -> None:
    assert base64.b64decode("NhCmhg==") == zlib.crc32(b"hello").to_bytes(4, "big")
    assert received(unsigned("crc32", b"hello", body=GOOD), UNSIGNED)[0] == b"hello"


@pytest.mark.parametrize("body", [
    GOOD[:-2], GOOD[:-4], b"5\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n0\r\n", b"5\r\nhello\r\n", b"", GOOD + b"x",
    GOOD.replace(b"5\r\n", b"4\r\n"), GOOD.replace(b"5\r\n", b"6\r\n"), GOOD.replace(b"5\r\n", b"+5\r\n"),
    GOOD.replace(b"5\r\n", b"05\r\n"), GOOD.replace(b"5\r\n", b"5;a=b\r\n"), GOOD.replace(b"\r\n", b"\n"),
    GOOD.replace(b"0\r\n", b"0\r\n\r\n"), b"5\r\nhello\r\n" + GOOD,
])
def test_bodies_that_are_cut_off_or_written_otherwise(body: bytes) -> None:
    assert refusal(unsigned("crc32", b"hello", body=body), UNSIGNED)


def test_a_chunk_is_no_larger_than_is_held() -> None:
    assert "too large" in refusal(unsigned("crc32", b"x" * 1000), replace(UNSIGNED, held_bytes=999))
