"""Where a server is and how patiently it is spoken to."""

from __future__ import annotations

import re
import ssl
from typing import Annotated, NamedTuple

import msgspec

from iam_guard.errors import ConfigurationError, Fault

Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]

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


class ServerOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a server is spoken to.

    Attributes:
        host: What ``Host`` says to it; by default what the client said.
        ca_file: Certificates of authorities that vouch for it, in PEM form; by default those of the system.
        cert_file: A certificate that the gateway shows to it, with its chain.
        key_file: The key of that certificate.
        server_name: The name that its certificate has to hold; by default the one in the URL.
        max_connections: Connections open at once, each WebSocket's included.
        idle_seconds: How long an unused connection is kept. Less than the server keeps it, or requests meet closed
            doors; many application servers close after five seconds.
        connect_seconds: How long making a connection may take, TLS included.
        head_seconds: How long it may think before it answers.
        stall_seconds: How long neither side may send a byte of a body.
        max_message_bytes: How long a message on a WebSocket may be.
    """

    host: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    server_name: str = ""
    max_connections: Count = 1024
    idle_seconds: Seconds = 4.0
    connect_seconds: Seconds = 5.0
    head_seconds: Seconds = 60.0
    stall_seconds: Seconds = 300.0
    max_message_bytes: Annotated[int, msgspec.Meta(ge=1, le=1_073_741_824)] = 16_777_216


class ServerSettings(ServerOptions, frozen=True):
    """One server that requests are forwarded to.

    Attributes:
        url: ``http://HOST:PORT``, ``https://HOST:PORT`` or ``unix:PATH``.
        max_idle: Connections kept for later requests.
        pool_seconds: How long a request waits for a connection when all are in use.
        max_head_bytes: How long the head of an answer may be.
        retry: Ask again when a kept connection turned out to be closed and the request was ``GET`` or ``HEAD``
            without a body. Nothing else is ever sent twice.
        via: The name of the gateway in ``Via`` (RFC 9110 section 7.6.3); empty leaves the header away.

    Raises:
        ConfigurationError: the URL is not an address, a file cannot be loaded, or a limit is not positive.
    """

    url: str
    max_idle: int = 256
    pool_seconds: float = 5.0
    max_head_bytes: int = 65_536
    retry: bool = True
    via: str = "iam-guard"

    @classmethod
    def at(cls, url: str, options: ServerOptions) -> ServerSettings:
        """A server at an address, spoken to as *options* say.

        Raises:
            ConfigurationError: as for the class.
        """
        return cls(url, **{name: getattr(options, name) for name in ServerOptions.__struct_fields__})

    def __post_init__(self) -> None:
        """Check what is true of no server."""
        faults = [Fault(f"{name} has to be more than 0") for name in self.__struct_fields__
                  if isinstance(value := getattr(self, name), int | float) and name != "retry" and not value > 0]
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
