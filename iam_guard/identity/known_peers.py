"""Workloads and machines that are known by a name which others vouch for, in certificates or tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

from iam_guard.errors import ConfigurationError, Fault
from iam_guard.identity.claims import ClaimMapping
from iam_guard.model import DEFAULT_ACCOUNT, DEFAULT_PARTITION, Principal


@dataclass(frozen=True)
class KnownPeers:
    """Workloads or machines that are expected here.

    Attributes:
        name: What their names have in common.
        account: The account that they belong to.
        role: The role that they play; empty makes them users.
        partition: First field of their ARNs.

    Raises:
        ConfigurationError: the name, account or role cannot be one.
    """

    name: str
    account: str = DEFAULT_ACCOUNT
    role: str = ""
    partition: str = DEFAULT_PARTITION

    pattern: ClassVar[re.Pattern[str]]
    folder: ClassVar[str]

    def __post_init__(self) -> None:
        if not self.pattern.fullmatch(self.name):
            raise ConfigurationError(Fault(f"'{self.name}' is not a name of this kind", "write it in lower case",
                                           "/name"))
        self.mapping()

    @property
    def path(self) -> str:
        """IAM path of those that are users."""
        return f"/{self.folder}/{self.name}/"

    def mapping(self) -> ClaimMapping:
        """The names that they can have, as issuers tell theirs."""
        return ClaimMapping(account=self.account, role=self.role or None, partition=self.partition, path=self.path,
                            name_prefix=self.issuer if self.role else "")

    @property
    def issuer(self) -> str:
        """Who vouches for them."""
        return f"{self.folder}://{self.name}"

    def principal(self, name: str, subject: str, attributes: dict[str, Any], expires_at: float | None) -> Principal:
        """The principal of one of them.

        Args:
            name: Its name among them.
            subject: The whole name.
            attributes: Its condition keys.
            expires_at: When it stops being one, in seconds since the epoch; ``None`` for never.
        """
        more: dict[str, Any] = {
            "account": self.account, "partition": self.partition, "issuer": self.issuer, "subject": subject,
            "attributes": attributes, "expires_at": expires_at,
        }
        if self.role:
            # The ARN of a session says nothing of a path, so the name has to say it all.
            return Principal.role_session(self.role, subject, **more)
        return Principal.user(name, path=self.path, **more)


class TrustDomain(KnownPeers):
    """Workloads of a SPIFFE trust domain; see :class:`KnownPeers`."""

    pattern, folder = re.compile(r"[a-z0-9._-]{1,255}", re.ASCII), "spiffe"


class Host(KnownPeers):
    """A machine that is known by the one host name in its certificate; see :class:`KnownPeers`."""

    pattern, folder = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z0-9-]+", re.ASCII), "host"
