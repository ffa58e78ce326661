"""Do the tables have teeth? Each mutation breaks one rule of the reference evaluator.

The tables must notice every one of them, and so must the generated cases: a rule that can be broken
unseen is a rule that the engine could break unseen.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import oracle
import pytest
from properties.strategies import seeded_case

Case = dict[str, Any]
Patch = dict[str, Any]
TABLES = Path(__file__).parent.parent / "conformance"
GENERATED = 8000

# The rules as they are, for the mutations to wrap.
ACTION_MATCHES, ACTION_HOLDS = oracle.action_matches, oracle.action_holds
RESOURCE_MATCHES, RESOURCE_HOLDS = oracle.resource_matches, oracle.resource_holds
RESOURCE_PIECES, GLOB, FREE_PIECES = oracle.resource_pieces, oracle.glob, oracle.free_pieces
STATEMENTS, MATCHES, EVALUATE, CALLER = oracle.statements_of, oracle.matches_in, oracle.evaluate, oracle.caller_of
OPERATOR, PAIR, NULL, SET = oracle.parse_operator, oracle.pair_holds, oracle.null_holds, oracle.set_holds
ENTRY, PRINCIPAL, GRANT, VALUE = (oracle.entry_matches, oracle.principal_match, oracle.strongest_grant,
                                  oracle.value_of_variable)


# --- Small wrappers -----------------------------------------------------------------------------------


def without(*layers: str) -> Patch:
    """An evaluator that overlooks a kind of policy."""
    return {"evaluate": lambda case: EVALUATE({k: v for k, v in case.items() if k not in layers})}


def statements_with(change: Callable[[Any], Any]) -> Patch:
    def changed(document: Any) -> Iterator[Any]:
        return (change(dict(statement)) for statement in STATEMENTS(document))
    return {"statements_of": changed}


def renamed(old: str, new: str) -> Patch:
    return statements_with(lambda one: {new if k == old else k: v for k, v in one.items()})


def operators_with(**fields: Any) -> Patch:
    return {"parse_operator": lambda name: OPERATOR(name)._replace(**fields)}


def readings_as_text(*names: str) -> Patch:
    return {name: lambda text: text for name in names}


def substituted_first(pattern: str, resource: str, context: Any, statement: Any, wide: bool) -> bool:
    """Variables put into the text before it is read as a pattern."""
    def put(found: re.Match[str]) -> str:
        value = oracle.look_up(context, found[1])
        return value if isinstance(value, str) else found[0]
    text = re.sub(r"\$\{([^},]+)\}", put, pattern) if statement["#variables"] else pattern
    return RESOURCE_MATCHES(text, resource, context, statement, wide)


def every_value(compares: Any, members: Any, decisive: bool) -> bool:
    return SET(compares, members, not decisive)


def undecidable_is_false(statement: Any, context: Any) -> bool:
    """A condition that cannot be evaluated is false, also in a Deny."""
    def holds(operator: str, key: str, values: Any) -> bool:
        try:
            return PAIR(operator, key, oracle.as_list(values), context, statement)
        except oracle.UndecidableError:
            return False
    return all(holds(operator, key, values) for operator, body in statement.get("Condition", {}).items()
               for key, values in body.items())


def some_condition(statement: Any, context: Any) -> bool:
    def single(operator: str, key: str, values: Any) -> Any:
        return statement | {"Condition": {operator: {key: values}}}
    parts = [single(operator, key, values) for operator, body in statement.get("Condition", {}).items()
             for key, values in body.items()]
    return not parts or any(CONDITIONS(part, context) for part in parts)


CONDITIONS = oracle.conditions_hold


def lesser_level_spares(statement: Any, caller: Any) -> set[str]:
    """NotPrincipal spares whoever is listed at one level."""
    if "NotPrincipal" not in statement or caller.bounded:
        return PRINCIPAL(statement, caller)
    named = PRINCIPAL({"Effect": "Allow", "Principal": statement["NotPrincipal"]}, caller)
    return set() if named else {"everyone"}


def boundary_forgotten(statement: Any, caller: Any) -> set[str]:
    kept, caller.bounded = caller.bounded, False
    try:
        return PRINCIPAL(statement, caller)
    finally:
        caller.bounded = kept


def loose_entry(accept: Callable[[str, str, Any], bool], way: str = "everyone") -> Patch:
    def entry(kind: str, name: str, caller: Any, effect: str) -> str | None:
        return ENTRY(kind, name, caller, effect) or (way if accept(kind, name, caller) else None)
    return {"entry_matches": entry}


def no_implicit_root(case: Any) -> Any:
    answer = EVALUATE(case)
    return oracle.Answer("implicitDeny", "identity") if answer.reason == "root" else answer


def some_level(case: Case) -> Any:
    """One organization level that allows is enough."""
    answer = EVALUATE(case)
    if answer != oracle.Answer("implicitDeny", "scp"):
        return answer
    merged = [document for level in case["scps"] for document in level]
    return EVALUATE(case | {"scps": [merged]})


def federated_like_a_role(case: Case) -> Any:
    allow = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    given = case.get("sessionPolicies") is not None or ":federated-user/" not in case["principal"]
    return EVALUATE(case if given else case | {"sessionPolicies": [allow]})


def one_account(case: Case) -> Any:
    """Callers of other accounts treated like one's own."""
    account = CALLER(case).account
    return EVALUATE(case | {"request": case["request"] | {"resourceAccountId": account}})


