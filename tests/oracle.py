"""The reference evaluator: slow, plain, and written from the language specification alone.

It knows nothing of the package under test, and keeps no index and no cache: every statement is looked at
for every question. Numbers in comments are sections of the IAM policy language specification; *threats*
is the threat catalogue. The input is one case as the conformance tables write them. Documents are taken
as they are (import mode): what cannot be evaluated grants nothing and, in a Deny, denies (threats S15).
"""

from __future__ import annotations

import base64
import ipaddress
import operator as compare
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

Json = Any
Case = Mapping[str, Any]
Context = Mapping[str, Any]

ALLOWED, EXPLICIT, IMPLICIT = "allowed", "explicitDeny", "implicitDeny"
MUST_ALLOW = ("sts:", "kms:")  # 5.6: there the policy of the resource has to allow


class Answer(NamedTuple):
    verdict: str
    reason: str


class Unresolved(Exception):
    """A pattern names a variable that has no value (2.4)."""


class UndecidableError(Exception):
    """Something cannot be evaluated: no match for an Allow, a match for a Deny (section 0, threats S15)."""


# --- Small readings of JSON -------------------------------------------------------------------------


def as_list(value: Json) -> list[Json]:
    """1.5: a bare value and a list of one mean the same."""
    return list(value) if isinstance(value, list | tuple) else [value]


def text_of(scalar: Json) -> str:
    """1.5: booleans and numbers in a document mean their text."""
    return str(scalar).lower() if isinstance(scalar, bool) else str(scalar)


def fold(text: str) -> str:
    """Lower-case A to Z and nothing else (2.2, threats E18): names of actions, keys, operators, hosts."""
    return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in text)


def lower(text: str) -> str:
    """Threats E18, for the IgnoreCase operators: one letter to one letter, and never onto an ASCII one."""
    def one(c: str) -> str:
        small = c.lower()
        return c if len(small) != 1 or (small.isascii() and not c.isascii()) else small
    return "".join(map(one, text))


def statements_of(document: Json) -> Iterator[Json]:
    """Every statement, with the document's Version remembered (1.7: Version is per document)."""
    variables = document.get("Version") == "2012-10-17"
    for statement in as_list(document.get("Statement", [])):
        yield statement | {"#variables": variables}


# --- Patterns: tokens first (2.1), then character classes, then a walk over sets of positions -------


class Token(NamedTuple):
    kind: str  # "char" (one character of the source), "value" (text of a variable), "star", "qmark", "var"
    text: str = ""
    default: str | None = None


_VARIABLE = re.compile(r"\$\{([^\s,{}']+)(?:, '([^']*)')?\}")


def tokenise(text: str, variables: bool) -> list[Token]:
    """Cut a pattern into tokens before anything is substituted (2.1, 3.8)."""
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        if variables and text.startswith("${", at):
            found = _VARIABLE.match(text, at)
            if found is None:
                raise UndecidableError(f"malformed variable in {text!r}")  # 3.8, last row
            name, default = found.groups()
            tokens.append(Token("value", name) if name in "*?$" else Token("var", name, default))
            at = found.end()
        else:
            tokens.append(Token({"*": "star", "?": "qmark"}.get(text[at], "char"), text[at]))
            at += 1
    return tokens


def look_up(context: Context, key: str) -> Json:
    """Key names ignore case (3.2); of two spellings the exact one wins, else the first in order (3.10)."""
    spellings = sorted(k for k in context if fold(k) == fold(key))
    return context[key if key in spellings else spellings[0]] if spellings else None


def value_of_variable(token: Token, context: Context) -> str | None:
    """3.8: the value, else the default, else None; a set of values or an empty text is no value."""
    value = look_up(context, token.text)
    return token.default if value is None or isinstance(value, list) or value == "" else text_of(value)


class Piece(NamedTuple):
    kind: str  # "lit", "one", "many"
    text: str = ""
    colons: bool = True  # may a wildcard stand for a colon
    ignore_case: bool = False


