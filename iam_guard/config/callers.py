"""Who says who asks, as the settings have it: bearer tokens of issuers, signatures of access keys, or both."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from iam_guard.config.issuers import read_issuers
from iam_guard.config.place import Origin
from iam_guard.config.policies import directory_opener
from iam_guard.config.schema import SettingsFile
from iam_guard.directory.port import DirectoryStore
from iam_guard.directory.secrets import Secrets
from iam_guard.errors import ConfigurationError
from iam_guard.identity.access_keys import DirectoryAccessKeys
from iam_guard.identity.authenticator import Authenticator
from iam_guard.identity.jwt import JWTAuthenticator
from iam_guard.identity.one_credential import OneCredential
from iam_guard.identity.sigv4.authenticator import SigV4Authenticator
from iam_guard.identity.sigv4.rules import SignatureRules


def read_authenticator(settings: SettingsFile, origin: Origin,
                       environment: Mapping[str, str] = os.environ) -> Authenticator:
    """Make the one authenticator that the middleware asks.

    Raises:
        ConfigurationError: with everything that is wrong with these settings.
    """
    if settings.signed_requests is None:
        return JWTAuthenticator(read_issuers(settings.issuers, origin), realm=settings.realm)
    signed = _signed(settings, settings.signed_requests, origin, environment)
    if not settings.issuers:
        return OneCredential(signed)
    return OneCredential(JWTAuthenticator(read_issuers(settings.issuers, origin), realm=settings.realm), signed)


def _signed(settings: SettingsFile, rules: SignatureRules, origin: Origin,
            environment: Mapping[str, str]) -> SigV4Authenticator:
    opener = _opener(settings, origin)
    keys = DirectoryAccessKeys(opener, _secrets(origin, environment))
    return SigV4Authenticator(keys, rules, realm=settings.realm)


def _opener(settings: SettingsFile, origin: Origin) -> Callable[[], DirectoryStore]:
    if not settings.store:
        raise ConfigurationError(origin.fault("/signed_requests", "a folder of policies has no access keys",
                                              "move it into a directory, and write 'store: URL'"))
    return directory_opener(settings, origin)


def _secrets(origin: Origin, environment: Mapping[str, str]) -> Secrets:
    """What reveals secret access keys: the key ring is looked for now, and not at the first request."""
    try:
        from iam_guard.directory.hiding import HiddenSecrets, KeyRing
    except ModuleNotFoundError as missing:
        raise ConfigurationError(origin.fault("/signed_requests", f"'{missing.name}' is not installed",
                                              "pip install 'iam-guard[directory]'")) from None
    try:
        return HiddenSecrets(KeyRing.from_environment(environment))
    except ConfigurationError as refused:
        raise ConfigurationError(origin.placed(refused.faults, "/signed_requests")) from None
