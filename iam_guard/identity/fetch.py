"""Fetching a small JSON document from an identity provider, with every bound that such a fetch needs."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx

from iam_guard.identity.strict_json import read_object

#: Longest answer, after decompression.
MAX_ANSWER = 256 * 1024
#: Seconds that one fetch may take, redirects included.
DEADLINE = 5.0
MAX_REDIRECTS = 3

_MAX_AGE = re.compile(r"(?:^|[,\s])max-age=\"?(\d{1,9})(?!\d)", re.ASCII | re.IGNORECASE)


class FetchError(Exception):
    """A document could not be had; the text is for the log."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A document that was fetched.

    Attributes:
        document: The JSON object.
        max_age: Seconds it may be kept, as its ``Cache-Control`` says; ``None`` when that is silent.
    """

    document: dict[str, Any]
    max_age: float | None


def new_client() -> httpx.AsyncClient:
    """A client for :func:`fetch_json`. Making one costs a tenth of a second: make it once."""
    return httpx.AsyncClient(timeout=DEADLINE, follow_redirects=False)


async def fetch_json(http: httpx.AsyncClient, url: str, *, deadline: float = DEADLINE) -> Answer:
    """Fetch *url* and read it as one JSON object.

    Redirects are followed within the origin only: another origin is another issuer's word.

    Raises:
        FetchError: it cannot be reached in time, answers anything but 200, is too long, or is not JSON.
    """
    try:
        async with asyncio.timeout(deadline):
            return await _follow(http, httpx.URL(url))
    except TimeoutError:
        raise FetchError(f"'{url}' did not answer within {deadline:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, zlib.error, ValueError, RecursionError) as error:
        raise FetchError(f"'{url}' cannot be read: {type(error).__name__}") from error


async def _follow(http: httpx.AsyncClient, url: httpx.URL) -> Answer:
    for _ in range(MAX_REDIRECTS + 1):
        headers = {"Accept": "application/json, application/jwk-set+json", "Accept-Encoding": "gzip"}
        async with http.stream("GET", url, headers=headers, follow_redirects=False) as response:
            if response.has_redirect_location:
                url = _same_origin(url, url.join(response.headers["Location"]))
                continue
            if response.status_code != 200:
                raise FetchError(f"'{url}' answered {response.status_code}")
            document = await read_answer(response)
            return Answer(document, _max_age(response.headers.get("Cache-Control", "")))
    raise FetchError(f"'{url}' redirects too often")


def _same_origin(url: httpx.URL, target: httpx.URL) -> httpx.URL:
    if origin(target) != origin(url):
        raise FetchError(f"'{url}' redirects to another origin")
    return target


def origin(url: httpx.URL) -> tuple[str, str, int | None]:
    """Scheme, host and port of *url* (RFC 6454 section 4)."""
    return url.scheme, url.host, url.port or {"https": 443, "http": 80}.get(url.scheme)


async def read_answer(response: httpx.Response) -> dict[str, Any]:
    """Read the body of *response*, which nobody has begun to read, as one JSON object.

    Raises:
        FetchError: it is too long, or in an encoding that was not asked for.
        ValueError: it is no JSON object.
    """
    return read_object(await _read_body(response))


async def _read_body(response: httpx.Response) -> bytes:
    body = bytearray()
    async for piece in _decompressed(response):
        body += piece
        if len(body) > MAX_ANSWER:
            raise FetchError(f"'{response.url}' is longer than {MAX_ANSWER} bytes")
    return bytes(body)


async def _decompressed(response: httpx.Response) -> AsyncIterator[bytes]:
    # httpx would inflate a whole network read before anybody could count it.
    encoding = response.headers.get("Content-Encoding", "identity").lower()
    if encoding == "identity":
        async for raw in response.aiter_raw():
            yield raw
    elif encoding in ("gzip", "deflate"):
        inflate = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
        async for raw in response.aiter_raw():
            yield inflate.decompress(raw, MAX_ANSWER + 1)
            if inflate.unconsumed_tail:
                raise FetchError(f"'{response.url}' is longer than {MAX_ANSWER} bytes")
    else:
        raise FetchError(f"'{response.url}' is encoded as was not asked for")


def _max_age(cache_control: str) -> float | None:
    found = _MAX_AGE.search(cache_control)
    return float(found[1]) if found else None