def glob(pieces: Iterable[Piece], text: str) -> bool:
    """Match the whole text: carry the set of positions that can be reached, piece by piece."""
    reached = {0}
    for piece in pieces:
        onward: set[int] = set()
        for start in reached:
            if piece.kind == "lit":
                end = start + len(piece.text)
                part = text[start:end]
                if part == piece.text or (piece.ignore_case and fold(part) == fold(piece.text)):
                    onward.add(end)
            elif piece.kind == "one":
                if start < len(text) and (piece.colons or text[start] != ":"):
                    onward.add(start + 1)
            else:
                onward.add(start)
                while start < len(text) and (piece.colons or text[start] != ":") and start + 1 not in onward:
                    start += 1
                    onward.add(start)
        reached = onward
    return len(text) in reached


def free_pieces(tokens: Iterable[Token]) -> list[Piece]:
    """Pieces of a pattern in which wildcards may stand for anything."""
    kinds = {"star": "many", "qmark": "one"}
    return [Piece(kinds.get(token.kind, "lit"), token.text) for token in tokens]


# --- Action and Resource ----------------------------------------------------------------------------


def action_matches(pattern: str, action: str) -> bool:
    """2.2: the bare star, or prefix and name, both without case; variables are not read here."""
    if pattern == "*":
        return True
    if pattern.count(":") != 1:
        return False
    pairs = zip(fold(pattern).split(":"), fold(action).split(":", 1), strict=True)
    return all(glob(free_pieces(tokenise(ours, variables=False)), theirs) for ours, theirs in pairs)


def action_holds(statement: Json, action: str) -> bool:
    names = as_list(statement.get("NotAction", statement.get("Action", [])))
    named = any(action_matches(text_of(name), action) for name in names)
    if "NotAction" in statement:
        return not named if names else statement["Effect"] == "Deny"  # 1.5: never for Allow, always for Deny
    return named


def resource_pieces(tokens: list[Token], context: Context, wide: bool) -> list[Piece]:
    """2.3: the classes of each wildcard, by the segment of the pattern it stands in."""
    pieces: list[Piece] = []
    segment = 0
    for index, token in enumerate(tokens):
        following = tokens[index + 1:index + 2]
        in_resource_part = segment >= 5
        if token.kind == "star":
            ends_segment = following == [Token("char", ":")]
            pieces.append(Piece("many", colons=in_resource_part or not following or (ends_segment and wide)))
        elif token.kind == "qmark":
            pieces.append(Piece("one", colons=in_resource_part))
        elif token.kind == "char":
            pieces.append(Piece("lit", token.text, ignore_case=segment <= 2))
            segment += token.text == ":"
        else:
            pieces.append(Piece("lit", resource_value(token, context, segment)))
    return pieces


def resource_value(token: Token, context: Context, segment: int) -> str:
    """2.4: no variables in arn, partition and service; no colon out of a value before the resource part."""
    if token.kind == "value":
        return token.text
    if segment <= 2:
        raise UndecidableError("a variable in the first three fields of an ARN")
    value = value_of_variable(token, context)
    if value is None or (segment < 5 and ":" in value):
        raise Unresolved
    return value


def resource_matches(pattern: str, resource: str, context: Context, statement: Json, wide: bool) -> bool:
    if pattern == "*":
        return True
    pieces = resource_pieces(tokenise(pattern, statement["#variables"]), context, wide)
    return resource != "*" and glob(pieces, resource)  # 2.3: only "*" matches an action without resource


def resource_holds(statement: Json, resource: str, context: Context) -> bool:
    """2.3: Allow + Resource and Deny + NotResource read narrow, the other two wide."""
    deny, excluding = statement["Effect"] == "Deny", "NotResource" in statement
    patterns = as_list(statement.get("NotResource", statement.get("Resource", [])))
    covered = unresolved = undecidable = False
    for pattern in patterns:
        try:
            covered |= resource_matches(text_of(pattern), resource, context, statement, wide=deny != excluding)
        except Unresolved:
            unresolved = True  # 2.4: such an entry matches no resource
        except UndecidableError:
            undecidable = True
    if not excluding:
        return covered or (undecidable and deny)
    if not patterns:
        return deny  # 1.5: never for Allow, always for Deny
    return not covered and (deny or not (unresolved or undecidable))  # 2.4 [R] for Allow


# --- Conditions (3) --------------------------------------------------------------------------------

