"""Generated cases in the format of the conformance tables, realistic and adversarial.

Alphabets are small and patterns are mostly derived from the request, so that statements do match; the
rest is deliberately unpleasant: colons in resource names, stars at the end of ARN segments, variables with
and without values, sets where single values belong, values of the wrong type, missing keys, every kind of
policy, every kind of caller. Unknown operators and unknown elements are left out: no loader takes them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, Protocol

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

Json = Any
Case = dict[str, Any]

HOME, AWAY = "111122223333", "999988887777"
ANN, BOB = f"arn:aws:iam::{HOME}:user/ann", f"arn:aws:iam::{HOME}:user/team/bob"
ZOE = f"arn:aws:iam::{AWAY}:user/zoe"
APP, SESSION, OTHER_SESSION = (f"arn:aws:iam::{HOME}:role/App", f"arn:aws:sts::{HOME}:assumed-role/App/s1",
                               f"arn:aws:sts::{HOME}:assumed-role/App/s2")
FEDERATED = f"arn:aws:sts::{HOME}:federated-user/ann"
ROOT, AWAY_ROOT = f"arn:aws:iam::{HOME}:root", f"arn:aws:iam::{AWAY}:root"
SERVICE = "sns.amazonaws.com"
PROVIDER = f"arn:aws:iam::{HOME}:oidc-provider/idp.example"

PRINCIPALS = [ANN] * 6 + [SESSION] * 6 + [BOB, ZOE, ZOE, APP, FEDERATED, FEDERATED, ROOT, SERVICE, SERVICE, "anonymous",
                                          PROVIDER]
ACTIONS = ["svc:Get", "svc:GetAll", "svc:Put", "orders:Get"]
RESOURCES = [
    f"arn:aws:svc:eu:{HOME}:thing/ann", f"arn:aws:svc:eu:{HOME}:thing/ann/x", f"arn:aws:svc:eu:{HOME}:thing:a:b",
    f"arn:aws:svc:eu:{AWAY}:x:{HOME}:thing/ann", "arn:aws:svc:::thing", f"arn:aws:svc:eu:{HOME}:Thing/*",
    f"arn:aws-cn:svc:eu:{HOME}:thing/${{aws:username}}", "arn:aws:svc:eu::a", "*",
]


class Dice(Protocol):
    """Where the choices come from; the first value and "no" are the simplest choices."""

    def pick(self, values: Sequence[Any]) -> Any: ...

    def chance(self, percent: int) -> bool: ...


class DrawnDice:
    """Choices that Hypothesis makes, and shrinks."""

    def __init__(self, draw: DrawFn) -> None:
        self.draw = draw

    def pick(self, values: Sequence[Any]) -> Any:
        return values[self.draw(integers_below(len(values)))]

    def chance(self, percent: int) -> bool:
        return self.draw(integers_below(100)) >= 100 - percent


class SeededDice:
    """Choices of a pseudo-random sequence: many times faster, for the long runs."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def pick(self, values: Sequence[Any]) -> Any:
        return self.random.choice(values)

    def chance(self, percent: int) -> bool:
        return self.random.randrange(100) >= 100 - percent


@cache
def integers_below(size: int) -> st.SearchStrategy[int]:
    return st.integers(0, size - 1)


def several(dice: Dice, make: Callable[[], Any], low: int, high: int) -> list[Any]:
    return [make() for _ in range(dice.pick(range(low, high + 1)))]


# --- The request ------------------------------------------------------------------------------------

TEXTS = ["ann", "a", "", "A", "K", "red", "a*", "an?", "x/ann/y", "Ann", "é", "É", "\u212a", "k", "${aws:username}"]
NUMBERS = ["10", "10.0", "+10", "-1", "010", "10.5", "9007199254740993", "9007199254740992"]
DATES = ["2026-01-01T00:00:00Z", "2026-01-01", "1767225600", "2026-01-01T01:00:00+01:00", "2026-01-01t00:00z",
         "2025-12-31T23:59:59.5Z", "2026-01", "1767225599", "2027-06-30T12:00:00-05:30"]
FLAGS = ["true", "false", "TRUE", "False"]
BYTES = ["aGk=", "YQ==", "YWI="]
ADDRESSES = ["10.1.2.3", "10.0.0.5", "2001:db8::1", "2001:DB8:0:0::1", "::ffff:10.1.2.3", "192.0.2.1"]
NETWORKS = ["10.0.0.0/8", "10.0.0.5/8", "10.1.2.3", "2001:db8::/32", "2001:db8::1", "0.0.0.0/0", "::/0"]
NAMES = [f"arn:aws:svc:eu:{HOME}:thing/ann", f"arn:aws:svc:eu:{HOME}:a:b", "arn:aws:svc:::x",
         f"arn:aws:svc:eu:{AWAY}:x:{HOME}:thing/ann", APP]
