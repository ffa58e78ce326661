"""Who says who asks, as the settings have it: tokens, signatures of access keys, and every other way together."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from iam_guard.asgi.lifespan import Part
from iam_guard.config.credential_settings import CredentialSettings
from iam_guard.config.credentials import credential_ways, read_metadata
from iam_guard.config.issuers import read_issuers
from iam_guard.config.place import Origin
from iam_guard.config.policies import directory_opener
from iam_guard.config.revocations import read_revocation_file
from iam_guard.config.schema import SettingsFile
from iam_guard.directory.port import DirectoryStore
from iam_guard.directory.session_secrets import SessionSecrets
from iam_guard.errors import ConfigurationError, Fault
from iam_guard.http.resource_metadata import ResourceMetadata
from iam_guard.identity.access_keys import DirectoryAccessKeys
from iam_guard.identity.authenticator import Authenticator
from iam_guard.identity.jwt import JWTAuthenticator
from iam_guard.identity.one_credential import OneCredential
from iam_guard.identity.replay import ReplayCache
from iam_guard.identity.revocation import RevocationFile
from iam_guard.identity.session_keys import SessionKeys
from iam_guard.identity.sigv4.authenticator import SigV4Authenticator
from iam_guard.identity.sigv4.rules import SignatureRules

if TYPE_CHECKING:
    from iam_guard.directory.hiding import KeyRing


@dataclass(frozen=True, slots=True)
class Callers:
    """Who says who asks, and what follows for answers.

    Attributes:
        authenticator: Asks the one way that a request uses.
        metadata: The protected resource metadata; ``None`` for none.
        vary: Request headers that identify the caller.
        parts: What has to be started and closed beside the authenticator.
        revocations: The list that every token is looked up in; ``None`` for none.
    """

    authenticator: Authenticator
    metadata: ResourceMetadata | None = None
    vary: tuple[str, ...] = ("Authorization",)
    parts: tuple[Part, ...] = ()
    revocations: RevocationFile | None = None


def read_callers(settings: SettingsFile, origin: Origin, environment: Mapping[str, str] = os.environ) -> Callers:
    """Make every way to say who, and the one authenticator that the middleware asks.

    Raises:
        ConfigurationError: with everything that is wrong with these settings.
    """
    metadata = read_metadata(settings)
    revocations = read_revocation_file(settings, origin)
    ways, signed_tokens, used = credential_ways(settings, origin, metadata.url if metadata else "", revocations)
    if settings.signed_requests is not None:
        ways.append(_signed(settings, settings.signed_requests, origin, environment, signed_tokens, used))
    api_keys = settings.credentials.api_keys
    vary = ("Authorization", api_keys.header) if api_keys else ("Authorization",)
    # A single way asks for itself. Where anonymous callers are welcome, it has to be seen that they sent nothing.
    alone = len(ways) == 1 and isinstance(ways[0], JWTAuthenticator) and not settings.allow_anonymous
    parts = tuple(one for one in (revocations, used) if one is not None)
    return Callers(ways[0] if alone else OneCredential(*ways), metadata, vary, parts, revocations)


def check_callers(settings: SettingsFile, origin: Origin) -> None:
    """Check what the settings say of callers; nothing is fetched, opened or decrypted.

    Raises:
        ConfigurationError: with everything that is wrong with these settings.
    """
    faults: list[Fault] = []
    if settings.signed_requests is not None:
        origin.attempt(faults, "", lambda: _opener(settings, origin))
    if settings.issuers or (settings.signed_requests is None and settings.credentials == CredentialSettings()):
        origin.attempt(faults, "", lambda: read_issuers(settings.issuers, origin))
    if faults:
        raise ConfigurationError(faults)


def _signed(settings: SettingsFile, rules: SignatureRules, origin: Origin, environment: Mapping[str, str],
            signed_tokens: JWTAuthenticator | None, used: ReplayCache | None) -> SigV4Authenticator:
    opener = _opener(settings, origin)
    ring = _key_ring(origin, environment)
    from iam_guard.directory.hiding import HiddenSecrets

    temporary = None if signed_tokens is None else SessionKeys(signed_tokens, SessionSecrets(lambda: ring))
    return SigV4Authenticator(DirectoryAccessKeys(opener, HiddenSecrets(ring)), rules, temporary=temporary,
                              used=used, realm=settings.realm)


def _opener(settings: SettingsFile, origin: Origin) -> Callable[[], DirectoryStore]:
    if not settings.store:
        raise ConfigurationError(origin.fault("/signed_requests", "a folder of policies has no access keys",
                                              "move it into a directory, and write 'store: URL'"))
    return directory_opener(settings, origin)


def _key_ring(origin: Origin, environment: Mapping[str, str]) -> KeyRing:
    """What reveals secret access keys: it is looked for now, and not at the first request."""
    try:
        from iam_guard.directory.hiding import KeyRing
    except ModuleNotFoundError as missing:
        raise ConfigurationError(origin.fault("/signed_requests", f"'{missing.name}' is not installed",
                                              "pip install 'iam-guard[directory]'")) from None
    try:
        return KeyRing.from_environment(environment)
    except ConfigurationError as refused:
        raise ConfigurationError(origin.placed(refused.faults, "/signed_requests")) from None
