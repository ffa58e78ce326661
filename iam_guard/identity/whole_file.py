"""Files that guards read while others change them: readers see the old whole or the new one, writers take turns."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile


@contextmanager
def alone(place: Path) -> Iterator[None]:
    """Keep other writers out; the lock is beside the file, since the file itself is replaced."""
    with place.with_name(f".{place.name}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def replace_whole(place: Path, written: bytes) -> None:
    """Put a whole file in place of what is there; a power cut leaves one or the other."""
    with NamedTemporaryFile(dir=place.parent, prefix=f".{place.name}.", delete=False) as beside:
        try:
            beside.write(written)
            beside.flush()
            os.fsync(beside.fileno())
            # Others read it: a guard may run as another user. Such files hold names and digests, and no secret.
            os.fchmod(beside.fileno(), 0o644)
            os.replace(beside.name, place)
        except BaseException:
            os.unlink(beside.name)
            raise