NAME_PATTERNS = [*NAMES, f"arn:aws:svc:*:{HOME}:thing/*", "arn:aws:svc:eu:*", "*", "arn:*:*:*:*:*",
                 "arn:aws:svc:e?:*:thing/${aws:username}", f"arn:aws:svc:*:{HOME}:thing/ann"]
#: Texts that are of no type at all.
MALFORMED = ["abc", "1_0", "1e1", "nan", "", "٣", "2026-02-30", "2026-01-01T00:00:00+1", "yesterday", "-5",
             "300.1.1.1", "10.0.0.0/33", "10.0.0.0/255.0.0.0", "localhost", "aGk", "!!", "arn:aws:svc", " 1", "no"]

#: Per family of operators: keys, values of the request, values of the policy.
FAMILIES: dict[str, tuple[list[str], list[str], list[Json]]] = {
    "String": (["a:text", "aws:username", "aws:PrincipalTag/team"], TEXTS,
               [*TEXTS, "${aws:username}", "${aws:PrincipalTag/team}", "${a:none, 'ann'}", "${A:Text}", "a${*}",
                "x/${aws:username}/*", "*", "a*", "?nn", "${a:many}", "${a:none}", "${"]),
    "Numeric": (["a:number", "a:number2"], NUMBERS, [*NUMBERS, 10, 1, 10.5]),
    "Date": (["a:date", "a:date2"], DATES, DATES),
    "Bool": (["a:flag"], FLAGS, [*FLAGS, True, False]),
    "Binary": (["a:bytes"], BYTES, BYTES),
    "Ip": (["a:address"], ADDRESSES, NETWORKS),
    "Arn": (["a:name", "aws:PrincipalArn"], NAMES, NAME_PATTERNS),
    "Null": (["a:text", "a:number", "aws:username", "a:many"], TEXTS, ["true", "false", True, False, "TRUE"]),
    "Set": (["a:many", "aws:TagKeys"], TEXTS, [*TEXTS, "${aws:username}", "a*"]),
}
OPERATORS: dict[str, list[str]] = {
    "String": ["StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase",
               "StringLike", "StringNotLike"],
    "Numeric": ["NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals",
                "NumericGreaterThan", "NumericGreaterThanEquals"],
    "Date": ["DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan",
             "DateGreaterThanEquals"],
    "Bool": ["Bool"], "Binary": ["BinaryEquals"], "Ip": ["IpAddress", "NotIpAddress"],
    "Arn": ["ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"], "Null": ["Null"],
    "Set": ["StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase"],
}


def contexts(dice: Dice) -> dict[str, Json]:
    """Condition keys of a request: some missing, some sets, a few malformed."""
    context: dict[str, Json] = {}
    for family, (keys, values, _) in FAMILIES.items():
        if family == "Null":
            continue
        for key in keys:
            if dice.chance(45):
                continue
            spelling = key.upper() if dice.chance(5) else key
            if family == "Set" or dice.chance(6):
                context[spelling] = [dice.pick(values) for _ in range(dice.pick([0, 1, 2, 3]))]
            else:
                context[spelling] = dice.pick(MALFORMED if dice.chance(8) else values)
    if "aws:username" in context and dice.chance(70):
        context["aws:username"] = dice.pick(["ann", "ann", "ann", "*", "an?"])
    return context


def requests(dice: Dice, principal: str) -> dict[str, Json]:
    owner = AWAY if dice.chance(15) else HOME
    action, resource = dice.pick(ACTIONS), dice.pick(RESOURCES)
    if principal == PROVIDER:
        action, resource = "sts:AssumeRoleWithWebIdentity", f"arn:aws:iam::{owner}:role/T"
    elif dice.chance(12):
        action, resource = dice.pick(["sts:AssumeRole", "sts:TagSession"]), f"arn:aws:iam::{owner}:role/T"
    elif dice.chance(8):
        action, resource = "kms:Decrypt", f"arn:aws:kms:eu:{owner}:key/1"
    elif dice.chance(1):
        action, resource = "sts:GetCallerIdentity", "*"
    if dice.chance(8):
        action = action.upper() if dice.chance(50) else action.lower()
    return {"action": action, "resource": resource, "resourceAccountId": owner,
            "contextVariables": contexts(dice)}


# --- Patterns derived from the request ---------------------------------------------------------------


def action_patterns(dice: Dice, action: str) -> str:
    prefix, name = action.split(":")
    near = ["*", f"{prefix}:*", action, action.swapcase(), f"{prefix}:{name[:3]}*", f"{prefix}:?{name[1:]}",
            f"*:{name}", f"{prefix}:{name}?", f"{prefix}:*{name[-1]}", f"{prefix[0]}*:{name}"]
    far = ["svc:Get", "orders:*", "other:Thing", "svc:Ge?", "svc:Get*", "svc:${aws:username}", "svc:Get, svc:Put"]
    return dice.pick(far if dice.chance(20) else near)


