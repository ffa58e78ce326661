"""The section ``revocations`` to the list that is asked about every token."""

from __future__ import annotations

from iam_guard.config.place import Origin
from iam_guard.config.schema import RevocationSettings, SettingsFile
from iam_guard.errors import ConfigurationError
from iam_guard.identity.revocation import RevocationFile


def read_revocation_file(settings: SettingsFile, origin: Origin) -> RevocationFile | None:
    """The file that the settings name; ``None`` when they name none.

    Raises:
        ConfigurationError: it cannot be read, which might leave out whom it stops.
    """
    told = settings.revocations
    if not told:
        return None
    if isinstance(told, str):
        told = RevocationSettings(told)
    ways = settings.credentials
    if not settings.issuers and ways.introspection is None and ways.certificates is None:
        raise ConfigurationError(origin.fault("/revocations", "nothing can be revoked without tokens or certificates",
                                              "leave it out; keys have an end of their own"))
    return RevocationFile(origin.path(told.file), poll_seconds=told.poll_seconds, max_unsynced=told.max_unsynced)