_COMPARISONS = {"equals": compare.eq, "lessthan": compare.lt, "lessthanequals": compare.le,
                "greaterthan": compare.gt, "greaterthanequals": compare.ge}
_PLAIN = {
    "stringequals", "stringequalsignorecase", "stringlike", "bool", "binaryequals", "ipaddress", "arnequals",
    "arnlike", "null", *(kind + comparison for kind in ("numeric", "date") for comparison in _COMPARISONS),
}
_NEGATED = {
    "stringnotequals": "stringequals", "stringnotequalsignorecase": "stringequalsignorecase",
    "stringnotlike": "stringlike", "numericnotequals": "numericequals", "datenotequals": "dateequals",
    "notipaddress": "ipaddress", "arnnotequals": "arnequals", "arnnotlike": "arnlike",
}


class Operator(NamedTuple):
    qualifier: str  # "", "forallvalues", "foranyvalue"
    base: str
    negated: bool
    if_exists: bool


def parse_operator(name: str) -> Operator:
    """3.2: import mode reads operator names without case."""
    qualifier, colon, rest = fold(name).rpartition(":")
    word = rest.removesuffix("ifexists")
    base = _NEGATED.get(word, word)
    known = base in _PLAIN and rest != "nullifexists" and bool(qualifier) == bool(colon)
    if not known or qualifier not in ("", "forallvalues", "foranyvalue"):
        raise UndecidableError(f"unknown operator {name!r}")
    return Operator(qualifier, base, word in _NEGATED, word != rest)


def conditions_hold(statement: Json, context: Context) -> bool:
    """3.1: every key of every operator; what cannot be evaluated is F in an Allow and T in a Deny (3.7)."""
    for operator, body in statement.get("Condition", {}).items():
        for key, values in body.items():
            try:
                holds = pair_holds(operator, key, as_list(values), context, statement)
            except UndecidableError:
                holds = statement["Effect"] == "Deny"
            if not holds:
                return False
    return True


def pair_holds(operator: str, key: str, values: list[Json], context: Context, statement: Json) -> bool:
    """3.11, with the tables 3.4, 3.5 and 3.9."""
    op = parse_operator(operator)
    found = look_up(context, key)
    present = [text_of(one) for one in as_list(found)] if found is not None else []
    if op.base == "null":
        return null_holds(op, values, absent=not present)
    tests = [predicate_of(op, text_of(value), context, statement) for value in values]

    def compares(theirs: str) -> bool:
        value = read(op.base, theirs)
        hits = [test(value) for test in tests]
        return not any(hits) if op.negated else any(hits)

    if op.qualifier and not values and op.negated:
        raise UndecidableError("3.9 and 3.11 disagree on a negated set operator without policy values")
    if op.qualifier == "forallvalues":
        return set_holds(compares, [theirs for theirs in present if theirs != ""], decisive=False)  # 3.5 [R]
    if op.qualifier == "foranyvalue":
        return set_holds(compares, present, decisive=True)
    if not present:
        return op.if_exists or op.negated  # 3.4
    if isinstance(found, list):
        raise UndecidableError("a set of values without a set operator")  # 3.5: F in Allow, T in Deny
    return compares(present[0])


def set_holds(compares: Callable[[str], bool], members: list[str], decisive: bool) -> bool:
    """3.5: one *decisive* member decides; one that cannot be evaluated matters only when none does."""
    undecidable = False
    for theirs in members:
        try:
            if compares(theirs) is decisive:
                return decisive
        except UndecidableError:
            undecidable = True
    if undecidable:
        raise UndecidableError("a member of the set that could decide")
    return not decisive


def null_holds(op: Operator, values: list[Json], absent: bool) -> bool:
    """3.4, 3.5: with a qualifier the answer is fixed; an empty text is a value (M11)."""
    if op.qualifier:
        return op.qualifier == "forallvalues"
    words = [fold(text_of(value)) for value in values]
    if not {"true", "false"}.issuperset(words):
        raise UndecidableError("Null compares with true and false only")  # 3.7
    return any(absent == (word == "true") for word in words)


