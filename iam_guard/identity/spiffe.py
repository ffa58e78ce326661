"""SPIFFE ids: names of workloads that a trust domain vouches for (SPIFFE-ID sections 2.1 to 2.4, X509-SVID 2 to 4)."""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_ID = 2048

_ID = re.compile(r"spiffe://([a-z0-9._-]{1,255})((?:/[A-Za-z0-9._-]+)+)", re.ASCII)


class SpiffeId(NamedTuple):
    """A workload.

    Attributes:
        trust_domain: Who vouches for it.
        path: Its name there, with a slash in front.
    """

    trust_domain: str
    path: str

    @property
    def keys(self) -> dict[str, str]:
        """Its condition keys."""
        return {"spiffe:id": str(self), "spiffe:trustdomain": self.trust_domain, "spiffe:path": self.path}

    def __str__(self) -> str:
        return f"spiffe://{self.trust_domain}{self.path}"


def read_spiffe_id(text: str) -> SpiffeId:
    """Read the id of a workload.

    Raises:
        ValueError: it is not one, or names the trust domain only.
    """
    found = _ID.fullmatch(text) if len(text) <= MAX_ID else None
    if found is None or not {".", ".."}.isdisjoint(found[2].split("/")):
        raise ValueError("the text is not the SPIFFE id of a workload")
    return SpiffeId(found[1], found[2])
