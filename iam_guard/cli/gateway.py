"""``iam-guard gateway``: the guard as a reverse proxy."""

from __future__ import annotations

import logging
import sys
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from iam_guard.cli.output import note, print_text
from iam_guard.errors import ConfigurationError, Fault

if TYPE_CHECKING:
    import socket

    from iam_guard.gateway.settings import GatewaySettings

EXAMPLES = (
    "iam-guard gateway --config iam-guard.yaml",
    "iam-guard gateway --config iam-guard.yaml --check",
    "iam-guard gateway --config iam-guard.yaml --workers 4",
    "iam-guard gateway --config iam-guard.yaml --engine envoy",
    "iam-guard gateway --config iam-guard.yaml --engine envoy --print-config",
)


class Engine(StrEnum):
    """What moves the bytes."""

    OWN = "own"
    ENVOY = "envoy"


def gateway(
    config: Annotated[Path, typer.Option("--config", "-c", metavar="FILE", help="The settings file.")] = Path(
        "iam-guard.yaml"),
    check: Annotated[bool, typer.Option("--check", help="Check the settings, and do not start.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, max=256, show_default=False,
                                                help="Processes, or threads of Envoy, instead of what the settings "
                                                     "say.")] = None,
    engine: Annotated[Engine, typer.Option(help="own serves by itself; envoy runs an Envoy that asks this "
                                                "guard.")] = Engine.OWN,
    print_config: Annotated[bool, typer.Option("--print-config", help="With --engine envoy: print its configuration, "
                                                                      "and do not start.")] = False,
) -> None:
    """Serve as a reverse proxy that lets nothing through which the policies do not allow.

    SIGHUP, or a change of the settings file, takes up new settings; settings
    with a mistake are not taken up. SIGTERM lets running requests end.
    """
    if print_config and engine is not Engine.ENVOY:
        raise typer.BadParameter("--print-config needs --engine envoy")
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if engine is Engine.ENVOY:
        _with_envoy(config, check, workers, print_config)
    else:
        _by_itself(config, check, workers)


def _by_itself(config: Path, check: bool, workers: int | None) -> None:
    composed = _composed("gateway", "gateway")
    section = composed.load_gateway(config).settings
    if check:
        _check_policies(config)
        note("nothing is wrong")
        return
    from iam_guard.asgi.listening import read_address
    from iam_guard.gateway.listening import listen

    listening = listen(read_address(section.listen), "/gateway/listen")
    status = listen(read_address(section.status), "/gateway/status") if section.status else None
    count = workers or section.workers
    if count == 1:
        composed.run_worker(str(config), listening, status, None, 0, lambda: _tell(section, listening, status))
        return
    from iam_guard.asgi.workers import Workers
    from iam_guard.gateway.tally import shared_counts

    _tell(section, listening, status)
    counted = shared_counts(count)
    Workers(count, composed.run_worker, lambda place: (str(config), listening, status, (counted, place)),
            section.limits.drain_seconds).supervise()


def _with_envoy(config: Path, check: bool, workers: int | None, print_config: bool) -> None:
    composed = _composed("envoy", "envoy")
    if print_config:
        print_text(composed.written_config(config).rstrip())
    elif check:
        composed.check_envoy(config)
        _check_policies(config)
        note("nothing is wrong")
    else:
        composed.run_envoy(config, workers, _tell_of_envoy)


def _check_policies(config: Path) -> None:
    """Prove the policies too; a start with wrong ones serves nothing until they are mended."""
    from iam_guard.config.policies import check_policies
    from iam_guard.config.settings import load_settings

    settings = load_settings(config)
    check_policies(settings.values, settings.origin)


def _tell_of_envoy(listen: str, status: str) -> None:
    note(f"the gateway listens at {listen}")
    if status:
        note(f"its status is at {status}")
    sys.stderr.flush()


def _composed(module: str, extra: str) -> Any:
    """The part that puts it together; it needs libraries of an extra."""
    try:
        return import_module(f"iam_guard.config.{module}")
    except ModuleNotFoundError as missing:
        if (missing.name or "iam_guard").startswith("iam_guard"):
            raise
        raise ConfigurationError(Fault(f"'{missing.name}' is not installed",
                                       f"pip install 'iam-guard[{extra}]'")) from None


def _tell(section: GatewaySettings, listening: socket.socket, status: socket.socket | None) -> None:
    from iam_guard.gateway.listening import url_of

    note(f"the gateway listens at {url_of(listening, secure=section.tls is not None)}")
    if status is not None:
        note(f"its status is at {url_of(status)}")
    sys.stderr.flush()
