"""``iam-guard token block``: tokens of any issuer that are over before they expire, on the list that guards follow."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from iam_guard.cli.output import count_of, note
from iam_guard.errors import ConfigurationError, Fault
from iam_guard.identity.revocation import RevokedSessions, RevokedToken
from iam_guard.identity.revoking import Entry, add_revocations

BLOCK = ("iam-guard token block --list revoked.json --issuer https://idp.example --id 7d0c41 --until 2031-01-01",
         "iam-guard token block --list revoked.json --issuer https://idp.example --subject ann",
         "iam-guard token block --list revoked.json --issuer https://idp.example --everybody")


def block(
    list_: Annotated[Path, typer.Option("--list", envvar="IAM_GUARD_REVOCATIONS", metavar="FILE", show_default=False,
                                        help="The file that the setting 'revocations' names; made if need be.")],
    issuer: Annotated[str, typer.Option(metavar="NAME", show_default=False,
                                        help="Whose tokens: their 'iss', or spiffe://DOMAIN of certificates.")],
    id: Annotated[str, typer.Option(metavar="JTI", show_default=False,
                                    help="One token by its 'jti', or certificate by its thumbprint.")] = "",
    subject: Annotated[str, typer.Option(metavar="SUB", show_default=False, help=(
        "All tokens of a subject that were issued until now."))] = "",
    everybody: Annotated[bool, typer.Option("--everybody", help="All tokens of the issuer until now.")] = False,
    until: Annotated[datetime | None, typer.Option(show_default=False, help=(
        "When the last of them expires, in UTC: then the entry may be forgotten. Never by default."))] = None,
) -> None:
    """Put tokens on the list that guards follow: they are refused within seconds, whoever issued them.

    Tokens are named by what they say and never by their text, so the list holds nothing that opens anything.
    """
    if bool(id) + bool(subject) + everybody != 1 or not issuer:
        raise typer.BadParameter("name one --id, one --subject, or --everybody; and the --issuer")
    now = datetime.now(UTC)
    end = None if until is None else until.replace(tzinfo=UTC)
    if end is not None and end <= now:
        raise typer.BadParameter("--until: this is past, so the entry would be forgotten at once")
    entry = RevokedToken(issuer=issuer, id=id, until=end) if id else RevokedSessions(
        issuer=issuer, subject=subject, before=now, until=end)
    note(f"{count_of(_add(list_, entry, now), 'entry', 'entries')} on the list")


def _add(path: Path, entry: Entry, now: datetime) -> int:
    try:
        written = add_revocations(path, entry, now=now)
    except OSError as problem:
        raise ConfigurationError(Fault(f"the list cannot be written: {problem.strerror}", file=str(path))) from None
    except (ValueError, RecursionError) as problem:
        raise ConfigurationError(Fault(f"what is there is no list of revocations: {problem}",
                                       "mend it, or name another", file=str(path))) from None
    return len(written.tokens) + len(written.sessions)
