"""``iam-guard sidecar``: answer proxies and programs that ask for decisions."""

from __future__ import annotations

import asyncio
import logging
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from iam_guard.cli.output import note

if TYPE_CHECKING:
    from iam_guard.asgi.listening import Address
    from iam_guard.config.sidecar import Sidecar

EXAMPLES = ("iam-guard sidecar --config iam-guard.yaml", "iam-guard sidecar --config iam-guard.yaml --check")


def sidecar(
    config: Annotated[Path, typer.Option("--config", "-c", dir_okay=False, metavar="FILE",
                                         help="The settings file; its section 'sidecar' names the doors.")
                      ] = Path("iam-guard.yaml"),
    check: Annotated[bool, typer.Option("--check", help="Prove the settings, listen nowhere, and end.")] = False,
) -> None:
    """Serve the doors that a settings file names.

    Proxies ask here about the requests of their clients, and programs about
    what they like. Health, metrics, status and reload have a listener of
    their own. SIGTERM and Ctrl-C let calls under way finish; SIGHUP reads
    the policies again at once.

    Exit code 1: the settings are wrong, or an address is taken.
    """
    from iam_guard.config.settings import load_settings  # servers, web client and cryptography
    from iam_guard.config.sidecar import make_sidecar

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    made = make_sidecar(load_settings(config))
    if check:
        note(f"{config}: nothing is wrong")
        return
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_run(made))


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    """The fastest event loop that is installed."""
    import uvicorn

    found: type[asyncio.AbstractEventLoop] | None = uvicorn.Config("nothing:served").get_loop_factory()  # type: ignore[assignment]
    return found


async def _run(made: Sidecar) -> None:
    from iam_guard.sidecar.serving import serve

    loop, stop, reloads = asyncio.get_running_loop(), asyncio.Event(), set[asyncio.Task[None]]()

    def reload() -> None:
        reloads.add(task := loop.create_task(asyncio.to_thread(made.refresher.check)))
        task.add_done_callback(reloads.discard)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, reload)
    await serve(made.apps, made.parts, stop, grace=made.grace, ready=lambda found: _tell(made, found))


def _tell(made: Sidecar, found: dict[Address, Address]) -> None:
    for door in made.doors:
        note(f"{door.name}: listening at {found.get(door.address, door.address)}")
