"""One question to an introspection endpoint, with every bound that such a question needs (RFC 7662 section 2)."""

from __future__ import annotations

import asyncio
import base64
import zlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

import httpx

from iam_guard.errors import ConfigurationError, Fault
from iam_guard.identity.fetch import DEADLINE, FetchError, read_answer


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """How this service proves who it is to an issuer.

    Attributes:
        id: The client identifier; empty where the secret is an access token of its own.
        secret: The client secret, or that access token.

    Raises:
        ConfigurationError: the secret is missing: an endpoint that answers everybody lets tokens be guessed.
    """

    id: str
    secret: str

    def __post_init__(self) -> None:
        if not self.secret or not self.secret.isascii() or not self.secret.isprintable():
            raise ConfigurationError(Fault("there is no secret to ask with", "give the client's secret or token"))

    def header(self) -> str:
        """The ``Authorization`` field: Basic (RFC 6749 section 2.3.1), or Bearer without an identifier."""
        if not self.id:
            return f"Bearer {self.secret}"
        pair = f"{quote_plus(self.id)}:{quote_plus(self.secret)}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"

    def __repr__(self) -> str:
        return f"ClientSecret({self.id!r})"


async def ask(http: httpx.AsyncClient, url: str, token: bytes, client: ClientSecret, *,
              deadline: float = DEADLINE) -> dict[str, Any]:
    """Ask about *token*.

    Returns:
        The answer, a JSON object that nothing is known about yet.

    Raises:
        FetchError: the endpoint cannot be reached in time, answers anything but 200, or no JSON object.
    """
    try:
        async with asyncio.timeout(deadline):
            return await _post(http, url, token, client)
    except TimeoutError:
        raise FetchError(f"it did not answer within {deadline:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, zlib.error, ValueError, RecursionError) as error:
        raise FetchError(f"its answer cannot be read: {type(error).__name__}") from error


async def _post(http: httpx.AsyncClient, url: str, token: bytes, client: ClientSecret) -> dict[str, Any]:
    form = {"token": token.decode("latin-1"), "token_type_hint": "access_token"}
    headers = {"Accept": "application/json", "Accept-Encoding": "gzip", "Authorization": client.header()}
    async with http.stream("POST", url, data=form, headers=headers, follow_redirects=False) as response:
        if response.status_code != 200:
            raise FetchError(f"it answered {response.status_code}")
        return await read_answer(response)
