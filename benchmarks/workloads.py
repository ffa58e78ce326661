"""The workloads: named, seeded, and written once, for no engine in particular.

A workload is who holds which statements, and an endless stream of questions no two of which are equal.
:mod:`benchmarks.engines` translates it for each engine, the way a user of that engine would write it.

Values that all engines need are kept plain: a context holds texts, booleans and one aware ``datetime``. Every
key a condition reads is in every question, so that engines which disagree about missing keys still agree here.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from typing import NamedTuple

Value = str | bool | datetime

SOURCE_IP = "aws:SourceIp"
TIME = "aws:CurrentTime"
MFA = "aws:MultiFactorAuthPresent"
AGENT = "aws:UserAgent"
TAG = "aws:ResourceTag/"
OWN_TAG = "aws:PrincipalTag/"


class Condition(NamedTuple):
    """One test of a context key.

    Attributes:
        operator: IpAddress, DateLessThan, DateGreaterThan, StringEquals, StringLike or Bool.
        key: The context key.
        value: What it is compared with: text, or for a Date operator an ISO 8601 instant.
        variable: The key whose value to compare with, in place of ``value``.
    """

    operator: str
    key: str
    value: str = ""
    variable: str = ""


class Statement(NamedTuple):
    """A rule and its sign: patterns of actions and resources, and conditions that must all hold."""

    deny: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[Condition, ...] = ()


class Caller(NamedTuple):
    """Somebody who asks.

    Attributes:
        name: Unique in the workload.
        account: The tenant.
        holders: Names of the roles or groups whose statements count.
        tags: The caller's own tags.
    """

    name: str
    account: str
    holders: tuple[str, ...]
    tags: dict[str, str]


class Question(NamedTuple):
    """One request. The context has the caller's tags too, as ``aws:PrincipalTag/...``."""

    caller: Caller
    action: str
    resource: str
    context: dict[str, Value]


@dataclass(frozen=True)
class Workload:
    """Statements, and a stream of questions about them.

    Attributes:
        name: How the tables call it.
        about: One line on what it stands for.
        by_group: Whether statements are held by groups; otherwise a caller's only holder is its role.
        statements: What each role or group holds.
        callers: Who asks. Many more may be stored.
        actions: Every action that is ever asked about.
        ask: Makes one question, given randomness and a number that never comes twice.
    """

    name: str
    about: str
    by_group: bool
    statements: dict[str, tuple[Statement, ...]]
    callers: tuple[Caller, ...]
    actions: tuple[str, ...]
    ask: Callable[[random.Random, int], Question]

    @property
    def stored(self) -> int:
        """Number of statements."""
        return sum(map(len, self.statements.values()))

    def stream(self, seed: int) -> Iterator[Question]:
        """Questions, no two of them equal, also between different seeds (each is asked at its own instant)."""
        chance = random.Random(f"{self.name}:{seed}")
        return (self.ask(chance, number) for number in count(seed * 10_000_000))

    def questions(self, seed: int, number: int) -> list[Question]:
        """The first *number* questions of a stream."""
        return list(islice(self.stream(seed), number))

    def rehearsal(self) -> list[Question]:
        """One question for each caller and action, for what an engine prepares when it first meets them."""
        template = next(self.stream(999))
        return [template._replace(caller=caller, action=action, context=template.context | _own_tags(caller))
                for caller in self.callers for action in self.actions]

    def first_meetings(self) -> list[Question]:
        """One question for each set of roles or groups and action."""
        return list({(one.caller.holders, one.action): one for one in self.rehearsal()}.values())


_START = datetime(2026, 3, 1, 9, tzinfo=UTC)
_VERBS = ("Get", "List", "Put", "Delete", "Share")
_TYPES = ("document", "folder", "comment", "invoice", "report", "image", "contract", "form", "note", "archive")
_AGENTS = ("Mozilla/5.0 (X11; Linux x86_64)", "Mozilla/5.0 (iPhone; Mobile)", "curl/8.5.0", "docs-cli/2.4 linux")


def _own_tags(caller: Caller) -> dict[str, Value]:
    return {OWN_TAG + tag: value for tag, value in caller.tags.items()}


def _instant(number: int) -> datetime:
    """An instant of its own for each question, some milliseconds after the last one."""
    return _START + timedelta(milliseconds=37 * number)


