"""From an issuer's configuration to the source of its keys: written down, in a file, or fetched."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx

from iam_guard.errors import ConfigurationError, Fault
from iam_guard.identity.discovery import discover_jwks_url
from iam_guard.identity.fetch import FetchError, fetch_json
from iam_guard.identity.issuer import Issuer, check_usable, is_symmetric
from iam_guard.identity.jwks import (
    DEFAULT_REFRESH,
    Clock,
    FetchedKeys,
    KeySource,
    RefreshingKeys,
    RefreshSettings,
    StaticKeys,
)
from iam_guard.identity.keys import KeyRefusedError, read_jwks
from iam_guard.identity.strict_json import read_object


def open_key_source(
    issuer: Issuer, *, http: httpx.AsyncClient | None, clock: Clock, settings: RefreshSettings = DEFAULT_REFRESH
) -> KeySource:
    """Make the source of the keys of *issuer*.

    Args:
        issuer: Whose keys.
        http: The client to fetch with; needed when :func:`is_fetched`.
        clock: Seconds.
        settings: Times of the life cycle.

    Raises:
        ConfigurationError: the key file cannot be read or holds no usable key.
    """
    if issuer.inline_keys is not None:
        return StaticKeys(issuer.inline_keys)
    if issuer.jwks_file:
        in_file = KeyFile(issuer)
        source = RefreshingKeys(in_file.fetch, name=issuer.issuer, clock=clock, settings=settings)
        source.adopt(in_file.first())
        return source
    if http is None:
        raise ConfigurationError(Fault("keys cannot be fetched without a client", "give 'http'"))
    return RefreshingKeys(KeyAddress(issuer, http).fetch, name=issuer.issuer, clock=clock, settings=settings)


def is_fetched(issuer: Issuer) -> bool:
    """Whether the keys of *issuer* come over the network."""
    return bool(issuer.jwks_url or issuer.discovery)


class KeyFile:
    """A key set in a local file."""

    def __init__(self, issuer: Issuer) -> None:
        self._issuer, self._path = issuer, Path(issuer.jwks_file)

    def read(self) -> FetchedKeys:
        """Read the file.

        Raises:
            OSError: it cannot be opened.
            ValueError: it is no JSON object, or no usable key set.
        """
        table = self._issuer.algorithm_table
        keys = read_jwks(read_object(self._path.read_bytes()), symmetric=is_symmetric(table),
                         use=self._issuer.key_use)
        check_usable(keys, table)
        return FetchedKeys(keys, max_age=0)

    def first(self) -> FetchedKeys:
        """Read the file at the start, when a mistake in it is somebody's to mend.

        Raises:
            ConfigurationError: it cannot be used.
        """
        try:
            return self.read()
        except (OSError, ValueError, RecursionError) as error:
            reason = str(error) if isinstance(error, KeyRefusedError) else type(error).__name__
            raise ConfigurationError(
                Fault(f"the key file cannot be used: {reason}", "write a JSON Web Key set", file=str(self._path))
            ) from error

    async def fetch(self) -> FetchedKeys:
        """Read the file again, off the event loop."""
        return await asyncio.to_thread(self.read)


class KeyAddress:
    """A key set at a URL, which discovery may have to find first."""

    def __init__(self, issuer: Issuer, http: httpx.AsyncClient) -> None:
        self._issuer, self._http, self._url = issuer, http, issuer.jwks_url

    async def fetch(self) -> FetchedKeys:
        """Fetch the set; after a failure the next fetch asks discovery again.

        Raises:
            FetchError: it cannot be had.
            KeyRefusedError: it holds no usable key.
        """
        try:
            answer = await fetch_json(self._http, self._url or await self._discover())
        except FetchError:
            self._url = self._issuer.jwks_url
            raise
        keys = read_jwks(answer.document, use=self._issuer.key_use)
        check_usable(keys, self._issuer.algorithm_table)
        return FetchedKeys(keys, answer.max_age)

    async def _discover(self) -> str:
        issuer = self._issuer
        self._url = await discover_jwks_url(
            self._http, issuer.issuer, origins=issuer.jwks_origins, allow_http=issuer.allow_http
        )
        return self._url