def predicate_of(op: Operator, text: str, context: Context, statement: Json) -> Callable[[Any], bool]:
    """What one policy value asks of one context value, before negation (3.3)."""
    if op.base.startswith(("string", "arn")):
        tokens, unresolved = resolve(tokenise(text, statement["#variables"]), context)
        if op.base.startswith("arn"):
            return lambda theirs: arn_hits(op, tokens, unresolved, theirs, statement["Effect"])
        return lambda theirs: not unresolved and string_hits(op.base, tokens, theirs)
    if op.base == "ipaddress":
        ours = read("network", text)
        return lambda theirs: theirs.version == ours.version and theirs in ours
    value = read(op.base, text)
    if op.base == "bool":
        return lambda theirs: theirs == value and value in ("true", "false")  # 3.6: other texts equal neither
    comparison = _COMPARISONS[op.base.removeprefix("numeric").removeprefix("date").removeprefix("binary")]
    return lambda theirs: comparison(theirs, value)


def resolve(tokens: list[Token], context: Context) -> tuple[list[Token], bool]:
    """3.8: put the values in; True when a variable has none, and then the policy value equals nothing."""
    values = {token: value_of_variable(token, context) for token in tokens if token.kind == "var"}
    resolved = [Token("value", values.get(token) or "") if token in values else token for token in tokens]
    return resolved, None in values.values()


def string_hits(base: str, tokens: list[Token], theirs: str) -> bool:
    if base == "stringlike":
        return glob(free_pieces(tokens), theirs)
    ours = "".join(token.text for token in tokens)
    return lower(ours) == lower(theirs) if base == "stringequalsignorecase" else ours == theirs


def arn_hits(op: Operator, tokens: list[Token], unresolved: bool, theirs: str, effect: str) -> bool:
    """3.6: six segments, each a glob. Without six on both sides: F, and negated F in Allow, T in Deny."""
    patterns: list[list[Token]] = [[]]
    for token in tokens:
        if token == Token("char", ":") and len(patterns) < 6:
            patterns.append([])
        else:
            patterns[-1].append(token)
    segments = theirs.split(":", 5)
    if len(patterns) < 6 or len(segments) < 6:
        return op.negated and effect == "Allow"
    return not unresolved and all(glob(free_pieces(p), s) for p, s in zip(patterns, segments, strict=True))


# --- Typed values (3.6, 1.9) -------------------------------------------------------------------------


def read(base: str, text: str) -> Any:
    """Read a value by the operator's type; one of another type is undecidable (3.7)."""
    readers = {"numeric": number, "date": instant, "bool": fold, "binary": decoded, "ipaddress": address,
               "network": network}
    reader = next((reader for kind, reader in readers.items() if base.startswith(kind)), str)
    try:
        return reader(text)
    except ValueError as problem:
        raise UndecidableError(f"not of the type of {base}: {text!r}") from problem


def number(text: str) -> Decimal:
    if not re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?", text):
        raise ValueError(text)
    return Decimal(text)


_DATE = re.compile(
    r"(?P<year>[0-9]{4})(-(?P<month>[0-9]{2})(-(?P<day>[0-9]{2}))?)?"
    r"([Tt](?P<hour>[0-9]{1,2})(:(?P<minute>[0-9]{2})(:(?P<second>[0-9]{2})(\.(?P<fraction>[0-9]{1,9}))?)?)?"
    r"([Zz]|(?P<sign>[+-])(?P<hours>[0-9]{2})(:(?P<minutes>[0-5][0-9]))?)?)?"
)
_DATE_PARTS = (("year", 1), ("month", 1), ("day", 1), ("hour", 0), ("minute", 0), ("second", 0))


def instant(text: str) -> int:
    """Nanoseconds since the epoch; no zone means UTC; without T or - the text is seconds (1.9)."""
    if not re.search(r"[tT-]", text):
        if not re.fullmatch(r"[0-9]+", text) or int(text) >= 2**63:
            raise ValueError(text)
        return int(text) * 10**9
    found = _DATE.fullmatch(text)
    if found is None or int(found["hours"] or 0) > 23:
        raise ValueError(text)
    day = datetime(*(int(found[name] or default) for name, default in _DATE_PARTS))
    offset = timedelta(hours=int(found["hours"] or 0), minutes=int(found["minutes"] or 0))
    offset *= -1 if found["sign"] == "-" else 1
    since = day - datetime(1970, 1, 1) - offset
    return (since.days * 86400 + since.seconds) * 10**9 + int((found["fraction"] or "").ljust(9, "0"))


