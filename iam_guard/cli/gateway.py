"""``iam-guard gateway``: the guard as a reverse proxy."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from iam_guard.cli.output import note
from iam_guard.errors import ConfigurationError, Fault

if TYPE_CHECKING:
    import socket

    from iam_guard.gateway.settings import GatewaySettings

EXAMPLES = (
    "iam-guard gateway --config iam-guard.yaml",
    "iam-guard gateway --config iam-guard.yaml --check",
    "iam-guard gateway --config iam-guard.yaml --workers 4",
)


def gateway(
    config: Annotated[Path, typer.Option("--config", "-c", metavar="FILE", help="The settings file.")] = Path(
        "iam-guard.yaml"),
    check: Annotated[bool, typer.Option("--check", help="Check the settings, and do not start.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, max=256, show_default=False,
                                                help="Processes, instead of what the settings say.")] = None,
) -> None:
    """Serve as a reverse proxy that lets nothing through which the policies do not allow.

    SIGHUP, or a change of the settings file, takes up new settings; settings
    with a mistake are not taken up. SIGTERM lets running requests end.
    """
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        from iam_guard.config import gateway as composed
    except ModuleNotFoundError as missing:
        if (missing.name or "iam_guard").startswith("iam_guard"):
            raise
        raise ConfigurationError(Fault(f"'{missing.name}' is not installed",
                                       "pip install 'iam-guard[gateway]'")) from None
    section = composed.load_gateway(config).settings
    if check:
        note("nothing is wrong")
        return
    from iam_guard.gateway.listening import Place, listen

    listening = listen(Place.from_text(section.listen), "/gateway/listen")
    status = listen(Place.from_text(section.status), "/gateway/status") if section.status else None
    count = workers or section.workers
    if count == 1:
        composed.run_worker(str(config), listening, status, 0, lambda: _tell(section, listening, status))
        return
    from iam_guard.gateway.workers import Workers

    _tell(section, listening, status)
    Workers(count, composed.run_worker, (str(config), listening, status), section.limits.drain_seconds).supervise()


def _tell(section: GatewaySettings, listening: socket.socket, status: socket.socket | None) -> None:
    from iam_guard.gateway.listening import url_of

    note(f"the gateway listens at {url_of(listening, secure=section.tls is not None)}")
    if status is not None:
        note(f"its status is at {url_of(status)}")
    sys.stderr.flush()
