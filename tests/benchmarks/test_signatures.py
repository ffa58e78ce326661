"""The benchmark of signed requests runs, and whom it times is let in."""

from __future__ import annotations

import asyncio

from benchmarks.signatures import figures


def test_every_kind_of_signer_is_timed() -> None:
    """A signature that is refused ends the run with an error instead of a figure."""
    found = asyncio.run(figures(3))
    assert min(found.key, found.session, found.first_session, found.botocore) > 0
