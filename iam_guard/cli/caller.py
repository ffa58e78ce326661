"""Which directory a command works on, in which account, and for whom."""

from __future__ import annotations

from typing import Annotated

import typer

from iam_guard.directory.attaching import settings_of
from iam_guard.directory.directory import Directory
from iam_guard.model import Principal

STORE_VARIABLE = "IAM_GUARD_STORE"

Store = Annotated[str, typer.Option(
    "--store", envvar=STORE_VARIABLE, metavar="URL", show_default=False,
    help="The directory: sqlite:///iam.db, postgresql://host/database, file:./folder.")]
Account = Annotated[str, typer.Option(
    "--account", metavar="ID", help="The account to work in; by default the caller's, else the directory's own.",
    show_default=False)]
As = Annotated[str, typer.Option(
    "--as", metavar="ARN", show_default=False,
    help="Who asks: the directory's policies decide what that user or role may do. By default the root of the "
         "account, which whoever can open the store could be anyway.")]


def caller_of(directory: Directory, arn: str, account: str) -> tuple[Principal, str]:
    """Who asks, and the account that is worked in.

    Raises:
        BadParameter: the ARN is of nobody who could ask.
    """
    with directory.store.read() as reading:
        settings = settings_of(reading)
    if not arn:
        account = account or settings.default_account
        return Principal.root(account=account, partition=settings.partition), account
    if not arn.startswith("arn:"):
        example = f"arn:{settings.partition}:iam::{account or settings.default_account}:user/{arn}"
        raise typer.BadParameter(f"--as: '{arn}' is not an ARN; write it in full, like {example}")
    try:
        who = Principal.from_arn(arn)
    except ValueError as error:
        raise typer.BadParameter(f"--as: {error}") from None
    return who, account or who.account
