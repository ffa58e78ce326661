"""The section ``tokens`` to a token service that the sidecar can serve."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from functools import partial

from starlette.applications import Starlette

from iam_guard.asgi.types import ASGIApp
from iam_guard.config.issuers import read_issuer_at
from iam_guard.config.place import Origin
from iam_guard.config.schema import ProviderSettings, TokenServiceSettings
from iam_guard.config.tokens import make_token_app
from iam_guard.errors import ConfigurationError, Fault, UnavailableError
from iam_guard.sts.key_file import SigningKeyFile
from iam_guard.sts.web_identity import WebIdentityProvider


def make_token_door(told: TokenServiceSettings, url: str, origin: Origin) -> tuple[ASGIApp, ApplicationPart]:
    """The application, and what has to be started with it.

    Args:
        told: The section.
        url: Of the directory.
        origin: Where the settings stand.

    Raises:
        ConfigurationError: with everything that is wrong with the section.
        UnavailableError: the directory cannot be reached.
    """
    check_token_settings(told, origin)
    app = make_token_app(url, issuer=told.issuer, audience=told.audience, keys=origin.path(told.keys),
                         providers=_providers(told, origin))
    return app, ApplicationPart(app)


def check_token_settings(told: TokenServiceSettings, origin: Origin) -> None:
    """Check the section; nothing is opened.

    Raises:
        ConfigurationError: with everything that is wrong with it.
    """
    faults: list[Fault] = []
    origin.attempt(faults, "", lambda: _providers(told, origin))
    keys = origin.path(told.keys)
    if keys.is_file():
        faults += _faults_of(SigningKeyFile(keys), origin)
    else:
        faults.append(origin.fault("/tokens/keys", f"there is no file '{keys}'",
                                   f"make it with 'iam-guard token keys --keys {told.keys} --new'"))
    if faults:
        raise ConfigurationError(faults)


def _faults_of(keys: SigningKeyFile, origin: Origin) -> list[Fault]:
    """What keeps the keys from being read."""
    try:
        _ = keys.current
    except UnavailableError as refused:
        return [origin.fault("/tokens/keys", str(refused), "let this process alone read the file")]
    return []


def _providers(told: TokenServiceSettings, origin: Origin) -> tuple[WebIdentityProvider, ...]:
    """Make the providers.

    Raises:
        ConfigurationError: with everything that is wrong with any of them.
    """
    faults: list[Fault] = []
    found = [origin.attempt(faults, "", partial(_provider, one, origin, f"/tokens/providers/{place}"))
             for place, one in enumerate(told.providers)]
    if faults:
        raise ConfigurationError(faults)
    return tuple(one for one in found if one is not None)


def _provider(told: ProviderSettings, origin: Origin, at: str) -> WebIdentityProvider:
    issuer = read_issuer_at(told.issuer, origin, f"{at}/issuer")
    try:
        return WebIdentityProvider(issuer, frozenset(told.accounts))
    except ConfigurationError as refused:
        raise ConfigurationError(origin.placed(refused.faults, f"{at}/issuer")) from None


class ApplicationPart:
    """An application's own start and end, for a server that serves several applications.

    Args:
        app: The application.
    """

    def __init__(self, app: Starlette) -> None:
        self._app = app
        self._running: AbstractAsyncContextManager[object] | None = None

    async def start(self) -> None:
        """Start what it starts."""
        running = self._app.router.lifespan_context(self._app)
        await running.__aenter__()
        self._running = running

    async def close(self) -> None:
        """End what it started."""
        running, self._running = self._running, None
        if running is not None:
            await running.__aexit__(None, None, None)