def _text(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


def _filled(pattern: str, chance: random.Random, number: int) -> str:
    """Text that a pattern matches; the last star becomes something never asked about before."""
    *starts, end = pattern.split("*")
    words = [f"part-{chance.randrange(1000)}" for _ in starts[:-1]] + [f"item-{number:x}"]
    return "".join(start + word for start, word in zip(starts, words, strict=False)) + end if starts else end


def _satisfy(condition: Condition, context: dict[str, Value], chance: random.Random, number: int) -> None:
    """Change a context so that a condition holds."""
    match condition.operator:
        case "IpAddress":
            context[condition.key] = condition.value.split("/")[0].rsplit(".", 1)[0] + f".{chance.randrange(1, 255)}"
        case "DateGreaterThan" | "DateLessThan":
            shift = timedelta(seconds=1, microseconds=number)
            bound = datetime.fromisoformat(condition.value)
            context[condition.key] = bound + shift if condition.operator == "DateGreaterThan" else bound - shift
        case "Bool":
            context[condition.key] = condition.value == "true"
        case "StringLike":
            context[condition.key] = _filled(condition.value, chance, number)
        case _:
            context[condition.key] = context[condition.variable] if condition.variable else condition.value


def _asked(caller: Caller, statement: Statement, context: dict[str, Value], actions: tuple[str, ...],
           chance: random.Random, number: int) -> Question:
    """A question that one statement's action and resource match."""
    pattern = chance.choice(statement.actions)
    action = chance.choice([one for one in actions if one == pattern or one.startswith(pattern.partition("*")[0])]
                           if "*" in pattern else [pattern])
    return Question(caller, action, _filled(chance.choice(statement.resources), chance, number), context)


# --- W1 -------------------------------------------------------------------------------------------------

_ACCOUNT = "111122223333"
_CLASSES = tuple(f"class-{number}" for number in range(12))
_TEAMS = tuple(f"team-{number}" for number in range(8))
_DOCS = f"arn:app:docs:eu-1:{_ACCOUNT}:"


def one_service(roles: int = 20, each: int = 50) -> Workload:
    """W1: one service; every role holds statements with wildcards and conditions."""
    chance = random.Random("W1")
    actions = tuple(f"docs:{verb}{kind.title()}" for kind in _TYPES for verb in _VERBS)
    statements = {f"role-{number}": tuple(_service_statement(chance) for _ in range(each)) for number in range(roles)}
    callers = tuple(Caller(f"session-{role}-{number}", _ACCOUNT, (role,), {"team": chance.choice(_TEAMS)})
                    for role in statements for number in range(3))

    def ask(chance: random.Random, number: int) -> Question:
        caller = chance.choice(callers)
        statement = chance.choice(statements[caller.holders[0]])
        context = _service_context(caller, chance, number)
        if chance.random() < 0.8:
            for condition in statement.conditions:
                _satisfy(condition, context, chance, number)
        if chance.random() < 0.1:
            kind = chance.choice(_TYPES)
            return Question(caller, chance.choice(actions), f"{_DOCS}{kind}/elsewhere/item-{number:x}", context)
        return _asked(caller, statement, context, actions, chance, number)

    return Workload("W1", f"one service: {roles} roles x {each} statements, wildcards and conditions", False,
                    statements, callers, actions, ask)


def _service_statement(chance: random.Random) -> Statement:
    kind, verb, team = chance.choice(_TYPES), chance.choice(_VERBS), chance.choice(_TEAMS)
    actions = chance.choice([
        (f"docs:{verb}{kind.title()}",),
        tuple(f"docs:{one}{kind.title()}" for one in chance.sample(_VERBS, 2)),
        (f"docs:{verb}*",),
    ])
    resource = chance.choice([f"{kind}/{team}/*", f"{kind}/{team}/*", f"{kind}/*", f"{kind}/*/draft-*",
                              f"*/{team}/item-*", f"{kind}/{team}/start"])
    picked = chance.sample(range(6), chance.choice([0, 0, 1, 1, 2]))
    return Statement(chance.random() < 0.1, actions, (_DOCS + resource,),
                     tuple(_service_condition(number, chance) for number in picked))


def _service_condition(number: int, chance: random.Random) -> Condition:
    return [
        lambda: Condition("IpAddress", SOURCE_IP, f"10.{chance.randrange(4)}.0.0/16"),
        lambda: Condition("DateLessThan", TIME, _text(_START + timedelta(days=chance.randrange(-30, 300)))),
        lambda: Condition("StringEquals", TAG + "class", chance.choice(_CLASSES)),
        lambda: Condition("StringEquals", TAG + "team", variable=OWN_TAG + "team"),
        lambda: Condition("StringLike", AGENT, chance.choice(["Mozilla/*", "docs-cli/*", "*Mobile*"])),
        lambda: Condition("Bool", MFA, "true"),
    ][number]()


def _service_context(caller: Caller, chance: random.Random, number: int) -> dict[str, Value]:
    context: dict[str, Value] = {
        SOURCE_IP: f"10.{chance.randrange(6)}.{chance.randrange(256)}.{chance.randrange(1, 255)}",
        TIME: _instant(number),
        AGENT: chance.choice(_AGENTS),
        MFA: chance.random() < 0.7,
        TAG + "class": chance.choice(_CLASSES),
        TAG + "team": chance.choice(_TEAMS),
    }
    return context | _own_tags(caller)


# --- W2 -------------------------------------------------------------------------------------------------


#: Tenants that ask, in every size of W2, so that sizes differ in what is stored and in nothing else.
BUSY = 10
#: Tenants that ask in the variant where what is in use no longer fits the processor's caches.
VERY_BUSY = 1_000


def many_tenants(stored: int, busy: int = BUSY) -> Workload:
    """W2: many tenants with ten statements each, held by three groups that their callers are all in.

    Args:
        stored: Number of statements.
        busy: How many tenants ask; they are spread evenly over those that are stored.
    """
    tenants = max(1, stored // 10)
    statements: dict[str, tuple[Statement, ...]] = {}
    for number in range(tenants):
        statements |= _tenant(_tenant_account(number))
    asking = [_tenant_account(number * tenants // min(busy, tenants)) for number in range(min(busy, tenants))]
    callers = tuple(Caller(f"user-{account}", account, tuple(f"{group}-{account}" for group in _GROUPS), {})
                    for account in asking)

    def ask(chance: random.Random, number: int) -> Question:
        caller = chance.choice(callers)
        context: dict[str, Value] = {SOURCE_IP: f"10.0.{chance.randrange(256)}.{chance.randrange(1, 255)}",
                                     TIME: _instant(number)}
        if chance.random() < 0.2:
            place = chance.choice(["secret/plan", "other/thing", "project-9/page"])
            resource = f"arn:app:docs:eu-1:{caller.account}:document/{place}-{number:x}"
            return Question(caller, chance.choice(_TENANT_ACTIONS), resource, context)
        statement = chance.choice(statements[chance.choice(caller.holders)])
        return _asked(caller, statement, context, _TENANT_ACTIONS, chance, number)

    size = f"{stored // 1000}k" if stored >= 1000 else str(stored)
    name = f"W2 {size}" if busy == BUSY else f"W2 {size} busy"
    about = f"{tenants:,} tenants of 10 statements; callers of {len(asking):,} tenants, in 3 groups"
    return Workload(name, about, True, statements, callers, _TENANT_ACTIONS, ask)


_GROUPS = ("readers", "writers", "owners")
_TENANT_ACTIONS = ("docs:GetDocument", "docs:ListDocument", "docs:PutDocument", "docs:DeleteDocument",
                   "docs:ShareDocument", "docs:GetInvoice", "docs:PayInvoice", "docs:GetReport")


def _tenant_account(number: int) -> str:
    return f"{200_000_000_000 + number}"


def _tenant(account: str) -> dict[str, tuple[Statement, ...]]:
    at = f"arn:app:docs:eu-1:{account}:"
    return {
        f"readers-{account}": (
            Statement(False, ("docs:GetDocument", "docs:ListDocument"), (f"{at}document/*",)),
            Statement(False, ("docs:GetReport",), (f"{at}report/*/public/*",)),
            Statement(True, ("docs:*",), (f"{at}document/secret/*",)),
        ),
        f"writers-{account}": (
            Statement(False, ("docs:PutDocument",), (f"{at}document/project-1/*", f"{at}document/project-2/*")),
            Statement(False, ("docs:DeleteDocument",), (f"{at}document/project-1/*/draft-*",)),
            Statement(False, ("docs:ShareDocument",), (f"{at}document/project-1/*",)),
            Statement(False, ("docs:Get*",), (f"{at}report/draft/*",)),
        ),
        f"owners-{account}": (
            Statement(False, ("docs:*Invoice",), (f"{at}invoice/*",)),
            Statement(False, ("docs:*",), (f"{at}document/settings", f"{at}report/yearly")),
            Statement(False, ("docs:ShareDocument", "docs:DeleteDocument"), (f"{at}document/project-2/*",)),
        ),
    }


# --- W3 -------------------------------------------------------------------------------------------------

_PLACE = f"{_DOCS}document/team-7/project-3/"
_WIDER = (f"{_DOCS}document/*", f"{_DOCS}document/team-7/*", f"{_PLACE}*", "arn:app:docs:*:*:document/team-7/*")
_ATTRIBUTES = tuple(f"attribute-{number}" for number in range(10))


def worst_case(applicable: int = 1000, *, distinct_patterns: bool = False) -> Workload:
    """W3: one caller; every statement's action and resource match every question, only conditions differ.

    Each statement has one condition: an address range, a date, a text or a tag that must equal the caller's
    own. One in ten is a Deny.

    Args:
        applicable: Number of statements.
        distinct_patterns: W3b: each Deny has a resource pattern of its own with several stars, which nearly
            no question matches.
    """
    statements = {"role-worst": tuple(_worst_statement(number, distinct_patterns) for number in range(applicable))}
    caller = Caller("session-worst", _ACCOUNT, ("role-worst",), {one: f"own-{one}" for one in _ATTRIBUTES})
    denies = [one for one in statements["role-worst"] if one.deny]
    allows = [one for one in statements["role-worst"] if not one.deny]

    def ask(chance: random.Random, number: int) -> Question:
        context = _worst_context(caller, chance, number)
        statement = chance.choice(denies if (dice := chance.random()) < 0.15 else allows)
        if dice < 0.7:
            for condition in statement.conditions:
                _satisfy(condition, context, chance, number)
        if statement.deny and distinct_patterns:
            return Question(caller, "docs:GetDocument", _filled(statement.resources[0], chance, number), context)
        return Question(caller, "docs:GetDocument", f"{_PLACE}item-{number:x}", context)

    name, more = ("W3b", ", a pattern of several stars in each deny") if distinct_patterns else ("W3", "")
    return Workload(name, f"one caller with {applicable:,} applicable statements{more}", False, statements, (caller,),
                    ("docs:GetDocument",), ask)


def _worst_statement(number: int, distinct_patterns: bool) -> Statement:
    deny = number % 10 == 3
    action = ("docs:GetDocument", "docs:Get*", "docs:*")[number % 3]
    resource = _WIDER[number // 4 % len(_WIDER)]
    if deny and distinct_patterns:
        resource = f"{_DOCS}document/*/draft-{number}-*/secret-*-{number}"
    return Statement(deny, (action,), (resource,), (_worst_condition(number, deny),))


def _worst_condition(number: int, deny: bool) -> Condition:
    """The *number*-th condition; those of denies are out of the way of ordinary questions."""
    match (number // 10 if deny else number) % 4:
        case 0:
            network = f"198.18.{number % 250}.0/24" if deny else f"10.{number // 250}.{number % 250}.0/24"
            return Condition("IpAddress", SOURCE_IP, network)
        case 1 if deny:
            return Condition("DateLessThan", TIME, _text(_START - timedelta(days=number)))
        case 1:
            return Condition("DateGreaterThan", TIME, _text(_START + timedelta(days=1000 + number)))
        case 2:
            return Condition("StringEquals", TAG + "class", f"{'sealed' if deny else 'class'}-{number}")
    attribute = _ATTRIBUTES[number // (40 if deny else 4) % len(_ATTRIBUTES)]
    return Condition("StringEquals", f"{TAG}{'not-' if deny else ''}{attribute}", variable=OWN_TAG + attribute)


def _worst_context(caller: Caller, chance: random.Random, number: int) -> dict[str, Value]:
    """A context in which nothing holds."""
    context: dict[str, Value] = {
        SOURCE_IP: f"172.16.{chance.randrange(256)}.{chance.randrange(1, 255)}",
        TIME: _instant(number),
        TAG + "class": f"other-{chance.randrange(1000)}",
    }
    for attribute in _ATTRIBUTES:
        context[TAG + attribute] = context[TAG + "not-" + attribute] = f"else-{chance.randrange(1000)}"
    return context | _own_tags(caller)


def all_workloads(*, largest: int = 100_000) -> list[Workload]:
    """Every workload; W2 in sizes up to *largest*, and the largest once more with many tenants asking."""
    sizes = [stored for stored in (100, 1_000, 10_000, 100_000) if stored <= largest]
    return [one_service(), *map(many_tenants, sizes), many_tenants(sizes[-1], VERY_BUSY),
            worst_case(), worst_case(distinct_patterns=True)]
