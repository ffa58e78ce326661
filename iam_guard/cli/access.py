"""``iam-guard directory who-can`` and the other questions about access."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from iam_guard.answers.examiner import Examiner
from iam_guard.answers.holdings import holdings
from iam_guard.answers.unused import read_records
from iam_guard.answers.unused import unused as find_unused
from iam_guard.answers.what_can import what_can as find_what_can
from iam_guard.answers.who_can import who_can as find_who_can
from iam_guard.cli.caller import Store
from iam_guard.cli.output import Format, note, print_json, print_table
from iam_guard.cli.progress import counting
from iam_guard.directory.attaching import Attaching
from iam_guard.directory.image import Image
from iam_guard.engine.attachments import Attachments
from iam_guard.model import Principal
from iam_guard.store.urls import open_store

WHO_CAN = (
    "iam-guard directory who-can docs:DeleteDocument arn:app:docs::000000000000:document/1 --store sqlite:///iam.db",
    "iam-guard directory who-can docs:DeleteDocument '*' --key aws:SourceIp=10.0.0.1 --store sqlite:///iam.db",
)
WHAT_CAN = ("iam-guard directory what-can arn:app:iam::000000000000:user/ann --store sqlite:///iam.db",)
EFFECTIVE = ("iam-guard directory effective-policies arn:app:iam::000000000000:user/ann --store sqlite:///iam.db",)
UNUSED = ("iam-guard directory unused --log decisions.jsonl --days 90 --store sqlite:///iam.db",)

Key = Annotated[list[str] | None, typer.Option(
    "--key", metavar="KEY=VALUE", show_default=False,
    help="A condition key that the request is known to have. Repeat it for a set of values.")]
Absent = Annotated[list[str] | None, typer.Option(
    "--absent", metavar="KEY", help="A condition key that the request is known not to have.", show_default=False)]
Output = Annotated[Format, typer.Option(help="How to print.")]
Who = Annotated[str, typer.Argument(metavar="ARN", help="A user, a role, or a service by its host name.")]


def who_can(
    action: Annotated[str, typer.Argument(help="Such as docs:DeleteDocument.")],
    resource: Annotated[str, typer.Argument(help="A full ARN, or '*' for an action without a resource.")],
    store: Store,
    key: Key = None,
    absent: Absent = None,
    roles: Annotated[bool, typer.Option(help="Also who may get there by assuming roles.")] = True,
    format: Output = Format.TABLE,
) -> None:
    """Everybody who may do something, and by which policy.

    Condition keys that are not given may or may not be there; access that
    turns on one of them is 'depends', with the keys it depends on.
    """
    examiner = _examiner(_everything(store), key, absent)
    with counting("principals") as progress:
        found = list(find_who_can(examiner, action, resource, through_roles=roles, progress=progress))
    if format is Format.JSON:
        print_json([one.to_json() for one in found])
        return
    print_table(("access", "principal", "by", "way", "depends on"), [
        (str(one.certainty), one.principal, one.policy_id or str(one.reason), _way(one.path, one.via),
         ", ".join(one.depends_on)) for one in found])


def what_can(principal: Who, store: Store, key: Key = None, absent: Absent = None,
             format: Output = Format.TABLE) -> None:
    """Every permission of a user or role, with what its limits leave of it, and what it is denied."""
    found = list(find_what_can(_examiner(_everything(store), key, absent), _principal(principal)))
    if format is Format.JSON:
        print_json([one.to_json() for one in found])
        return
    print_table(("access", "action", "resource", "by", "way", "depends on"), [
        (str(one.certainty), one.action, one.resource, one.policy_id, _way(one.path), ", ".join(one.depends_on))
        for one in found])


def effective_policies(principal: Who, store: Store, format: Output = Format.TABLE) -> None:
    """Every policy that bears on a user or role, and the way by which each came."""
    found = holdings(_everything(store), _principal(principal))
    if format is Format.JSON:
        print_json([one.to_json() for one in found])
        return
    print_table(("kind", "policy", "way"), [(str(one.kind), one.policy.id, _way(one.path)) for one in found])


def unused(
    store: Store,
    log: Annotated[list[Path], typer.Option(exists=True, dir_okay=False, help="A log of decisions, as the setting "
                                                                              "'log: {jsonl: ...}' writes it.")],
    days: Annotated[int, typer.Option(min=1, help="How far to look back.")] = 90,
    format: Output = Format.TABLE,
) -> None:
    """Users and roles that do not use what they hold: policies that allowed them nothing.

    A log that leaves allowed requests out ('only_denied') cannot tell.
    """
    since = datetime.now(UTC) - timedelta(days=days)
    records = (record for path in log for record in _records(path))
    found = list(find_unused(_everything(store), records, since=since))
    if format is Format.JSON:
        print_json([one.to_json() for one in found])
        return
    print_table(("principal", "last used", "unused", "policies"), [
        (one.principal, f"{one.last_used:%Y-%m-%d}" if one.last_used else "never",
         f"{len(one.policies)} of {one.holds}", ", ".join(one.policies)) for one in found])
    if not found:
        note(f"everything that anybody holds was used within {days} days")


def _records(path: Path) -> Iterable[Any]:
    with path.open("rb") as lines:
        yield from read_records(lines, str(path))


def _everything(url: str) -> Attachments:
    """What is attached to whom, as the directory is now."""
    store = open_store(url)
    try:
        with store.read() as reading:
            image = Image.of(reading)
    finally:
        store.close()
    return Attaching().attachments(image)


def _examiner(attachments: Attachments, keys: list[str] | None, absent: list[str] | None) -> Examiner:
    context: dict[str, list[str]] = {}
    for text in keys or ():
        name, equals, value = text.partition("=")
        if not equals:
            raise typer.BadParameter(f"--key is written KEY=VALUE, not '{text}'")
        context.setdefault(name, []).append(value)
    known = {name: values[0] if len(values) == 1 else values for name, values in context.items()}
    return Examiner(attachments, context=known, absent=absent or ())


def _principal(arn: str) -> Principal:
    try:
        return Principal.from_arn(arn)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _way(path: tuple[str, ...], via: tuple[str, ...] = ()) -> str:
    """From the principal to the policy; roles on the way first."""
    return " > ".join((*(f"assume {_short(role)}" for role in via), *map(_short, path)))


def _short(name: str) -> str:
    return name.split(":", 5)[-1] if name.startswith("arn:") else name
