"""Another process that writes to a directory: ``python writer_process.py URL WHAT``. Its parent kills it."""

from __future__ import annotations

import resource
import sys
from itertools import count

from store_places import HOME, NOTE, put, tenant, user

from iam_guard.directory.entities import Kind
from iam_guard.directory.port import DirectoryStore
from iam_guard.errors import UnavailableError
from iam_guard.store.urls import open_store

#: Each write of :func:`write_on` changes as many at once.
MANY = 20


def say(text: object) -> None:
    """Tell the parent."""
    print(text, flush=True)


def hear() -> str:
    """Wait for the parent."""
    return sys.stdin.readline().strip()


def write_on(store: DirectoryStore) -> None:
    """Write until killed, and say so after every write that was acknowledged."""
    for number in count(store.revision() + 1):
        put(store, *(user(f"n{one}", tags={"n": str(number)}) for one in range(MANY)))
        say(number)


def stop_half_way(store: DirectoryStore) -> None:
    """Be in the middle of a write."""
    with store.write(NOTE) as tx:
        for one in range(MANY):
            tx.put(user(f"n{one}", tags={"n": "half"}))
        tx.delete(user("ann").key)
        tx.count(Kind.USER, HOME)  # which has them written down
        say("half")
        hear()


def fill_the_disk(store: DirectoryStore) -> None:
    """Write with little room until there is none left, then get more and go on."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, limits[1]))
    try:
        for number in count(1):
            put(store, *(user(f"{number}-{one}", tags={"n": "x" * 1000}) for one in range(MANY)))
            say(number)
    except UnavailableError as error:
        say(f"full: {error}")
    with store.read() as reading:
        say(f"{reading.revision} {reading.count(Kind.USER, HOME)}")
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    put(store, tenant(1))
    say(store.revision())


def main(url: str, what: str) -> None:
    """Do one of these."""
    if what == "open":  # at the same time as others
        say("ready")
        hear()
    store = open_store(url)
    if what == "open":
        put(store, tenant(int(hear())))
        store.close()
        return
    {"write": write_on, "half": stop_half_way, "fill": fill_the_disk}[what](store)
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
