"""TLS of listeners, its files named relative to the settings file."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path

import msgspec

from iam_guard.asgi.tls import TLSSettings, make_context
from iam_guard.config.place import Origin
from iam_guard.errors import ConfigurationError

_FILES = ("cert_file", "key_file", "client_ca_file")


def tls_at(tls: TLSSettings, origin: Origin) -> TLSSettings:
    """The section with its files where they are, as seen from the settings file."""
    files = {name: str(origin.path(value)) for name in _FILES if (value := getattr(tls, name))}
    return msgspec.structs.replace(tls, **files)


def tls_files(tls: TLSSettings) -> tuple[Path, ...]:
    """What it is read from."""
    return tuple(Path(value) for name in _FILES if (value := getattr(tls, name)))


def context_at(tls: TLSSettings, origin: Origin, at: str, protocols: Sequence[str] = ("http/1.1",)) -> ssl.SSLContext:
    """What makes connections.

    Args:
        tls: The section, as :func:`tls_at` makes it.
        origin: Where the settings stand.
        at: JSON pointer of what the section is in.
        protocols: What is spoken.

    Raises:
        ConfigurationError: with the place of what is wrong.
    """
    try:
        return make_context(tls, protocols)
    except ConfigurationError as refused:
        raise ConfigurationError(origin.placed(refused.faults, at)) from None
