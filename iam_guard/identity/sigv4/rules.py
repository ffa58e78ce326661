"""What signed requests have to keep to; everything that widens it is off until it is asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from iam_guard.errors import ConfigurationError, Fault

_WORD = re.compile(r"[a-z0-9-]{1,64}")
_HEADER = re.compile(r"[a-z0-9-]+")
#: AWS lets clocks differ by a quarter of an hour, and presigned URLs live for a week.
_MOST_SKEW = 900.0
_MOST_PRESIGNED = 604_800
_MOST_HELD = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class SignatureRules:
    """How requests are to be signed.

    Args:
        region: The region in the scope of every signature.
        service: The service in the scope. For ``s3`` a path is encoded once and a presigned URL does not cover
            the body; for others a path is encoded twice and the body is covered.
        max_skew: Seconds by which the date of a signature and our clock may differ, each way.
        presigned: Accept signatures in the query, which others see in logs and histories.
        max_presigned: Seconds for which a presigned URL may be good.
        unsigned_payload: Accept bodies that the signature does not cover.
        signed_chunks: Accept bodies in chunks that are signed one by one; the application receives what is in them.
        held_bytes: How much of a body is held back until it is known to be right, at most; also the largest chunk.
        larger_bodies: Pass larger ones on while they are checked, all but the end, or refuse them.
        replays: Which signatures count once: ``writes``, those of requests that change something; ``all``;
            ``none``. Two equal requests within a second have the same signature.
        replay_entries: How many signatures are remembered; when that many are, no more are accepted.
        signed_headers: Names of headers that have to be signed when they are sent.

    Raises:
        ConfigurationError: with everything that is out of bounds.
    """

    region: str
    service: str
    max_skew: float = 300.0
    presigned: bool = False
    max_presigned: int = 3600
    unsigned_payload: bool = False
    signed_chunks: bool = False
    held_bytes: int = 1_048_576
    larger_bodies: Literal["stream", "refuse"] = "stream"
    replays: Literal["writes", "all", "none"] = "writes"
    replay_entries: int = 100_000
    signed_headers: tuple[str, ...] = ("content-type",)

    def __post_init__(self) -> None:
        if faults := list(_faults(self)):
            raise ConfigurationError(faults)

    @property
    def is_s3(self) -> bool:
        """Whether the rules of S3 hold for paths and presigned URLs."""
        return self.service == "s3"


def _faults(rules: SignatureRules) -> Iterable[Fault]:
    for name in ("region", "service"):
        if not _WORD.fullmatch(getattr(rules, name)):
            yield Fault(f"the {name} is not a word of small letters, digits and hyphens", pointer=f"/{name}")
    for name, least, most in (("max_skew", 1, _MOST_SKEW), ("max_presigned", 1, _MOST_PRESIGNED),
                              ("held_bytes", 0, _MOST_HELD), ("replay_entries", 1, 10_000_000)):
        if not least <= getattr(rules, name) <= most:
            yield Fault(f"'{name}' is out of bounds", f"write {least} to {most:g}", f"/{name}")
    for name in rules.signed_headers:
        if not _HEADER.fullmatch(name):
            yield Fault(f"'{name}' is not the name of a header in small letters", pointer="/signed_headers")
    for name, words in (("larger_bodies", ("stream", "refuse")), ("replays", ("writes", "all", "none"))):
        if getattr(rules, name) not in words:
            yield Fault(f"'{name}' is none of {', '.join(words)}", pointer=f"/{name}")
