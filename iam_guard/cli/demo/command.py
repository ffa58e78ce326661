"""``iam-guard demo``: see it work."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from iam_guard.cli.failures import WRONG
from iam_guard.cli.output import Format, console, print_json, styled

if TYPE_CHECKING:
    from iam_guard.audit.log import DecisionRecord
    from iam_guard.cli.demo.report import Outcome
    from iam_guard.cli.demo.run import Demo

EXAMPLES = ("iam-guard demo", "iam-guard demo --once", "iam-guard demo --port 8000")


def demo(
    once: Annotated[bool, typer.Option("--once", help="End after the table.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the orders service; 0 is any.")] = 0,
    host: Annotated[str, typer.Option(help="Address of the orders service.")] = "127.0.0.1",
    format: Annotated[Format, typer.Option(help="How to print what became of the requests.")] = Format.TABLE,
) -> None:
    """Start a small service behind the guard, and see who may do what.

    An orders service runs behind the middleware, with a local issuer that
    signs real tokens. Real requests are sent as several callers, and a table
    tells what was decided and why. Then the service goes on, with lines to
    paste into another shell, until Ctrl-C.

    Keys are made in memory; nothing of this belongs into production.

    Exit code 1: a request did not come out as it has to.
    """
    from iam_guard.cli.demo.run import run  # servers, web client and cryptography

    show, serve = (_show_json, _nothing) if format is Format.JSON else (_show_table, _serve)
    if not asyncio.run(run(host, port, once=once, show=show, serve=serve)):
        raise typer.Exit(WRONG)


def _show_table(demo: Demo, outcomes: list[Outcome]) -> None:
    from iam_guard.cli.demo.report import print_outcomes

    print_outcomes(outcomes)


def _show_json(demo: Demo, outcomes: list[Outcome]) -> None:
    print_json({"url": demo.url, "tokens": demo.tokens, "outcomes": [one.to_json() for one in outcomes]})


def _serve(demo: Demo) -> None:
    from iam_guard.cli.demo.report import print_invitation
    from iam_guard.cli.demo.run import POLICIES

    print_invitation(demo.url, str(POLICIES), demo.tokens)
    demo.witness.show = _show_record


def _show_record(record: DecisionRecord) -> None:
    """One line for every request that somebody sends."""
    line = styled(f"{record.time:%H:%M:%S} ").append_text(styled(record.verdict))
    console().print(line.append(f" {record.principal or '-'} {record.method} {record.path}: {record.reason}"),
                    soft_wrap=True)


def _nothing(demo: Demo) -> None:
    """JSON has been printed; nothing is added to it."""
