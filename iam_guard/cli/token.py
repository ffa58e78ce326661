"""``iam-guard token``: sessions given, looked into and ended, tokens ended early, and the keys that sign."""

from __future__ import annotations

import typer

from iam_guard.cli import blocking, sessions, signing_keys, token_inspection


def _examples(*lines: str) -> str:
    return "\n\n".join(("Examples:", *(f"  {line}" for line in lines)))


app = typer.Typer(name="token", no_args_is_help=True,
                  help="Sessions: give them, look into them, end them; and the keys that sign them.")

app.command("issue", epilog=_examples(*sessions.ISSUE))(sessions.issue)
app.command("inspect", context_settings={"allow_extra_args": True},
            epilog=_examples(*token_inspection.INSPECT))(token_inspection.inspect)
app.command("revoke", epilog=_examples(*sessions.REVOKE))(sessions.revoke)
app.command("block", epilog=_examples(*blocking.BLOCK))(blocking.block)
app.command("keys", epilog=_examples(*signing_keys.KEYS))(signing_keys.keys)
