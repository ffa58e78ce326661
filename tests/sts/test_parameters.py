"""What may be asked, and what a source identity is (6.2, 6.6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from world import ANN, A, B, World, allow, arn, trust

from iam_guard.errors import TokenServiceError
from iam_guard.model import Principal
from iam_guard.sts.grant import Grant
from iam_guard.sts.parameters import AssumeRole

Enter = Callable[[Grant], Principal]
QUEUE = f"arn:aws:sqs:us-east-1:{A}:q"
SEND, READ = "sqs:SendMessage", "sqs:ReceiveMessage"


@pytest.mark.parametrize("wanted", [
    {"role_session_name": "x"}, {"role_session_name": "x" * 65}, {"role_session_name": "a b"},
    {"role_session_name": "a/b"}, {"role_session_name": "ann\n"}, {"role_session_name": "änn"},
    {"external_id": "x"}, {"external_id": "a b"}, {"external_id": "x" * 1225},
    {"source_identity": "x"}, {"source_identity": "aws:ann"}, {"source_identity": "x" * 65},
    {"tags": {"aws:x": "1"}}, {"tags": {"AWS:x": "1"}}, {"tags": {"": "1"}}, {"tags": {"k" * 129: "1"}},
    {"tags": {"k": "v" * 257}}, {"tags": {"k": "a\nb"}}, {"tags": {"k": "1", "K": "2"}},
    {"tags": {f"k{number}": "" for number in range(51)}},
    {"tags": {"k": ""}, "transitive_tag_keys": ("other",)}, {"tags": {"k": ""}, "transitive_tag_keys": ("k", "K")},
    {"token_code": "123456"}, {"serial_number": "device-one"},
    {"serial_number": "device-one", "token_code": "12345"}, {"serial_number": "device-one", "token_code": "12345a"},
])
def test_parameters_that_are_refused(world: World, wanted: dict[str, Any]) -> None:
    ann = world.user("ann")
    world.role("T", trust({"AWS": ANN}, "sts:*"))
    with pytest.raises(TokenServiceError) as caught:
        world.assume(ann, **wanted)
    assert caught.value.code == "ValidationError"


def test_an_unknown_role_reads_like_one_that_trusts_others(world: World) -> None:
    ann = world.user("ann", allow("*"))
    world.user("bob")
    refusals = []
    for known in (False, True):
        if known:
            world.role("T", trust({"AWS": arn("user", "bob")}), max_session_duration=3600)
        with pytest.raises(TokenServiceError) as caught:
            world.assume(ann, duration_seconds=7200)
        refusals.append((caught.value.code, str(caught.value)))
    assert refusals[0] == refusals[1]
    assert refusals[0][0] == "AccessDenied"


@pytest.mark.parametrize("wrong", [arn("role", "t"), arn("role", "T", path="/x/"), arn("user", "ann"), "T" * 20])
def test_a_role_is_named_exactly(world: World, wrong: str) -> None:
    ann = world.user("ann", allow("*"))
    world.role("T", trust({"AWS": ANN}))
    with pytest.raises(TokenServiceError) as caught:
        world.service.assume_role(ann, AssumeRole(role_arn=wrong, role_session_name="s1"))
    assert caught.value.code == "AccessDenied"



SETS = ["sts:AssumeRole", "sts:SetSourceIdentity"]


def test_a_source_identity_stays_through_a_chain(world: World, enter: Enter) -> None:
    ann = world.user("ann")
    world.role("R1", trust({"AWS": ANN}, SETS))
    world.role("R2", trust({"AWS": arn("role", "R1")}, SETS))
    first = enter(world.assume(ann, "R1", source_identity="ada"))
    assert enter(world.assume(first, "R2")).context["aws:sourceidentity"] == "ada"
    assert enter(world.assume(first, "R2", source_identity="ada")).context["aws:sourceidentity"] == "ada"
    with pytest.raises(TokenServiceError, match="cannot be changed"):
        world.assume(first, "R2", source_identity="eve")


def test_every_role_of_a_chain_has_to_admit_it(world: World, enter: Enter) -> None:
    ann = world.user("ann")
    world.role("R1", trust({"AWS": ANN}, SETS))
    world.role("R2", trust({"AWS": arn("role", "R1")}))
    first = enter(world.assume(ann, "R1", source_identity="ada"))
    with pytest.raises(TokenServiceError, match="sts:SetSourceIdentity"):
        world.assume(first, "R2")


def test_the_callers_policies_have_to_admit_it_too(world: World) -> None:
    ann = world.user("ann", allow("sts:AssumeRole"))
    world.role("T", trust({"AWS": ANN}, SETS), account=B)
    with pytest.raises(TokenServiceError, match="sts:SetSourceIdentity"):
        world.assume(ann, account=B, source_identity="ada")


def test_a_role_that_cannot_be_told_from_a_later_one_is_none(world: World) -> None:
    ann = world.user("ann")
    world.role("T", trust({"AWS": ANN}), id="")
    with pytest.raises(TokenServiceError) as caught:
        world.assume(ann)
    assert caught.value.code == "AccessDenied"


def test_inherited_tags_count_against_the_limit(world: World, enter: Enter) -> None:
    ann = world.user("ann")
    world.role("R1", trust({"AWS": ANN}, "sts:*"))
    world.role("R2", trust({"AWS": arn("role", "R1")}, "sts:*"))
    tags = {f"k{number}": "" for number in range(30)}
    first = enter(world.assume(ann, "R1", tags=tags, transitive_tag_keys=tuple(tags)))
    assert world.assume(first, "R2", tags={f"x{number}": "" for number in range(20)})
    with pytest.raises(TokenServiceError) as caught:
        world.assume(first, "R2", tags={f"x{number}": "" for number in range(21)})
    assert caught.value.code == "ValidationError"