def strong(*weak: str) -> Patch:
    return {"strongest_grant": lambda found: "direct" if GRANT(found) in weak else GRANT(found)}


def pieces_with(**fields: Any) -> Patch:
    return {"resource_pieces": lambda *given: [piece._replace(**fields) for piece in RESOURCE_PIECES(*given)]}


def empty_is_absent(op: Any, values: Any, absent: bool) -> bool:
    return NULL(op, values, not absent)


MUTATIONS: dict[str, Patch] = {
    # effects and layers
    "every effect is flipped": statements_with(
        lambda one: one | {"Effect": "Allow" if one["Effect"] == "Deny" else "Deny"}),
    "a Deny is overlooked": {"has": lambda effect, found: effect == "Allow" and any(e == effect for e, _ in found)},
    "conditions are overlooked": {"conditions_hold": lambda statement, context: True},
    "one condition is enough": {"conditions_hold": some_condition},
    "what cannot be evaluated does not deny": {"conditions_hold": undecidable_is_false},
    "group policies are overlooked": without("groupPolicies"),
    "boundaries are overlooked": without("permissionBoundaries"),
    "session policies are overlooked": without("sessionPolicies"),
    "service control policies are overlooked": without("scps"),
    "resource control policies are overlooked": without("rcps"),
    "resource policies are overlooked": without("resourcePolicy"),
    "one organization level is enough": {"evaluate": some_level},
    # actions
    "actions are compared with case": {"action_matches": lambda pattern, action: pattern == "*" or all(
        GLOB(FREE_PIECES(oracle.tokenise(p, False)), a) for p, a in zip(pattern.split(":"), action.split(":"),
                                                                         strict=False))},
    "NotAction is read as Action": renamed("NotAction", "Action"),
    "NotAction never matches": {"action_holds": lambda one, action: "NotAction" not in one and ACTION_HOLDS(
        one, action)},
    "an empty NotAction allows": {"action_holds": lambda one, action: one.get("NotAction") == [] or ACTION_HOLDS(
        one, action)},
    "actions are cut at commas": {"action_matches": lambda pattern, action: any(
        ACTION_MATCHES(part.strip(), action) for part in pattern.split(","))},
    # resources
    "NotResource is read as Resource": renamed("NotResource", "Resource"),
    "an Allow reads stars wide": {"resource_matches": lambda *given, wide: RESOURCE_MATCHES(*given, wide=True)},
    "a Deny reads stars narrow": {"resource_matches": lambda *given, wide: RESOURCE_MATCHES(*given, wide=False)},
    "stars never cross colons": pieces_with(colons=False),
    "stars always cross colons": pieces_with(colons=True),
    "resources ignore case": pieces_with(ignore_case=True),
    "services are compared with case": pieces_with(ignore_case=False),
    "a question mark may stand for nothing": {"glob": lambda pieces, text: GLOB(
        [piece._replace(kind="many" if piece.kind == "one" else piece.kind) for piece in pieces], text)},
    "a pattern need not match to the end": {"glob": lambda pieces, text: GLOB(
        [*pieces, oracle.Piece("many")], text)},
    "any ARN pattern matches an action without resource": {"resource_matches": lambda pattern, resource, *more, wide:
        resource == "*" or RESOURCE_MATCHES(pattern, resource, *more, wide=wide)},
    "an Allow grows when NotResource has no value": {"resource_holds": lambda one, *more: RESOURCE_HOLDS(
        one | {"Effect": "Deny"}, *more) if "NotResource" in one else RESOURCE_HOLDS(one, *more)},
    # variables
    "variables work in every version": statements_with(lambda one: one | {"#variables": True}),
    "variables work in no version": statements_with(lambda one: one | {"#variables": False}),
    "values are read as patterns": {"resource_matches": substituted_first},
    "defaults are overlooked": {"value_of_variable": lambda token, context: VALUE(
        token._replace(default=None), context)},
    "an empty value is a value": {"value_of_variable": lambda token, context: "" if oracle.look_up(
        context, token.text) == "" else VALUE(token, context)},
    "a missing value is an empty text": {"value_of_variable": lambda token, context: VALUE(token, context) or ""},
    # conditions
    "negation is dropped": operators_with(negated=False),
    "IfExists is dropped": operators_with(if_exists=False),
    "everything has IfExists": operators_with(if_exists=True),
    "set operators are dropped": operators_with(qualifier=""),
    "ForAllValues is ForAnyValue": {"set_holds": every_value},
    "an empty set satisfies ForAnyValue": {"set_holds": lambda compares, members, decisive:
        not members or SET(compares, members, decisive)},
    "an empty set fails ForAllValues": {"set_holds": lambda compares, members, decisive:
        bool(members) and SET(compares, members, decisive)},
    "Null is turned round": {"null_holds": empty_is_absent},
    "only the first policy value counts": {"pair_holds": lambda operator, key, values, *more: PAIR(
        operator, key, values[:1], *more)},
    "condition keys are compared with case": {"look_up": lambda context, key: context.get(key)},
    "StringEquals has wildcards": {"string_hits": lambda base, tokens, theirs: GLOB(FREE_PIECES(tokens), theirs)},
    "StringLike has no wildcards": {"string_hits": lambda base, tokens, theirs:
        "".join(token.text for token in tokens) == theirs},
    "strings ignore case": {"string_hits": lambda base, tokens, theirs: GLOB(
        [piece._replace(text=piece.text.lower()) for piece in FREE_PIECES(tokens)], theirs.lower())},
    "IgnoreCase is dropped": {"lower": lambda text: text},
    "IgnoreCase folds foreign letters onto ASCII": {"lower": str.lower},
    "ARNs are compared as text": {"arn_hits": lambda op, tokens, unresolved, theirs, effect: not unresolved and GLOB(
        FREE_PIECES(tokens), theirs)},
    "numbers are texts": readings_as_text("number"),
    "numbers are floats": {"number": float},
    "dates are texts": readings_as_text("instant"),
    "zones are overlooked": {"instant": lambda text, real=oracle.instant: real(re.sub(
        r"(?<=T)(.*)[+-]\d\d:\d\d$", r"\1", text))},
    "addresses are texts": {"network": lambda text: _TextRange(text), "address": lambda text: _Text(text)},
    "booleans are compared with case": {"read": lambda base, text, real=oracle.read:
        text if base == "bool" else real(base, text)},
    "base64 is text": readings_as_text("decoded"),
    "comparisons are turned round": {"_COMPARISONS": oracle._COMPARISONS | {
        "lessthan": oracle._COMPARISONS["greaterthan"], "greaterthan": oracle._COMPARISONS["lessthan"]}},
    "bounds are excluded": {"_COMPARISONS": oracle._COMPARISONS | {
        "lessthanequals": oracle._COMPARISONS["lessthan"],
        "greaterthanequals": oracle._COMPARISONS["greaterthan"]}},
    # principals
    "a statement without Principal is for everyone": {"principal_match": lambda one, caller: PRINCIPAL(
        {"Principal": "*"} | one, caller)},
    "NotPrincipal is read as Principal": renamed("NotPrincipal", "Principal"),
    "one level spares from NotPrincipal": {"principal_match": lesser_level_spares},
    "a boundary does not undo NotPrincipal": {"principal_match": boundary_forgotten},
    "an account is anybody": loose_entry(lambda kind, name, caller: name.isdigit(), "account"),
    "the star names services": loose_entry(lambda kind, name, caller: name == "*" and caller.kind == "service"),
    "the star lets web identities in": loose_entry(lambda kind, name, caller: name == "*"),
    "names of users ignore case": loose_entry(
        lambda kind, name, caller: kind == "AWS" and name.lower() == caller.arn.lower(), "self"),
    "partial wildcards in Principal work": loose_entry(
        lambda kind, name, caller: name.endswith("*") and caller.arn.startswith(name[:-1]), "self"),
    "any session of the role is this session": loose_entry(
        lambda kind, name, caller: caller.kind == "session" and name.rpartition("/")[0] == caller.arn.rpartition(
            "/")[0], "self"),
    # who decides
    "naming the account grants": strong("account"),
    "naming the role is not limited": strong("role"),
    "naming the account does not delegate": {"strongest_grant": lambda found: GRANT(found).replace("account", "")},
    "foreign accounts need one side only": {"evaluate": one_account},
    "trust and key policies are optional": {"MUST_ALLOW": ("none:",)},
    "the root user has nothing": {"evaluate": no_implicit_root},
    "a federated user needs no session policy": {"evaluate": federated_like_a_role},
    "GetCallerIdentity is nothing special": {"evaluate": lambda case: EVALUATE(case | {
        "request": case["request"] | {"action": case["request"]["action"].replace("Identity", "ID")}})},
}


