"""What stands in for commands whose libraries are not installed."""

from __future__ import annotations

from collections.abc import Callable

import typer

from iam_guard.errors import ConfigurationError, Fault


def of_another(missing: ModuleNotFoundError) -> str:
    """The library that is missing.

    Raises:
        ModuleNotFoundError: it is a module of our own, which is a mistake of ours.
    """
    if (missing.name or "iam_guard").startswith("iam_guard"):
        raise missing
    return missing.name or ""


def add_stand_in(commands: typer.Typer, name: str, what: str, missing: str) -> None:
    """Add a command that says what is missing.

    Args:
        commands: Where to.
        name: Of the command, or of the group of commands.
        what: It would do.
        missing: The library.
    """
    commands.command(name, context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
                     help=f"{what}: needs the extra 'directory', which is not installed.")(_refusing(missing))


def _refusing(missing: str) -> Callable[[], None]:
    def needs_more() -> None:
        raise ConfigurationError(Fault(f"'{missing}' is not installed", "pip install 'iam-guard[directory]'"))

    return needs_more
