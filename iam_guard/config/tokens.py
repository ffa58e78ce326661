"""A token service, put together: its directory by URL, its guard on the same directory, its keys in a file."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from starlette.applications import Starlette

from iam_guard.config.directory import SecretsOf, session_secrets_of
from iam_guard.directory.port import DirectoryStore
from iam_guard.guard import Guard
from iam_guard.identity.access_keys import DirectoryAccessKeys
from iam_guard.store.following import DirectoryPolicyStore
from iam_guard.store.refresh import PolicyRefresher
from iam_guard.store.urls import open_store
from iam_guard.sts.app import token_app
from iam_guard.sts.key_file import SigningKeyFile
from iam_guard.sts.last_used import LastUsed
from iam_guard.sts.mfa import MFADevices
from iam_guard.sts.service import TokenService
from iam_guard.sts.web_identity import WebIdentities, WebIdentityProvider


@contextmanager
def opened_token_service(url: str, *, issuer: str, audience: tuple[str, ...], keys: str | Path,
                         environment: Mapping[str, str] = os.environ,
                         clock: Callable[[], float] = time.time) -> Iterator[TokenService]:
    """Open a directory and give sessions on it by its policies as they are now, for a moment.

    Args:
        url: Of the directory's store.
        issuer: The name of the token service.
        audience: What its tokens are for.
        keys: The file with the signing keys.
        environment: Says where the keys are that secrets of sessions are made with.
        clock: Seconds since the epoch.

    Raises:
        ConfigurationError: there is no such kind of store, or what is there is none.
        UnavailableError: the store cannot be reached.
    """
    store = open_store(url)
    policies = DirectoryPolicyStore(lambda: store)
    try:
        refresher = PolicyRefresher(policies)
        refresher.load()
        guard = Guard(refresher, clock=lambda: datetime.fromtimestamp(clock(), UTC))
        yield TokenService(guard, store, issuer=issuer, audience=audience, keys=SigningKeyFile(keys), clock=clock,
                           secrets=session_secrets_of(environment))
    finally:
        store.close()


def make_token_app(url: str, *, issuer: str, audience: str | Sequence[str], keys: str | Path,
                   providers: Sequence[WebIdentityProvider] = (), devices: MFADevices | None = None,
                   environment: Mapping[str, str] = os.environ, clock: Callable[[], float] = time.time) -> Starlette:
    """The token service of a directory as an ASGI application.

    Args:
        url: Of the directory's store.
        issuer: The URL that the application is served at.
        audience: What its tokens are for.
        keys: The file with the signing keys.
        providers: Other issuers whose tokens open roles.
        devices: Know second factors.
        environment: Says where the keys are that hide secret access keys, and make those of sessions.
        clock: Seconds since the epoch.

    Raises:
        ConfigurationError: there is no such kind of store, or what is there is none.
        UnavailableError: the store cannot be reached.
    """
    store = open_store(url)
    policies = DirectoryPolicyStore(lambda: open_store(url))
    refresher = PolicyRefresher(policies)
    refresher.check()
    used = LastUsed(store, issuer, clock=clock)
    service = TokenService(
        Guard(refresher, clock=lambda: datetime.fromtimestamp(clock(), UTC)), store, issuer=issuer,
        audience=(audience,) if isinstance(audience, str) else tuple(audience), keys=SigningKeyFile(keys),
        devices=devices, clock=clock, secrets=session_secrets_of(environment), used=used.role)
    return token_app(
        service, DirectoryAccessKeys(lambda: open_store(url), SecretsOf(environment)), clock=clock,
        identities=WebIdentities(providers, clock=clock) if providers else None,
        used=used.access_key, background=(_Opened(store, policies), refresher, used))


class _Opened:
    """Lets go of the directory at the end."""

    def __init__(self, store: DirectoryStore, policies: DirectoryPolicyStore) -> None:
        self._store, self._policies = store, policies

    async def start(self) -> None:
        """Everything is open already."""

    async def close(self) -> None:
        """Close both ways to the directory."""
        await asyncio.to_thread(self._store.close)
        await asyncio.to_thread(self._policies.disconnect)
