"""What is true of every decision, whatever the policies say."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from properties.deciders import DECIDERS, Decider
from properties.strategies import BROAD, Case, Json, SeededDice, cases, conditions, documents

ALLOWED, EXPLICIT, IMPLICIT = "allowed", "explicitDeny", "implicitDeny"
VERSION = "2012-10-17"
STRANGER = {"AWS": "arn:aws:iam::555566667777:user/stranger"}


@pytest.fixture(scope="module", params=sorted(DECIDERS))
def decide(request: pytest.FixtureRequest) -> Decider:
    return DECIDERS[request.param]


SEEDS = st.integers(0, 2**32)


# --- Reading and changing a case ----------------------------------------------------------------------


def as_list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else [value]


def grants(case: Case) -> Iterator[Json]:
    """The documents that can grant: identity, group and resource policies."""
    yield from case["identityPolicies"]
    yield from case.get("groupPolicies", [])
    if "resourcePolicy" in case:
        yield case["resourcePolicy"]


def limits(case: Case) -> Iterator[Json]:
    yield from case.get("permissionBoundaries", [])
    yield from case.get("sessionPolicies", [])
    for level in case.get("scps", []) + case.get("rcps", []):
        yield from level


def everything(case: Case) -> list[Json]:
    return [*grants(case), *limits(case)]


def changed(case: Case, change: Callable[[Json], list[Json]]) -> Case:
    """The case with each statement of each document replaced by those that *change* makes of it."""
    new = copy.deepcopy(case)
    for document in everything(new):
        document["Statement"] = [one for old in as_list(document["Statement"]) for one in change(old)]
    return new


def decided_without_policies(case: Case) -> bool:
    """GetCallerIdentity is always allowed (5.7), the root user has full access at home."""
    return case["principal"].endswith(":root") or case["request"]["action"].lower() == "sts:getcalleridentity"


def has_identity_policies(case: Case) -> bool:
    return any(word in case["principal"] for word in (":user/", ":role/", ":assumed-role/", ":federated-user/"))


def is_trust(case: Case) -> bool:
    return case["request"]["action"].lower().startswith("sts:")


def layer_kinds(case: Case) -> list[str]:
    """The layers that this caller is subject to."""
    mine = ["identityPolicies", "groupPolicies", "permissionBoundaries", "sessionPolicies"]
    kinds = ["resourcePolicy", "rcps"]
    if has_identity_policies(case):
        kinds += mine
    return kinds + (["scps"] if has_identity_policies(case) or case["principal"].endswith(":root") else [])


def with_statement(case: Case, layer: str, statement: Json) -> Case:
    """The case with one more statement in *layer*: where one document is the most, in that one."""
    new = copy.deepcopy(case)
    document = {"Version": VERSION, "Statement": [statement]}
    if layer in ("resourcePolicy", "permissionBoundaries") and new.get(layer):
        only = new[layer] if layer == "resourcePolicy" else new[layer][0]
        only["Statement"] = [*as_list(only["Statement"]), statement]
    elif layer == "resourcePolicy":
        new[layer] = document
    elif layer in ("scps", "rcps"):
        new[layer] = [*new.get(layer, []), [document]]
    else:
        new[layer] = [*new.get(layer, []), document]
    return new


def deny_for(layer: str, case: Case, body: Json) -> Json:
    """A Deny in the shape that *layer* takes."""
    statement = {"Effect": "Deny", **{k: v for k, v in body.items() if k not in ("Effect", "Principal")}}
    statement.pop("NotPrincipal", None)
    if layer in ("resourcePolicy", "rcps"):
        statement["Principal"] = "*"
    if layer == "resourcePolicy" and is_trust(case):
        statement.pop("Resource", None)
        statement.pop("NotResource", None)
    return statement


# --- The theorems -------------------------------------------------------------------------------------


@given(case=cases())
def test_nothing_attached_is_an_implicit_deny(decide: Decider, case: Case) -> None:
    assume(not decided_without_policies(case))
    bare = {"principal": case["principal"], "identityPolicies": [], "request": case["request"]}
    assert decide(bare) == IMPLICIT


@given(case=cases())
def test_allowed_only_if_some_allow_says_so(decide: Decider, case: Case) -> None:
    """Boundaries, session policies and organization policies keep their Allows, and grant nothing."""
    assume(not decided_without_policies(case))
    new = copy.deepcopy(case)
    for document in grants(new):
        document["Statement"] = [one for one in as_list(document["Statement"]) if one["Effect"] == "Deny"]
    assert decide(new) != ALLOWED


@given(case=cases(), seed=SEEDS)
def test_a_matching_deny_trumps(decide: Decider, case: Case, seed: int) -> None:
    assume(case["request"]["action"].lower() != "sts:getcalleridentity")
    layer = SeededDice(seed).pick(layer_kinds(case))
    deny = deny_for(layer, case, {"Action": "*", "Resource": "*"})
    assert decide(with_statement(case, layer, deny)) == EXPLICIT


@given(case=cases(), seed=SEEDS)
def test_a_new_deny_never_opens_a_door(decide: Decider, case: Case, seed: int) -> None:
    dice = SeededDice(seed)
    before = decide(case)
    layer = dice.pick(layer_kinds(case))
    body = as_list(documents(dice, case["principal"], case["request"])["Statement"])[0]
    after = decide(with_statement(case, layer, deny_for(layer, case, body)))
    assert before == ALLOWED or after != ALLOWED
    assert before != EXPLICIT or after == EXPLICIT


@given(case=cases(), seed=SEEDS)
def test_a_lost_allow_never_opens_a_door(decide: Decider, case: Case, seed: int) -> None:
    before = decide(case)
    new = copy.deepcopy(case)
    holders = [(document, place) for document in everything(new)
               for place, one in enumerate(as_list(document["Statement"])) if one["Effect"] == "Allow"]
    assume(holders)
    document, place = SeededDice(seed).pick(holders)
    document["Statement"] = [one for i, one in enumerate(as_list(document["Statement"])) if i != place]
    after = decide(new)
    assert before == ALLOWED or after != ALLOWED
    assert before != EXPLICIT or after == EXPLICIT


@given(case=cases(), seed=SEEDS)
def test_a_limit_never_grants(decide: Decider, case: Case, seed: int) -> None:
    """A boundary, session policies or one more organization level, however broad."""
    dice = SeededDice(seed)
    new = copy.deepcopy(case)
    limit = BROAD if dice.chance(50) else documents(dice, case["principal"], case["request"])
    layer = dice.pick(["permissionBoundaries", "sessionPolicies", "scps", "rcps"])
    if layer == "sessionPolicies":
        # A federated user without any session policy has nothing, so there the first one opens (5.7).
        assume("sessionPolicies" not in case and ":federated-user/" not in case["principal"])
        new[layer] = [limit]
    elif layer == "permissionBoundaries":
        assume(layer not in case)
        new[layer] = [limit]
    else:
        new[layer] = [*new.get(layer, []), [limit]]
    assert decide(case) == ALLOWED or decide(new) != ALLOWED


def shuffled(value: Json, dice: SeededDice) -> Json:
    """Every list inside in another order, with some members twice."""
    if isinstance(value, dict):
        keys = list(value)
        dice.random.shuffle(keys)
        # A caller has one boundary, so that list may not grow.
        return {key: value[key] if key == "permissionBoundaries" else shuffled(value[key], dice) for key in keys}
    if isinstance(value, list):
        members = [shuffled(one, dice) for one in value]
        members += [copy.deepcopy(one) for one in members if dice.chance(30)]
        dice.random.shuffle(members)
        return members
    return value


@given(case=cases(), seed=SEEDS)
def test_order_and_repetition_do_not_matter(decide: Decider, case: Case, seed: int) -> None:
    """Of statements, documents, levels, names in a statement, values of a condition, members of a set."""
    assert decide(shuffled(case, SeededDice(seed))) == decide(case)


@given(case=cases(), seed=SEEDS)
def test_what_is_said_of_strangers_does_not_matter(decide: Decider, case: Case, seed: int) -> None:
    dice = SeededDice(seed)
    body = deny_for("resourcePolicy", case,
                    as_list(documents(dice, case["principal"], case["request"])["Statement"])[0])
    body |= {"Effect": dice.pick(["Allow", "Deny"]), "Principal": STRANGER}
    assert decide(with_statement(case, "resourcePolicy", body)) == decide(case)


@given(case=cases())
def test_the_case_of_actions_does_not_matter(decide: Decider, case: Case) -> None:
    def swap(statement: Json) -> list[Json]:
        for word in ("Action", "NotAction"):
            if word in statement:
                statement[word] = [name.swapcase() for name in as_list(statement[word])]
        return [statement]

    new = changed(case, swap)
    new["request"]["action"] = case["request"]["action"].swapcase()
    assert decide(new) == decide(case)


@pytest.mark.parametrize("word", ["Action", "Resource"])
@given(case=cases())
def test_a_list_is_as_many_statements(decide: Decider, word: str, case: Case) -> None:
    def split(statement: Json) -> list[Json]:
        if word not in statement:
            return [statement]
        return [statement | {word: name} for name in as_list(statement[word])]

    assert decide(changed(case, split)) == decide(case)


@given(case=cases())
def test_conditions_only_narrow(decide: Decider, case: Case) -> None:
    """An Allow without its conditions loses nothing, a Deny without its conditions opens nothing."""
    def without(effect: str) -> Callable[[Json], list[Json]]:
        return lambda one: [{k: v for k, v in one.items() if k != "Condition" or one["Effect"] != effect}]

    before = decide(case)
    assert before != ALLOWED or decide(changed(case, without("Allow"))) == ALLOWED
    assert before == ALLOWED or decide(changed(case, without("Deny"))) != ALLOWED


@given(case=cases(), seed=SEEDS)
def test_one_more_condition_only_narrows(decide: Decider, case: Case, seed: int) -> None:
    dice = SeededDice(seed)
    extra = conditions(dice, case["request"]["contextVariables"])

    def narrow(statement: Json) -> list[Json]:
        if statement["Effect"] == "Deny":
            return [statement]
        # Operators that are there already keep their keys; a new operator is one more demand.
        return [statement | {"Condition": extra | statement.get("Condition", {})}]

    assert decide(case) == ALLOWED or decide(changed(case, narrow)) != ALLOWED


@given(case=cases())
def test_keys_that_nobody_reads_do_not_matter(decide: Decider, case: Case) -> None:
    new = copy.deepcopy(case)
    new["request"]["contextVariables"] |= {"zz:unread": "*", "zz:unread-set": ["a", ""]}
    assert decide(new) == decide(case)


@given(case=cases())
def test_the_case_of_condition_keys_does_not_matter(decide: Decider, case: Case) -> None:
    new = copy.deepcopy(case)
    values = new["request"]["contextVariables"]
    new["request"]["contextVariables"] = {key.swapcase(): value for key, value in values.items()}
    assert decide(new) == decide(case)


@given(case=cases())
def test_a_case_survives_json(decide: Decider, case: Case) -> None:
    assert decide(json.loads(json.dumps(case))) == decide(case)


@given(case=cases())
def test_deciding_changes_nothing(decide: Decider, case: Case) -> None:
    before = copy.deepcopy(case)
    assert decide(case) == decide(case)
    assert case == before
