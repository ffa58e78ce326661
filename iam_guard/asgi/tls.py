"""TLS where a program of ours listens."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Literal

import msgspec

from iam_guard.errors import ConfigurationError, Fault

_MINIMUM = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class TLSSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """TLS where something listens. The files are read again at each reload.

    Attributes:
        cert_file: The certificate with its chain, in PEM form.
        key_file: Its key.
        client_ca_file: Authorities that vouch for certificates of clients; empty to ask for none.
        client_required: Refuse clients without a certificate.
        minimum: The oldest version that is spoken.
    """

    cert_file: str
    key_file: str
    client_ca_file: str = ""
    client_required: bool = False
    minimum: Literal["1.2", "1.3"] = "1.2"


def make_context(settings: TLSSettings) -> ssl.SSLContext:
    """What the listening side of TLS needs.

    Raises:
        ConfigurationError: a file cannot be loaded.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _MINIMUM[settings.minimum]
    context.set_alpn_protocols(["http/1.1"])
    load(context, settings)
    if settings.client_ca_file:
        _load_authorities(context, settings)
    return context


def load(context: ssl.SSLContext, settings: TLSSettings) -> None:
    """Load the certificate; connections that begin later show it, even where another one was loaded before.

    Raises:
        ConfigurationError: a file cannot be loaded, or the key is another's.
    """
    for name in ("cert_file", "key_file"):
        if not Path(getattr(settings, name)).is_file():
            raise ConfigurationError(Fault(f"there is no file '{getattr(settings, name)}'", "correct the path",
                                           f"/tls/{name}"))
    try:
        context.load_cert_chain(settings.cert_file, settings.key_file)
    except (OSError, ValueError) as problem:
        raise ConfigurationError(Fault(f"the certificate cannot be loaded: {problem}",
                                       "cert_file holds the chain, key_file its key, both in PEM form",
                                       "/tls/cert_file")) from None


def _load_authorities(context: ssl.SSLContext, settings: TLSSettings) -> None:
    try:
        context.load_verify_locations(settings.client_ca_file)
    except (OSError, ValueError) as problem:
        raise ConfigurationError(Fault(f"the authorities cannot be loaded: {problem}", "write them in PEM form",
                                       "/tls/client_ca_file")) from None
    context.verify_mode = ssl.CERT_REQUIRED if settings.client_required else ssl.CERT_OPTIONAL
