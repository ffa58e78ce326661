"""``iam-guard directory``: accounts, users, groups, roles and policies, wherever they are kept."""

from __future__ import annotations

import typer

from iam_guard.cli import access, beginning, exchange, upkeep
from iam_guard.cli.operations import OperationCommands


def _examples(*lines: str) -> str:
    return "\n\n".join(("Examples:", *(f"  {line}" for line in lines)))


app = typer.Typer(name="directory", cls=OperationCommands, no_args_is_help=True, help=(
    "Accounts, users, groups, roles and policies, wherever they are kept.\n\n"
    "Beside the commands that are listed first there is one for every operation of IAM's API, with its parameters as "
    "options: CreateUser is create-user, its UserName is --user-name."))

app.command("init", epilog=_examples(*beginning.INIT))(beginning.init)
app.command("who-can", epilog=_examples(*access.WHO_CAN))(access.who_can)
app.command("what-can", epilog=_examples(*access.WHAT_CAN))(access.what_can)
app.command("effective-policies", epilog=_examples(*access.EFFECTIVE))(access.effective_policies)
app.command("unused", epilog=_examples(*access.UNUSED))(access.unused)
app.command("history", epilog=_examples(*upkeep.HISTORY))(upkeep.history)
app.command("forget-history", epilog=_examples(*upkeep.FORGET))(upkeep.forget_history)
app.command("rotate-secret-keys", epilog=_examples(*upkeep.ROTATE))(upkeep.rotate_secret_keys)
app.command("import", epilog=_examples(*exchange.IMPORT))(exchange.import_)
app.command("export", epilog=_examples(*exchange.EXPORT))(exchange.export)
app.command("copy", epilog=_examples(*exchange.COPY))(exchange.copy_)
