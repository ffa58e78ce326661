"""TLS where a program of ours listens."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

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


class Renewable(ssl.SSLContext):
    """A context that a server is given once; each new connection is made by the newest one.

    Attributes:
        newest: What connections that begin from now on are made by; those that have begun stay as they are.
    """

    newest: ssl.SSLContext

    def wrap_bio(self, *args: Any, **more: Any) -> ssl.SSLObject:
        """Begin the TLS of one connection."""
        return self.newest.wrap_bio(*args, **more)


def renewable(newest: ssl.SSLContext) -> Renewable:
    """A context for a server that others will follow."""
    made = Renewable(ssl.PROTOCOL_TLS_SERVER)
    made.newest = newest
    return made


def make_context(settings: TLSSettings, protocols: Sequence[str] = ("http/1.1",)) -> ssl.SSLContext:
    """What the listening side of TLS needs.

    Args:
        settings: Whose certificate it shows, and whom it asks for one.
        protocols: What is spoken over it (RFC 7301).

    Raises:
        ConfigurationError: a file cannot be loaded, or a certificate does not count today.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _MINIMUM[settings.minimum]
    context.set_alpn_protocols(protocols)
    load(context, settings)
    if settings.client_ca_file:
        _load_authorities(context, settings)
    elif settings.client_required:
        raise ConfigurationError(Fault("no authority vouches for the clients that are required",
                                       "add 'client_ca_file'", "/tls/client_required"))
    return context


def load(context: ssl.SSLContext, settings: TLSSettings) -> None:
    """Load the certificate; connections that begin later show it, even where another one was loaded before.

    Raises:
        ConfigurationError: a file cannot be loaded, the key is another's, or the certificate does not count today.
    """
    for name in ("cert_file", "key_file"):
        _refuse_missing(settings, name)
    _refuse_untimely(settings.cert_file)
    try:  # without a password here, an encrypted key would ask for one at the terminal
        context.load_cert_chain(settings.cert_file, settings.key_file, password="")
    except (OSError, ValueError) as problem:
        raise ConfigurationError(_why_not_loaded(problem, settings)) from None


def _refuse_missing(settings: TLSSettings, name: str) -> None:
    if not Path(getattr(settings, name)).is_file():
        raise ConfigurationError(Fault(f"there is no file '{getattr(settings, name)}'", "correct the path",
                                       f"/tls/{name}"))


def _refuse_untimely(file: str) -> None:
    from cryptography.x509 import load_pem_x509_certificate  # takes long to load, and few need it

    try:
        found = load_pem_x509_certificate(Path(file).read_bytes())
    except (OSError, ValueError) as problem:
        raise ConfigurationError(Fault(f"there is no certificate to be read in '{file}': {problem}",
                                       "write it in PEM form, its chain behind it", "/tls/cert_file")) from None
    now = datetime.now(UTC)
    if now > found.not_valid_after_utc:
        raise ConfigurationError(Fault(f"the certificate in '{file}' has expired: it was good until "
                                       f"{found.not_valid_after_utc:%Y-%m-%d %H:%M} UTC", "renew it",
                                       "/tls/cert_file"))
    if now < found.not_valid_before_utc:
        raise ConfigurationError(Fault(f"the certificate in '{file}' is not good before "
                                       f"{found.not_valid_before_utc:%Y-%m-%d %H:%M} UTC",
                                       "wait for that time, or correct the clock", "/tls/cert_file"))


def _why_not_loaded(problem: Exception, settings: TLSSettings) -> Fault:
    if getattr(problem, "reason", "") == "KEY_VALUES_MISMATCH":
        return Fault(f"the key in '{settings.key_file}' is not that of the certificate in '{settings.cert_file}'",
                     "name the key that the certificate was made for", "/tls/key_file")
    return Fault(f"the certificate in '{settings.cert_file}' and the key in '{settings.key_file}' cannot be loaded: "
                 f"{problem}", "cert_file holds the chain, key_file its key without a password, both in PEM form",
                 "/tls/cert_file")


def _load_authorities(context: ssl.SSLContext, settings: TLSSettings) -> None:
    _refuse_missing(settings, "client_ca_file")
    try:
        context.load_verify_locations(settings.client_ca_file)
    except (OSError, ValueError) as problem:
        raise ConfigurationError(Fault(f"the authorities in '{settings.client_ca_file}' cannot be loaded: {problem}",
                                       "write them in PEM form", "/tls/client_ca_file")) from None
    context.verify_mode = ssl.CERT_REQUIRED if settings.client_required else ssl.CERT_OPTIONAL
