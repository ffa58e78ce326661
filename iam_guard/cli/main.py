"""The command ``iam-guard``: what it can do, and nothing of how."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from typing import Annotated, Any

import typer

from iam_guard.cli import api_keys, check, explain, gateway, routes, schema, sidecar, simulate
from iam_guard.cli.demo import command as demo
from iam_guard.cli.failures import GuardedCommands
from iam_guard.cli.lacking import add_stand_in, of_another

#: Commands on a directory, and what their help says where a library is missing.
_LATER = {"directory": "Accounts, users, groups, roles and policies", "token": "Sessions, and the keys that sign them"}


class Commands(GuardedCommands):
    """All commands; those on a directory are loaded when they are asked for, with the libraries that they need."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of the commands."""
        return [*super().list_commands(ctx), *_LATER]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command with a name."""
        return _loaded(cmd_name) if cmd_name in _LATER else super().get_command(ctx, cmd_name)


def _loaded(name: str) -> Any:
    try:
        commands = import_module(f"iam_guard.cli.{name}").app
    except ModuleNotFoundError as missing:
        commands = typer.Typer()
        add_stand_in(commands, name, _LATER[name], of_another(missing))
    return typer.main.get_command(commands)


app = typer.Typer(name="iam-guard", cls=Commands, no_args_is_help=True, pretty_exceptions_enable=False,
                  context_settings={"help_option_names": ["-h", "--help"]})


def _print_version(wanted: bool) -> None:
    if not wanted:
        return
    try:
        typer.echo(f"iam-guard {version_of('iam-guard')}")
    except PackageNotFoundError:
        typer.echo("iam-guard, not installed: run from its source")
    raise typer.Exit


@app.callback(epilog="Exit codes: 0 fine, 1 something given is wrong, 2 wrong usage, 70 a mistake of iam-guard itself")
def options(
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True,
                                          help="Print the version and exit.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback when something fails.")] = False,
) -> None:
    """AWS IAM for your own services: try it, ask it, check it."""


def _examples(*lines: str) -> str:
    """Examples below the help of a command; Typer keeps lines apart that an empty one separates."""
    return "\n\n".join(("Examples:", *(f"  {line}" for line in lines)))


app.command(epilog=_examples(*demo.EXAMPLES))(demo.demo)
app.command(epilog=_examples(*simulate.EXAMPLES))(simulate.simulate)
app.command(epilog=_examples(*explain.EXAMPLES))(explain.explain)
app.command(epilog=_examples(*check.EXAMPLES))(check.check)
app.command(epilog=_examples(*routes.EXAMPLES))(routes.routes)
app.command(epilog=_examples(*schema.EXAMPLES))(schema.schema)
app.command(epilog=_examples(*sidecar.EXAMPLES))(sidecar.sidecar)
app.command(epilog=_examples(*gateway.EXAMPLES))(gateway.gateway)
app.add_typer(api_keys.app)


def main() -> None:
    """Run the command line."""
    app(prog_name="iam-guard")
