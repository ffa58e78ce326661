"""``iam-guard directory init``: a new directory with its first administrator."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from iam_guard.cli.caller import Store
from iam_guard.cli.failures import WRONG
from iam_guard.cli.output import Format, note, print_json, print_text, say
from iam_guard.config.directory import SecretsOf
from iam_guard.directory.bootstrap import Credentials, bootstrap
from iam_guard.directory.hiding import FILE_VARIABLE, KEY_VARIABLE, make_key_file
from iam_guard.model import DEFAULT_ACCOUNT, DEFAULT_PARTITION
from iam_guard.store.urls import open_store

INIT = ("iam-guard directory init --store sqlite:///iam.db --key-file iam.key",
        "iam-guard directory init --store postgresql://db/iam --account 111122223333 --format json > admin.json")


def init(
    store: Store,
    user_name: Annotated[str, typer.Option(help="What to call the administrator.")] = "administrator",
    account: Annotated[str, typer.Option(help="The account that names without one belong to.")] = DEFAULT_ACCOUNT,
    partition: Annotated[str, typer.Option(help="The second field of every ARN.")] = DEFAULT_PARTITION,
    key_file: Annotated[Path | None, typer.Option(
        dir_okay=False, show_default=False,
        help="Make this file with a new key that hides secret access keys. Not needed where the environment has a key "
             f"in {KEY_VARIABLE} or names such a file in {FILE_VARIABLE}.")] = None,
    format: Annotated[Format, typer.Option(help="How to print the credentials.")] = Format.TABLE,
) -> None:
    """Begin a directory: make one administrator, who may do everything, and show its credentials once.

    Nothing happens to a directory that anything was ever written to: that
    is exit code 1.
    """
    environment = dict(os.environ)
    if key_file is not None:
        make_key_file(key_file)
        environment = {FILE_VARIABLE: str(key_file)}
    opened = open_store(store)
    try:
        made = bootstrap(opened, SecretsOf(environment), show=_as_json if format is Format.JSON else _as_text,
                         user_name=user_name, account=account, partition=partition)
    finally:
        opened.close()
    if not made:
        say("this directory was begun before: nothing was made")
        raise typer.Exit(WRONG)
    if key_file is not None:
        note(f"keep the key: export {FILE_VARIABLE}={key_file.absolute()}")


def _as_text(found: Credentials) -> None:
    print_text("\n".join(found.lines()))


def _as_json(found: Credentials) -> None:
    print_json({"Account": found.account, "UserName": found.user_name, "Password": found.password,
                "AccessKeyId": found.access_key_id, "SecretAccessKey": found.secret_access_key})