def decoded(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii"), validate=True)


def network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """Host bits are ignored; a bare address is a network of one; no masks in dotted form."""
    if not re.fullmatch(r"[^/%]+(/[0-9]{1,3})?", text):
        raise ValueError(text)
    return ipaddress.ip_network(text, strict=False)


def address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(text.partition("%")[0])  # zone ids are stripped


# --- Principals (2.5, 2.6) --------------------------------------------------------------------------


@dataclass
class Caller:
    kind: str  # root, user, session, federated_user, service, web_identity, anonymous
    account: str = ""
    arn: str = ""
    role: str = ""  # whose permissions it has: of a session its role, of a federated user the IAM user
    partition: str = ""
    bounded: bool = False


def caller_of(case: Case) -> Caller:
    name = case["principal"]
    if name == "anonymous":
        return Caller("anonymous")
    if not name.startswith("arn:"):
        federated = fold(case["request"]["action"]).startswith("sts:assumerolewith")
        return Caller("web_identity" if federated else "service", arn=name)
    _, partition, _, _, account, rest = name.split(":", 5)
    kind, _, path = rest.partition("/")
    if kind in ("oidc-provider", "saml-provider"):
        return Caller("web_identity", arn=name)
    words = {"assumed-role": "session", "role": "session", "federated-user": "federated_user"}
    caller = Caller(words.get(kind, kind), account, name, partition=partition)
    if kind == "assumed-role":
        caller.role = f"arn:{partition}:iam::{account}:role/{path.split('/')[0]}"
    if kind == "role":  # a session of that role whose own name nobody mentions; its path is known
        caller.role, caller.arn = name, ""
    if kind == "federated-user":  # in the tables the IAM user behind it bears the same name
        caller.role = f"arn:{partition}:iam::{account}:user/{path}"
    caller.bounded = caller.kind != "root" and bool(case.get("permissionBoundaries"))
    return caller


def entries_of(element: Json) -> list[tuple[str, str]]:
    if not isinstance(element, Mapping):
        return [("*", element)]
    return [(kind, text_of(name)) for kind, names in element.items() for name in as_list(names)]


def entry_matches(kind: str, name: str, caller: Caller, effect: str) -> str | None:
    """How one entry names the caller: everyone, account, role, self; None when it does not."""
    if kind == "*":
        # 2.5 rule 7: the star never lets an STS web identity in; a Deny for everyone means everyone.
        return "everyone" if name == "*" and (caller.kind != "web_identity" or effect == "Deny") else None
    if kind == "Service":
        return "self" if caller.kind == "service" and fold(name) == fold(caller.arn) else None
    if kind == "Federated":
        return "self" if caller.kind == "web_identity" and name == caller.arn else None
    if kind != "AWS" or caller.kind in ("service", "web_identity"):
        return None
    if name == "*" or caller.kind == "anonymous":
        return "everyone" if name == "*" else None
    if name == caller.account or re.fullmatch(rf"arn:[^:*?]+:iam::{re.escape(caller.account)}:root", name):
        return "account"
    roles = f"arn:{caller.partition}:iam::{caller.account}:role/"
    pathless = roles + name.split("/")[-1] if name.startswith(roles) else name
    if caller.role and caller.role in (name, caller.arn and pathless):
        return "role"  # rule 4: the ARN of a session does not tell the role's path, so there the name decides
    return "self" if name == caller.arn else None


_LEVELS = {
    "user": {"account", "self"}, "session": {"account", "role", "self"},
    "federated_user": {"account", "self"}, "root": {"account"}, "service": {"self"},
    "web_identity": {"self"}, "anonymous": {"everyone"},
}


def principal_match(statement: Json, caller: Caller) -> set[str]:
    """In which ways the statement speaks of the caller; empty when it does not."""
    effect = statement["Effect"]
    element = statement.get("Principal", statement.get("NotPrincipal"))
    if element is None:
        return set()  # 2.5 rule 6
    ways = {way for kind, name in entries_of(element) if (way := entry_matches(kind, name, caller, effect))}
    if "Principal" in statement:
        return ways
    spared = bool(ways) or caller.kind == "web_identity"
    if effect == "Deny":  # 2.6: all levels of the caller have to be listed, and a boundary undoes that
        spared = not caller.bounded and ("everyone" in ways or _LEVELS[caller.kind] <= ways)
    return set() if spared else {"everyone"}


# --- Evaluation (5) ---------------------------------------------------------------------------------


Matches = list[tuple[str, set[str]]]  # of every statement that matches: its effect, how it names the caller


def matches_in(documents: Iterable[Json], case: Case, caller: Caller, kind: str) -> Matches:
    """Every statement that matches (2.7). ``kind``: plain, resource or trust."""
    request, context = case["request"], case["request"]["contextVariables"]
    found: Matches = []
    for statement in (statement for document in documents for statement in statements_of(document)):
        ways = {"everyone"} if kind == "plain" else principal_match(statement, caller)
        resource = kind == "trust" or resource_holds(statement, request["resource"], context)
        action = action_holds(statement, request["action"])
        if ways and action and resource and conditions_hold(statement, context):
            found.append((statement["Effect"], ways))
    return found


def has(effect: str, matches: Matches) -> bool:
    return any(found == effect for found, _ in matches)


def strongest_grant(matches: Matches) -> str:
    """5.4: direct beats role beats account; "" when no Allow speaks of the caller."""
    ways = {way for effect, found in matches if effect == "Allow" for way in found}
    if ways & {"everyone", "self"}:
        return "direct"
    return "role" if "role" in ways else "account" if "account" in ways else ""


def evaluate(case: Case) -> Answer:
    """5.8, with the reasons of 5.11."""
    action = fold(case["request"]["action"])
    if action == "sts:getcalleridentity":
        return Answer(ALLOWED, "always")
    caller = caller_of(case)
    trust = action.startswith("sts:")
    resource_word = "trust" if trust else "resource"
    document = case.get("resourcePolicy")

    def layer(documents: Iterable[Json] | None, kind: str = "plain") -> Matches:
        return matches_in(documents or [], case, caller, kind)

    resource = layer([document] if document else [], "trust" if trust else "resource")
    mine = caller.kind in ("user", "session", "federated_user")
    identity = layer([*case.get("identityPolicies", []), *case.get("groupPolicies", [])]) if mine else []
    boundaries = [layer([one]) for one in case.get("permissionBoundaries") or []] if mine else []
    session_given = case.get("sessionPolicies") is not None
    session = layer(case.get("sessionPolicies")) if mine else []
    scps = [layer(level) for level in case.get("scps") or []] if mine or caller.kind == "root" else []
    rcps = [layer(level, "resource") for level in case.get("rcps") or []]

    # Step 1: a Deny anywhere.
    for word, layers in (("scp", scps), ("rcp", rcps), ("identity", [identity]), ("boundary", boundaries),
                         ("session", [session]), (resource_word, [resource])):
        if any(has("Deny", one) for one in layers):
            return Answer(EXPLICIT, word)
    # Steps 2 and 3: every level of the organization allows (RCP levels allow everything by themselves).
    if not all(has("Allow", level) for level in scps):
        return Answer(IMPLICIT, "scp")

    grant = strongest_grant(resource)
    if not mine and caller.kind != "root":
        return Answer(ALLOWED if grant == "direct" else IMPLICIT, resource_word)
    same_account = caller.account == case["request"]["resourceAccountId"]
    if not grant and (action.startswith(MUST_ALLOW) or not same_account):
        return Answer(IMPLICIT, resource_word)
    if caller.kind == "root":
        return Answer(ALLOWED, "root" if same_account else resource_word)
    if same_account and grant == "direct":
        return Answer(ALLOWED, resource_word)
    if not has("Allow", identity) and not (same_account and grant == "role"):
        return Answer(IMPLICIT, "identity")
    if not all(has("Allow", one) for one in boundaries):
        return Answer(IMPLICIT, "boundary")
    # 5.7: a federated user without a session policy has nothing.
    if not has("Allow", session) and (session_given or caller.kind == "federated_user"):
        return Answer(IMPLICIT, "session")
    mine_word = "identity" if has("Allow", identity) else resource_word
    return Answer(ALLOWED, mine_word if same_account else "cross_account")
