"""How a command ends: one clear message and an exit code, never a traceback.

    0    fine
    1    something that was given is wrong: a policy, a case, a route, an expectation of the demo
    2    the command line itself is wrong
    70   a mistake of this program (EX_SOFTWARE of sysexits.h); --debug shows where
    130  interrupted
    141  whoever read the output has gone (128 + SIGPIPE)
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import Any

import typer
from typer.core import TyperGroup

from iam_guard.cli.output import say, say_faults
from iam_guard.errors import DirectoryError, DocumentError, IAMGuardError, TokenServiceError

WRONG = 1
SOFTWARE = 70
READER_GONE = 141

# Typer shows these itself; it has no public name for their base.
_USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]
_LEFT_TO_TYPER = (typer.Exit, typer.Abort, _USAGE_ERROR)


class GuardedCommands(TyperGroup):
    """The commands, each ending as this module says."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except _LEFT_TO_TYPER:
            raise
        except BrokenPipeError:
            _forget_output()
            raise typer.Exit(READER_GONE) from None
        except Exception as problem:  # whatever it is, it is told and not thrown at the user
            raise typer.Exit(_tell(problem, debug=ctx.params.get("debug", False))) from None
        return result


def _tell(problem: Exception, *, debug: bool) -> int:
    if debug:
        traceback.print_exception(problem)
    if isinstance(problem, DocumentError):
        say_faults(problem.faults)
        return WRONG
    if isinstance(problem, IAMGuardError):
        say(f"{problem.code}: {problem}" if isinstance(problem, DirectoryError | TokenServiceError) else str(problem))
        return WRONG
    if isinstance(problem, OSError) and problem.strerror:
        place = f"'{problem.filename}': " if problem.filename else ""
        say(f"{place}{problem.strerror[0].lower()}{problem.strerror[1:]}")
        return WRONG
    say(f"unexpected {type(problem).__name__}: {problem}" + ("" if debug else "; 'iam-guard --debug ...' shows where"))
    return SOFTWARE


def _forget_output() -> None:
    """Point standard output at nothing, so that the interpreter's last flush does not fail as well."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
