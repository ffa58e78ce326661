"""``iam-guard sidecar``: answer proxies and programs that ask for decisions."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from iam_guard.cli.output import note

if TYPE_CHECKING:
    from iam_guard.config.sidecar_run import Listening

EXAMPLES = (
    "iam-guard sidecar --config iam-guard.yaml",
    "iam-guard sidecar --config iam-guard.yaml --check",
    "iam-guard sidecar --config iam-guard.yaml --workers 4",
)


def sidecar(
    config: Annotated[Path, typer.Option("--config", "-c", dir_okay=False, metavar="FILE",
                                         help="The settings file; its section 'sidecar' names the doors.")
                      ] = Path("iam-guard.yaml"),
    check: Annotated[bool, typer.Option("--check", help="Prove the settings, listen nowhere, and end.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, max=256, show_default=False,
                                                help="Processes, instead of what the settings say.")] = None,
) -> None:
    """Serve the doors that a settings file names.

    Proxies ask here about the requests of their clients, and programs about
    what they like. Health, metrics, status and reload have a listener of
    their own. SIGTERM and Ctrl-C let calls under way finish. SIGHUP, or a
    change of the settings file, takes up new settings; settings with a
    mistake are not taken up.

    Exit code 1: the settings are wrong, or an address is taken.
    """
    from iam_guard.config.policies import check_policies
    from iam_guard.config.settings import load_settings  # servers, web client and cryptography
    from iam_guard.config.sidecar import Around, make_sidecar
    from iam_guard.config.sidecar_run import log_to_stderr, run_sidecar

    log_to_stderr()
    if check:
        settings = load_settings(config)
        make_sidecar(settings, Around(workers=workers or 0))
        check_policies(settings.values, settings.origin)
        note(f"{config}: nothing is wrong")
    else:
        run_sidecar(config, workers or 0, _tell)


def _tell(workers: int, doors: list[Listening]) -> None:
    if workers > 1:
        note(f"{workers} workers answer")
    for door in doors:
        note(f"{door.name}: listening at {door.address}{' over TLS' if door.secure else ''}")
    sys.stderr.flush()
