"""``iam-guard routes``: what does an application serve, and what guards it?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from iam_guard.cli.application import load_application
from iam_guard.cli.failures import WRONG
from iam_guard.cli.output import Format, note, print_json, print_table, styled
from iam_guard.cli.surface import Line, State, read_surface

if TYPE_CHECKING:
    from rich.text import Text

EXAMPLES = (
    "iam-guard routes shop.main:app",
    "iam-guard routes shop.main:app --map routes.yaml --strict",
    "iam-guard routes shop.main:create_app --factory --config iam-guard.yaml --format json",
)


def routes(
    app: Annotated[str, typer.Argument(metavar="MODULE:ATTRIBUTE", help="The application, as uvicorn takes it. "
                                                                        "Its module is imported.")],
    factory: Annotated[bool, typer.Option("--factory", help="The attribute is a function that makes it.")] = False,
    map: Annotated[Path | None, typer.Option("--map", exists=True, dir_okay=False, metavar="FILE",
                                             help="The route map of the middleware around it.")] = None,
    config: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, metavar="FILE",
                                                help="The settings file that names the route map.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 when anything is unguarded.")] = False,
    format: Annotated[Format, typer.Option(help="How to print the routes.")] = Format.TABLE,
) -> None:
    """List every route of an application, with what it asks for.

    A route is guarded by a decorator on its handler or by a line of the
    route map. A check above the framework's own decorator never runs: such a
    route is listed as unguarded. Lines of the map that no route needs are
    listed as unused.

    Exit code 1, with --strict: something is unguarded.
    """
    if map is not None and config is not None:
        raise typer.BadParameter("give either --map or --config")
    lines = read_surface(load_application(app, factory=factory), map, config)
    if format is Format.JSON:
        print_json([line.to_json() for line in lines])
    else:
        _print(lines)
    if strict and any(line.is_open for line in lines):
        raise typer.Exit(WRONG)


def _print(lines: Sequence[Line]) -> None:
    print_table(("", "by", "route", "asks for"), [_row(line) for line in lines])
    for line in lines:
        if line.remark or line.is_open:
            place = f"{line.file}:{line.line}: " if line.file else ""
            note(f"{place}{line.method} {line.template}: {line.remark or 'nothing guards this route'}")
    counted = Counter(str(line.state) for line in lines)
    note(", ".join(f"{count} {state}" for state, count in counted.items()))


def _row(line: Line) -> tuple[str | Text, ...]:
    state = styled(str(line.state), "dim" if line.state is State.UNUSED else "")
    asks = f"{line.action} on {line.resource}" if line.action else ""
    return state, line.by, f"{line.method} {line.template}", asks