def resource_patterns(dice: Dice, resource: str) -> str:
    if resource == "*" or dice.chance(12):
        return dice.pick(["*", *RESOURCES[:6], "arn:aws:svc:*", "arn:aws:svc:*:*:*", f"arn:aws:svc:eu:{HOME}:*",
                           "arn:aws:svc", "arn:*:*:*:*:*", "arn:aws:*:thing/ann", "arn:aws:svc:eu:${aws:none}:*"])
    segments = resource.split(":", 5)
    for index in range(1, 5):  # a loader refuses a resource that does not start with "arn:"
        if dice.chance(15):
            segments[index] = dice.pick(["*", segments[index][:1] + "*", "*" + segments[index][-1:], "**",
                                          segments[index].upper(), "?" * len(segments[index])])
    rest = segments[5]
    segments[5] = dice.pick([rest, "*", rest[:2] + "*", rest[:-1] + "?", "*" + rest[-2:], rest.swapcase(),
                              rest.replace("ann", "${aws:username}"), rest.replace("ann", "${a:none, 'ann'}"),
                              rest.replace("/", "*"), rest.replace(":", "?"), rest + "*", rest + "${*}",
                              rest.replace("ann", "${aws:PrincipalTag/team}"), rest.replace("ann", "${a:many}")])
    if dice.chance(12):  # a star at the end of a segment that would have to cross a colon
        index = dice.pick([1, 2, 3])
        segments[index:index + 2] = [segments[index][:1] + "*"]
    if dice.chance(4):
        segments[3] = dice.pick(["${a:region}", "${a:none, 'eu'}", "${a:text}", "${a:none, 'e:u'}"])
    if dice.chance(2):
        segments[-1] += "${"
    return ":".join(segments)


def one_or_many(dice: Dice, make: Callable[[], Json], percent_empty: int = 2) -> Json:
    """A bare value, a list, or now and then an empty list."""
    if dice.chance(percent_empty):
        return []
    return several(dice, make, 1, 3) if dice.chance(30) else make()


# --- Conditions -------------------------------------------------------------------------------------


def conditions(dice: Dice, context: dict[str, Json]) -> dict[str, dict[str, Json]]:
    block: dict[str, dict[str, Json]] = {}
    for _ in range(dice.pick([1, 1, 2])):
        family = dice.pick(["String", *FAMILIES, "Numeric", "Date"])
        keys, _, policy_values = FAMILIES[family]
        key = dice.pick(keys)
        operator = dice.pick(OPERATORS[family])
        if dice.chance(85 if family == "Set" else 8):
            operator = dice.pick(["ForAllValues:", "ForAnyValue:"]) + operator
        if family != "Null" and dice.chance(20):
            operator += "IfExists"
        pool = list(policy_values)
        seen = context.get(key)
        if seen and family != "Null" and dice.chance(60):
            pool = seen if isinstance(seen, list) else [seen, seen, seen.swapcase(), seen.lower()]
        if dice.chance(4):
            pool = MALFORMED
        spelling = key.swapcase() if dice.chance(5) else key
        unclear = ":" in operator and "Not" in operator  # 3.9 and 3.11 disagree on these without a value
        values = one_or_many(dice, partial(dice.pick, pool), percent_empty=0 if unclear else 2)
        block.setdefault(operator, {})[spelling] = values
    return block


# --- Principals in policies -------------------------------------------------------------------------


def names_of(principal: str) -> list[str]:
    """The entries that speak of the caller, one way or another."""
    if principal in (SESSION, APP):
        return [APP, SESSION, HOME, ROOT, f"arn:aws:iam::{HOME}:role/team/App"]
    if principal == ZOE:
        return [ZOE, AWAY, AWAY_ROOT]
    if principal in (SERVICE, PROVIDER, "anonymous"):
        return [HOME]
    return [principal, HOME, ROOT, *([ANN] if principal == FEDERATED else [])]


def principal_elements(dice: Dice, principal: str) -> Json:
    if dice.chance(18):
        return "*"
    if principal == SERVICE and dice.chance(80):
        return dice.pick([{"Service": SERVICE}, {"Service": [SERVICE.upper(), "sqs.amazonaws.com"]}, {"AWS": "*"}])
    if principal == PROVIDER and dice.chance(80):
        return {"Federated": dice.pick([PROVIDER, [PROVIDER, "accounts.google.com"], PROVIDER + "x"])}
    others = [ANN, BOB, ZOE, APP, SESSION, OTHER_SESSION, FEDERATED, HOME, AWAY, ROOT, "*",
              f"arn:aws:iam::{HOME}:user/Ann", f"arn:aws:iam::{HOME}:user/*"]
    pool = others if dice.chance(30) else names_of(principal)
    element: dict[str, Json] = {"AWS": one_or_many(dice, lambda: dice.pick(pool))}
    if dice.chance(5):
        element["Service"] = SERVICE
    return element


