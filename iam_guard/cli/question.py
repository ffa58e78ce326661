"""Makes a question of words from a command line: who asks, what, and what else is known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import typer

from iam_guard.engine.attachments import Attachments
from iam_guard.http.naming import ResourceNames, is_action
from iam_guard.model import Context, Principal

Keys = dict[str, str | tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Home:
    """Where short names belong.

    Attributes:
        partition: Second field of every ARN.
        account: The account.
    """

    partition: str
    account: str

    @property
    def names(self) -> ResourceNames:
        """Completes resource names."""
        return ResourceNames(self.partition, account=self.account)


def read_principal(text: str, home: Home, known: Attachments, groups: Iterable[str] = (),
                   tags: Mapping[str, str] | None = None) -> Principal:
    """Read who asks.

    Args:
        text: An ARN; ``ann`` or ``user/ann``; ``role/NAME`` or ``role/NAME/SESSION``; ``service/HOST``;
            ``root``; ``anonymous``.
        home: Where short names belong.
        known: The users and roles that exist; a short name may leave out their IAM path.
        groups: Names or ARNs of groups that somebody vouches for.
        tags: Tags of the caller or the session.

    Raises:
        typer.BadParameter: it is no caller, or two at once.
    """
    if text == "anonymous":
        return Principal.anonymous()
    if text == "root":
        return Principal.root(account=home.account, partition=home.partition)
    if text.startswith("service/"):
        return Principal.service(text.removeprefix("service/"))
    more = {"groups": tuple(_group(name, home) for name in groups), "tags": dict(tags or {})}
    try:
        return _named(text, home, known, more)
    except (ValueError, TypeError) as problem:
        raise typer.BadParameter(f"'{text}' cannot be a caller; write an ARN, NAME, role/NAME, role/NAME/SESSION, "
                                 "service/HOST, root or anonymous") from problem


def _named(text: str, home: Home, known: Attachments, more: dict[str, Any]) -> Principal:
    if text.startswith("arn:"):
        arn = text
    elif text.startswith("role/"):
        name, _, session = text.removeprefix("role/").partition("/")
        role = _entity("role", name, home, known)
        if not session:
            return Principal.from_arn(role, **more)
        return Principal.role_session(name, session, account=home.account, partition=home.partition,
                                      path=role.partition(":role")[2].removesuffix(name), **more)
    else:
        arn = _entity("user", text.removeprefix("user/"), home, known)
    return Principal.from_arn(arn, **more)


def _entity(kind: str, name: str, home: Home, known: Attachments) -> str:
    """The ARN of a user or role; its path is found among those that exist."""
    if not name or ":" in name:
        raise ValueError(name)
    start = f"arn:{home.partition}:iam::{home.account}:{kind}/"
    found = [arn for arn in known.holders
             if arn.startswith(start) and f"/{arn.removeprefix(start)}".endswith(f"/{name}")]
    return found[0] if len(found) == 1 else start + name


def _group(name: str, home: Home) -> str:
    return name if name.startswith("arn:") else f"arn:{home.partition}:iam::{home.account}:group/{name}"


def read_resource(text: str, action: str, home: Home) -> str:
    """The full name of a resource: ``order/42`` is of the action's own service.

    Raises:
        typer.BadParameter: the action is none.
    """
    if not is_action(action):
        raise typer.BadParameter(f"'{action}' is not an action; write it like 'orders:GetOrder'")
    return home.names.expand(text, action)


def read_pairs(texts: Iterable[str], what: str) -> dict[str, str]:
    """Read ``NAME=VALUE`` texts, each name once.

    Raises:
        typer.BadParameter: a text is none, or a name is given twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, value = _pair(text, what)
        if name in found:
            raise typer.BadParameter(f"{what} '{name}' is given twice")
        found[name] = value
    return found


def read_context(texts: Iterable[str]) -> Keys:
    """Read condition keys: ``KEY=VALUE``; a key given twice, or written ``KEY[]``, holds a set of values.

    Raises:
        typer.BadParameter: a text is not of this form.
    """
    found: dict[str, list[str]] = {}
    sets: set[str] = set()
    for text in texts:
        written, value = _pair(text, "condition key")
        key = written.removesuffix("[]").lower()
        found.setdefault(key, []).append(value)
        if written.endswith("[]") or len(found[key]) > 1:
            sets.add(key)
    return {key: tuple(values) if key in sets else values[0] for key, values in found.items()}


def _pair(text: str, what: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise typer.BadParameter(f"{what} '{text}' has no value; write NAME=VALUE")
    return name, value


def clock_keys(given: Context, now: datetime) -> Keys:
    """``aws:CurrentTime`` and ``aws:EpochTime``, of the time that is given or else of *now*.

    Raises:
        typer.BadParameter: the time that is given is none.
    """
    written = given.get("aws:currenttime")
    try:
        time = now if written is None else datetime.fromisoformat(str(written))
        if time.tzinfo is None:
            raise ValueError("no time zone")
    except ValueError:
        raise typer.BadParameter(f"'{written}' is not a time; write it like '2030-01-31T12:00:00Z'") from None
    instant = time.astimezone(UTC)
    return {"aws:currenttime": instant.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "aws:epochtime": str(int(instant.timestamp()))}
