"""Whether a command line that an integration writes down is one that the program takes."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from iam_guard.cli.main import app


def assert_is_taken(words: Sequence[str]) -> None:
    """Parse the words that follow ``iam-guard``, without doing what they say."""
    command = typer.main.get_command(app).commands[words[0]]  # type: ignore[attr-defined]
    with command.make_context(words[0], list(words[1:])):
        pass
