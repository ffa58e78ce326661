"""The ``api_keys`` section to what is known of each key."""

from __future__ import annotations

import re
from datetime import datetime
from functools import partial

from iam_guard.config.credential_settings import ApiKeyEntry, ApiKeySettings
from iam_guard.config.place import Origin
from iam_guard.errors import ConfigurationError, Fault
from iam_guard.identity.api_keys import ApiKey, ApiKeyAuthenticator, ApiKeyTable
from iam_guard.model import Principal, PrincipalKind

_KINDS = (PrincipalKind.USER, PrincipalKind.ROLE_SESSION)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


def read_api_keys(settings: ApiKeySettings, origin: Origin, at: str, *, realm: str) -> ApiKeyAuthenticator:
    """Make the way.

    Raises:
        ConfigurationError: with everything that is wrong with any key.
    """
    faults: list[Fault] = []
    read = [origin.attempt(faults, f"{at}/keys/{index}", partial(_key, entry))
            for index, entry in enumerate(settings.keys)]
    if not read:
        faults.append(origin.fault(f"{at}/keys", "there are no keys", "list some, or leave 'api_keys' out"))
    if faults:
        raise ConfigurationError(faults)
    return ApiKeyAuthenticator(ApiKeyTable(key for key in read if key), header=settings.header, realm=realm)


def _key(entry: ApiKeyEntry) -> ApiKey:
    if not _SHA256.fullmatch(entry.sha256):
        raise ConfigurationError(Fault("this is not a SHA-256 digest", "write 64 hexadecimal digits in lower case",
                                       "/sha256"))
    return ApiKey(entry.id, bytes.fromhex(entry.sha256), _principal(entry), _end(entry.expires))


def _principal(entry: ApiKeyEntry) -> Principal:
    try:
        found = Principal.from_arn(entry.principal, tags=entry.tags) if entry.principal.startswith("arn:") else None
    except (ValueError, TypeError):
        found = None
    if found is None or found.kind not in _KINDS:
        raise ConfigurationError(Fault(f"'{entry.principal}' cannot have a key", "write the ARN of a user or role",
                                       "/principal"))
    return found


def _end(text: str) -> float | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ConfigurationError(Fault(f"'{text}' is not a moment", "write it like '2030-01-01T00:00:00Z'",
                                       "/expires"))
    return moment.timestamp()
