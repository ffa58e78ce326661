"""Every operation of the directory as a command, made of what the operation says about itself.

``CreateUser`` is ``create-user``, its parameter ``UserName`` is ``--user-name``: the names that people know
from IAM's own command line. A command is made when it is asked for, so none costs anything before.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import msgspec
import typer
from typer.core import TyperGroup

from iam_guard.cli.answers import print_answer
from iam_guard.cli.caller import Account, As, Store, caller_of
from iam_guard.cli.output import Format
from iam_guard.cli.values import Parameter, parameters_of
from iam_guard.config.directory import opened_directory
from iam_guard.directory.naming import operation_named
from iam_guard.directory.operation import Answer, Listing, Operation
from iam_guard.directory.operations import OPERATIONS

_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z][a-z0-9]+|[A-Z]+")
_ATTRIBUTE = re.compile(r"^ {8}(\w+): (.*(?:\n {12}.*)*)", re.MULTILINE)

All = Annotated[bool, typer.Option("--all", help="Go on to the last page and print everything.")]
IfRevision = Annotated[int | None, typer.Option(
    help="Do nothing when what would change was changed since this revision of the directory.")]
Output = Annotated[Format, typer.Option(help="How to print the answer.")]


def command_name(operation: str) -> str:
    """``CreateUser`` is ``create-user``."""
    return "-".join(_WORDS.findall(operation)).lower()


class OperationCommands(TyperGroup):
    """A group whose commands are its own and all operations."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of the commands, the group's own first."""
        return [*super().list_commands(ctx), *sorted(map(command_name, OPERATIONS))]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command with a name."""
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        return next((_command(cmd_name, one) for name, one in OPERATIONS.items() if command_name(name) == cmd_name),
                    None)


def _command(name: str, operation: type[Operation]) -> Any:
    app = typer.Typer(add_completion=False)
    app.command(name, help=_help(operation), epilog=_example(name, operation))(_function(operation))
    return typer.main.get_command(app)


def _help(operation: type[Operation]) -> str:
    return inspect.cleandoc(operation.__doc__ or "").partition("\n\nAttributes:")[0]


def _example(name: str, operation: type[Operation]) -> str:
    given = " ".join(f"{one.option} {one.example}" for one in parameters_of(operation) if one.required)
    return f"Examples:\n\n  iam-guard directory {name} {given}".rstrip() + " --store sqlite:///iam.db"


# --- the function behind a command ----------------------------------------------------------------------


def _function(operation: type[Operation]) -> Callable[..., None]:
    """A function with an option for each parameter; Typer reads its signature."""
    takes = parameters_of(operation)

    def run(**given: Any) -> None:
        parameters = {one.wire: one.read(given[one.name]) for one in takes if given[one.name] is not None}
        _perform(operation, parameters, **{name: given[name] for name in given.keys() - {one.name for one in takes}})

    fields = [*_options(operation, takes), *_common(operation)]
    run.__signature__ = inspect.Signature(fields)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in fields}
    return run


def _options(operation: type[Operation], takes: list[Parameter]) -> Iterator[inspect.Parameter]:
    told = _told(operation)
    for one in takes:
        text = " ".join(filter(None, (told.get(one.name, ""), one.hint)))
        option = typer.Option(one.option, help=text, show_default=one.default or False)
        yield _keyword(one.name, Annotated[one.type, option], inspect.Parameter.empty if one.required else None)


def _common(operation: type[Operation]) -> Iterator[inspect.Parameter]:
    yield _keyword("store", Store, inspect.Parameter.empty)
    yield _keyword("account", Account, "")
    yield _keyword("as_", As, "")
    if operation.changes:
        yield _keyword("if_revision", IfRevision, None)
    if issubclass(operation, Listing):
        yield _keyword("everything", All, False)
    yield _keyword("format", Output, Format.TABLE)


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def _told(operation: type[Operation]) -> dict[str, str]:
    """What the docstrings say about each attribute."""
    return {found[1]: textwrap.dedent(" ".join(found[2].split()))
            for one in reversed(operation.__mro__) for found in _ATTRIBUTE.finditer(one.__doc__ or "")}


def _perform(operation: type[Operation], parameters: dict[str, Any], *, store: str, account: str, as_: str,
             format: Format, if_revision: int | None = None, everything: bool = False) -> None:
    asked = operation_named(operation.__name__, parameters)
    with opened_directory(store) as directory:
        by, account = caller_of(directory, as_, account)

        def perform(one: Operation) -> Answer:
            return directory.perform(one, by=by, account=account, if_revision=if_revision)

        answer = _pages(asked, perform) if everything and isinstance(asked, Listing) else perform(asked)
    print_answer(answer, format)


def _pages(listing: Listing, perform: Callable[[Operation], Answer]) -> Answer:
    """All pages as one."""
    whole = perform(listing)
    while whole.get("IsTruncated"):
        page = perform(msgspec.structs.replace(listing, marker=whole.pop("Marker")))
        for name, value in page.items():
            whole[name] = [*whole[name], *value] if isinstance(value, list) else value
    return whole
