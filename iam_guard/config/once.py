"""What counts once has to be remembered where every process sees it."""

from __future__ import annotations

from collections.abc import Iterator

from iam_guard.config.place import Origin
from iam_guard.config.schema import SettingsFile
from iam_guard.errors import Fault


def forgetting(settings: SettingsFile, origin: Origin, who: str) -> Iterator[Fault]:
    """Faults of settings by which used proofs and signatures would be forgotten.

    Workers know nothing of each other, nor does a process that has taken up new settings of what it was before.

    Args:
        settings: All of them.
        origin: Where they stand.
        who: Who would forget.
    """
    signed = settings.signed_requests
    once = settings.credentials.dpop is not None or (signed is not None and signed.replays != "none")
    if once and not settings.credentials.replay_file:
        yield origin.fault("/credentials", f"{who} has to remember in a file which proofs and signatures were used, or "
                           "another process takes them again", "add 'replay_file: used.db'")


def quarrelling(settings: SettingsFile, origin: Origin, processes: int) -> Iterator[Fault]:
    """Faults of settings by which one process refuses what another one gave out."""
    dpop = settings.credentials.dpop
    if processes > 1 and dpop is not None and dpop.nonce_seconds is not None and dpop.nonce_secret is None:
        yield origin.fault("/credentials/dpop", "each process would take its own nonces alone",
                           "add 'nonce_secret: {file: nonce.key}'")
