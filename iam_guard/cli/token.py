"""``iam-guard token``: sessions given, looked into and ended, tokens ended early, and the keys that sign."""

from __future__ import annotations

import typer

from iam_guard.cli import blocking, signing_keys, token_inspection
from iam_guard.cli.lacking import add_stand_in, of_another


def _examples(*lines: str) -> str:
    return "\n\n".join(("Examples:", *(f"  {line}" for line in lines)))


app = typer.Typer(name="token", no_args_is_help=True,
                  help="Sessions: give them, look into them, end them; and the keys that sign them.")


def _add_sessions() -> None:
    """Those who have sessions stand in a directory; keys and tokens can be had without one."""
    try:
        from iam_guard.cli import sessions
    except ModuleNotFoundError as missing:
        for name, what in (("issue", "Give a session"), ("revoke", "End sessions")):
            add_stand_in(app, name, what, of_another(missing))
        return
    app.command("issue", epilog=_examples(*sessions.ISSUE))(sessions.issue)
    app.command("revoke", epilog=_examples(*sessions.REVOKE))(sessions.revoke)


_add_sessions()
app.command("inspect", context_settings={"allow_extra_args": True},
            epilog=_examples(*token_inspection.INSPECT))(token_inspection.inspect)
app.command("block", epilog=_examples(*blocking.BLOCK))(blocking.block)
app.command("keys", epilog=_examples(*signing_keys.KEYS))(signing_keys.keys)