class _Text:
    version = 4

    def __init__(self, text: str) -> None:
        self.text = text


class _TextRange(_Text):
    def __contains__(self, other: _Text) -> bool:
        return self.text == other.text


# --- The tests ----------------------------------------------------------------------------------------


@cache
def table_rows() -> list[tuple[Case, str]]:
    """Every case with a verdict that does not come from any code of ours."""
    found: list[tuple[Case, str]] = []
    for name, member in (("cases.jsonl", "verdict"), ("user-cases.jsonl", "expect")):
        rows = [json.loads(line) for line in (TABLES / name).read_text(encoding="utf-8").splitlines()]
        found += [(row, row[member]) for row in rows]
    for name in ("spec_examples.json", "threat_examples.json"):
        rows = json.loads((TABLES / name).read_text(encoding="utf-8"))["rows"]
        found += [(row, row["verdict"]) for row in rows if row["kind"] == "evaluate"]
    return found


@cache
def generated_rows() -> list[tuple[Case, str]]:
    return [(case, EVALUATE(case).verdict) for case in map(seeded_case, range(GENERATED))]


def noticed(rows: list[tuple[Case, str]]) -> bool:
    return any(oracle.evaluate(case).verdict != verdict for case, verdict in rows)


@pytest.mark.parametrize("name", MUTATIONS)
def test_the_tables_notice(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for attribute, value in MUTATIONS[name].items():
        monkeypatch.setattr(oracle, attribute, value)
    assert noticed(table_rows())


@pytest.mark.parametrize("name", MUTATIONS)
def test_the_generated_cases_notice(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = generated_rows()
    for attribute, value in MUTATIONS[name].items():
        monkeypatch.setattr(oracle, attribute, value)
    assert noticed(rows)


def test_unchanged_nothing_is_noticed() -> None:
    assert not noticed(table_rows())
