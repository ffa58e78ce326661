"""``iam-guard api-key``: keys made, listed and taken away, in the file that guards follow."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from iam_guard.cli.output import Format, note, print_json, print_table, print_text

File = Annotated[Path, typer.Option("--file", envvar="IAM_GUARD_API_KEYS", metavar="FILE", show_default=False,
                                    help="The file that 'credentials.api_keys.file' names.")]

app = typer.Typer(name="api-key", no_args_is_help=True, help="API keys: make them, list them, take them away.")


@app.command(epilog="Example: iam-guard api-key new --file keys.json --principal "
                    "arn:app:iam::000000000000:user/night-job --expires 2031-01-01")
def new(
    file: File,
    principal: Annotated[str, typer.Option(metavar="ARN", show_default=False,
                                           help="The user or role that the key names.")],
    tag: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", show_default=False,
                                                  help="A principal tag; once for each.")] = None,
    expires: Annotated[datetime | None, typer.Option(show_default=False, help=(
        "From when on it is worth nothing, in UTC; never by default."))] = None,
    prefix: Annotated[str, typer.Option(help="How the key begins.")] = "igk",
) -> None:
    """Make a key, and print it this once: the file gets its digest only."""
    from iam_guard.config.api_key_file import add_api_key  # brings what makes digests

    ends = expires.replace(tzinfo=UTC) if expires is not None else None
    print_text(add_api_key(file, principal, tags=dict(map(_pair, tag or ())), expires=ends, prefix=prefix))
    note("this is the only time that the key is shown")


@app.command("list")
def list_(file: File, format: Annotated[Format, typer.Option(help="How to print.")] = Format.TABLE) -> None:
    """List the keys by their ids, with whom they name; never what opens anything."""
    from iam_guard.config.api_key_file import api_key_entries

    rows = [{"id": one.id, "principal": one.principal, "expires": one.expires, "tags": one.tags}
            for one in api_key_entries(file)]
    if format is Format.JSON:
        print_json(rows)
        return
    print_table(("id", "principal", "expires"), [
        (str(row["id"]), str(row["principal"]), str(row["expires"]) or "never") for row in rows])


@app.command()
def revoke(file: File, id: Annotated[str, typer.Argument(metavar="ID", show_default=False,
                                                         help="The key's text up to its second underscore.")]) -> None:
    """Take a key away: guards that follow the file refuse it within a second."""
    from iam_guard.config.api_key_file import remove_api_key

    remove_api_key(file, id)
    note(f"the key {id} is taken away")


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter("--tag: write KEY=VALUE")
    return key, value
