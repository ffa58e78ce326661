"""Where a server is and how patiently it is spoken to."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, fields
from typing import NamedTuple

from iam_guard.errors import ConfigurationError, Fault

_URL = re.compile(r"(https?)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?/?")
_UNIX = "unix:"
_PORTS = {"http": 80, "https": 443}
_FIELD_VALUE = re.compile(r"[!-~]*")


class ServerAddress(NamedTuple):
    """Where a server listens.

    Attributes:
        host: Name or address; empty for a Unix socket.
        port: Its port.
        path: Path of a Unix socket.
        secure: TLS is spoken.
        authority: What ``Host`` says when the client said nothing.
    """

    host: str = ""
    port: int = 0
    path: str = ""
    secure: bool = False
    authority: str = "localhost"

    @classmethod
    def from_url(cls, url: str) -> ServerAddress:
        """Read ``http://HOST[:PORT]``, ``https://HOST[:PORT]`` or ``unix:PATH``.

        Raises:
            ConfigurationError: it is none of them. A path is refused too: requests are forwarded with the path that
                was decided about, and no other.
        """
        if url.startswith(_UNIX) and len(url) > len(_UNIX):
            return cls(path=url[len(_UNIX):])
        found = _URL.fullmatch(url)
        port = int(found[3] or _PORTS[found[1]]) if found else 0
        if found is None or not 0 < port < 65_536:
            raise ConfigurationError(Fault(f"'{url}' is not the address of a server",
                                           "write 'http://HOST:PORT', 'https://HOST:PORT' or 'unix:PATH', no path"))
        authority = found[2] if port == _PORTS[found[1]] else f"{found[2]}:{port}"
        return cls(found[2].strip("[]"), port, "", found[1] == "https", authority)


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """One server that requests are forwarded to.

    Attributes:
        url: ``http://HOST:PORT``, ``https://HOST:PORT`` or ``unix:PATH``.
        host: What ``Host`` says to the server; by default what the client said.
        ca_file: Certificates of authorities that vouch for the server, in PEM form; by default those of the system.
        cert_file: A certificate that the gateway shows to the server, with its chain.
        key_file: The key of that certificate.
        server_name: The name that the server's certificate has to hold; by default the one in the URL.
        max_connections: Connections open at once, each WebSocket's included.
        max_idle: Connections kept for later requests.
        idle_seconds: How long they are kept. Less than the server keeps them, or requests meet closed doors; many
            application servers close after five seconds.
        pool_seconds: How long a request waits for a connection when all are in use.
        connect_seconds: How long making a connection may take, TLS included.
        head_seconds: How long the server may think before it answers.
        stall_seconds: How long neither side may send a byte of a body.
        max_head_bytes: How long the head of an answer may be.
        max_message_bytes: How long a message on a WebSocket may be.
        retry: Ask again when a kept connection turned out to be closed and the request was ``GET`` or ``HEAD``
            without a body. Nothing else is ever sent twice.
        via: The name of the gateway in ``Via`` (RFC 9110 section 7.6.3); empty leaves the header away.

    Raises:
        ConfigurationError: the URL is not an address, a file cannot be loaded, or a limit is not positive.
    """

    url: str
    host: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    server_name: str = ""
    max_connections: int = 1024
    max_idle: int = 256
    idle_seconds: float = 4.0
    pool_seconds: float = 5.0
    connect_seconds: float = 5.0
    head_seconds: float = 60.0
    stall_seconds: float = 300.0
    max_head_bytes: int = 65_536
    max_message_bytes: int = 16_777_216
    retry: bool = True
    via: str = "iam-guard"

    def __post_init__(self) -> None:
        faults = [Fault(f"{field.name} has to be more than 0") for field in fields(self)
                  if field.type in ("int", "float") and not getattr(self, field.name) > 0]
        faults += [Fault(f"'{value}' cannot stand in a header") for value in (self.host, self.via)
                   if not _FIELD_VALUE.fullmatch(value)]
        secure = ServerAddress.from_url(self.url).secure
        if not secure and any((self.ca_file, self.cert_file, self.key_file, self.server_name)):
            faults.append(Fault(f"certificates are named for '{self.url}', which is not https", "write https://"))
        if self.key_file and not self.cert_file:
            faults.append(Fault("key_file is given without cert_file", "name the certificate of the key"))
        if faults:
            raise ConfigurationError(faults)

    @property
    def address(self) -> ServerAddress:
        """Where the server listens."""
        return ServerAddress.from_url(self.url)

    def tls(self) -> ssl.SSLContext | None:
        """What TLS with the server needs; ``None`` without TLS. Its certificate is always verified.

        Raises:
            ConfigurationError: a file cannot be loaded.
        """
        if not self.address.secure:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file or None)
            if self.cert_file:
                context.load_cert_chain(self.cert_file, self.key_file or None)
        except (OSError, ValueError) as error:
            named = ", ".join(name for name in (self.ca_file, self.cert_file, self.key_file) if name)
            raise ConfigurationError(Fault(f"the certificates for '{self.url}' cannot be loaded: {error}",
                                           f"check {named}" if named else "")) from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        return context