def excepted_principals(dice: Dice, principal: str) -> Json:
    """For NotPrincipal: often all levels of the caller, or all but one."""
    if principal == SERVICE:
        return {"Service": SERVICE}
    if principal == PROVIDER:
        return {"Federated": PROVIDER}
    names = names_of(principal)[:3]
    if dice.chance(50):
        names = [name for name in names if dice.chance(60)] or names[:1]
    return {"AWS": [*names, BOB] if dice.chance(20) else names}


# --- Statements and documents -----------------------------------------------------------------------


def statements(dice: Dice, principal: str, request: dict[str, Json], kind: str, deny: int) -> Json:
    """``kind``: plain, resource, trust or rcp (Deny for everyone)."""
    statement: dict[str, Json] = {"Effect": "Deny" if kind == "rcp" or dice.chance(deny) else "Allow"}
    if kind == "rcp":
        statement["Principal"] = "*"
    elif kind != "plain":
        if dice.chance(25 if statement["Effect"] == "Deny" else 5):
            statement["NotPrincipal"] = excepted_principals(dice, principal)
        elif not dice.chance(1):
            statement["Principal"] = principal_elements(dice, principal)
    word = "NotAction" if dice.chance(8) else "Action"
    broad = word == "Action" and dice.chance(35)
    statement[word] = "*" if broad else one_or_many(dice, lambda: action_patterns(dice, request["action"]))
    if kind != "trust":
        word = "NotResource" if dice.chance(10) else "Resource"
        broad = word == "Resource" and dice.chance(40)
        statement[word] = "*" if broad else one_or_many(dice, lambda: resource_patterns(dice, request["resource"]))
    if dice.chance(50 if statement["Effect"] == "Allow" else 70):
        statement["Condition"] = conditions(dice, request["contextVariables"])
    if dice.chance(10):
        statement["Sid"] = dice.pick(["One", "Two", ""])
    return statement


def documents(dice: Dice, principal: str, request: dict[str, Json], kind: str = "plain",
              deny: int = 15) -> Json:
    body = several(dice, lambda: statements(dice, principal, request, kind, deny), 1, 3)
    document: dict[str, Json] = {"Statement": body[0] if len(body) == 1 and dice.chance(20) else body}
    if not dice.chance(8):
        document["Version"] = "2008-10-17" if dice.chance(6) else "2012-10-17"
    return document


BROAD: Json = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def case_of(dice: Dice) -> Case:
    """One question with everything that may answer it."""
    principal = dice.pick(PRINCIPALS)
    request = requests(dice, principal)
    decisive = request["action"].lower().startswith(("sts:", "kms:"))
    trust = request["action"].lower().startswith("sts:")

    def plain() -> Json:
        return documents(dice, principal, request)

    def limit() -> Json:
        return BROAD if dice.chance(50) else documents(dice, principal, request, deny=8)

    def guard() -> Json:
        return documents(dice, principal, request, "rcp")

    case: Case = {"principal": principal, "identityPolicies": several(dice, plain, 0, 2)}
    if dice.chance(40):
        case["identityPolicies"].append(BROAD)
    if dice.chance(12):
        case["groupPolicies"] = several(dice, plain, 0, 2)
    if dice.chance(85 if decisive or principal in (SERVICE, "anonymous") else 45):
        case["resourcePolicy"] = documents(dice, principal, request, "trust" if trust else "resource", 20)
    bounded = principal not in (ROOT, SERVICE, PROVIDER, "anonymous")
    if bounded and dice.chance(25):
        case["permissionBoundaries"] = [limit()]
    if bounded and dice.chance(80 if principal == FEDERATED else 25):
        case["sessionPolicies"] = several(dice, limit, 0, 2)
    if dice.chance(15):
        case["scps"] = several(dice, lambda: several(dice, limit, 0 if dice.chance(3) else 1, 2), 0, 3)
    if dice.chance(12):
        case["rcps"] = several(dice, lambda: several(dice, guard, 0, 1), 1, 2)
    case["request"] = request
    return case


@st.composite
def cases(draw: DrawFn) -> Case:
    """Cases that shrink."""
    return case_of(DrawnDice(draw))


def seeded_case(seed: int) -> Case:
    """The case with this number, always the same."""
    return case_of(SeededDice(seed))
