"""``iam-guard token keys``: the keys that sign sessions, made, shown, changed and taken away."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from iam_guard.cli.output import Format, note, print_json, print_table
from iam_guard.sts.key_file import SigningKeyFile
from iam_guard.sts.signing import SigningKey, SigningKeys

KEYS = ("iam-guard token keys --keys keys.json --new", "iam-guard token keys --keys keys.json",
        "iam-guard token keys --keys keys.json --rotate --lead 600")
Keys = Annotated[Path, typer.Option("--keys", envvar="IAM_GUARD_TOKEN_KEYS", metavar="FILE", show_default=False,
                                    help="The file with the signing keys; see 'iam-guard token keys'.")]


def keys(
    keys: Keys,
    new: Annotated[bool, typer.Option("--new", help="Make the file with a first key.")] = False,
    rotate: Annotated[bool, typer.Option("--rotate", help="Add a key; those before it go on verifying.")] = False,
    lead: Annotated[int, typer.Option(min=0, metavar="SECONDS", help="After how many seconds the key of --rotate "
                                                                      "signs; it is published at once.")] = 300,
    drop: Annotated[str, typer.Option(metavar="ID", show_default=False, help=(
        "Take a key away at once, as after a theft: sessions that it signed are worth nothing."))] = "",
    format: Annotated[Format, typer.Option(help="How to print.")] = Format.TABLE,
) -> None:
    """The keys that sign sessions; never the private halves.

    The public halves stand beside the file, in one that ends in .jwks.json.
    """
    if new + rotate + bool(drop) > 1:
        raise typer.BadParameter("--new, --rotate and --drop are done one at a time")
    file, now = SigningKeyFile(keys), int(time.time())
    found = _changed(file, now, new=new, rotate=rotate, lead=lead, drop=drop)
    _print(found, now, file.public, format)


def _changed(file: SigningKeyFile, now: int, *, new: bool, rotate: bool, lead: int, drop: str) -> SigningKeys:
    if new:
        return file.make(now)
    if rotate:
        return file.rotate(now, lead=lead)
    return file.drop(drop, now) if drop else file.current


def _print(found: SigningKeys, now: int, public: Path, format: Format) -> None:
    rows = [{"id": one.id, "state": _state(one, found, now),
             "signs_from": datetime.fromtimestamp(one.signs_from, UTC).isoformat()} for one in found.verifying(now)]
    if format is Format.JSON:
        print_json(rows)
        return
    print_table(("id", "state", "signs from"), [tuple(row.values()) for row in rows])
    note(f"public keys: {public}")


def _state(one: SigningKey, found: SigningKeys, now: int) -> str:
    if one.signs_from > now:
        return "published"
    return "signs" if one == found.signing(now) else "verifies"
