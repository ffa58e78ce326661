"""Plain questions are read in one step, and never otherwise than with care."""

from __future__ import annotations

import json
from typing import Any

import pytest
from authzen_fixture import BOB, DOOR, asking, fixture, policies
from authzen_pdp import EVALUATION, DecisionPoint, attachments
from hypothesis import given
from hypothesis import strategies as st

from iam_guard.engine.policy_set import PolicySet
from iam_guard.errors import RequestRefusedError
from iam_guard.sidecar.authzen.entities import Asked, read_asked
from iam_guard.sidecar.authzen.plain import PlainQuestions, plain_question
from iam_guard.sidecar.authzen.reading import read_members

QUESTION = b'{"subject":{"type":"user","id":"alice"},"action":{"name":"read"},"resource":{"type":"record","id":"1"}%s}'


def _carefully(body: bytes) -> Asked | None:
    try:
        return read_asked(read_members(body))
    except RequestRefusedError:
        return None


@pytest.mark.parametrize("more", [
    b"", b',"context":{}', b',"context":{"channel":"web","at":"12:30:00"}', b',"context":{"a":{"b":[1,{"c":null}]}}'])
def test_plain_questions(more: bytes) -> None:
    body = QUESTION % more
    assert plain_question(body) == _carefully(body) is not None


@pytest.mark.parametrize("more", [
    b',"other":1', b',"context":{"a":1,"a":2}', b',"context":{"a":"x:y","a":"z"}',
    b',"subject":{"type":"user","id":"b"}', b',"context":null', b',"context":[]', b',"context":{"a":9007199254740993}',
    b',"context":{"a":' + b"[" * 40 + b"]" * 40 + b"}", b',"context":{"a":"\\ud800"}', b',"context":{"a":"\\u003a"}',
    b',"evaluations":[]', b",", b"}"])
def test_what_is_not_plain_is_left_to_care(more: bytes) -> None:
    assert plain_question(QUESTION % more) is None


@pytest.mark.parametrize("member", ["subject", "action", "resource"])
@pytest.mark.parametrize("value", [None, "", 1, [], {}, {"type": "", "id": "1", "name": ""}, {"type": 1, "id": "1"},
                                   {"type": "a", "id": None}, {"name": True}])
def test_members_of_another_shape(member: str, value: Any) -> None:
    body = json.dumps({**asking("alice", "read", "1"), member: value}).encode()
    assert plain_question(body) is None
    assert _carefully(body) is None


WORDS = st.sampled_from(["type", "id", "name", "properties", "a", "a:b", "user", "", "ä", "\\", '"', ":", "1"])
SCALARS = st.one_of(WORDS, st.none(), st.booleans(), st.integers(-2**60, 2**60), st.floats(allow_nan=False))
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
                      max_leaves=6)
PROPERTIES = st.dictionaries(WORDS, VALUES, max_size=3)
PAIRS = st.lists(st.tuples(st.sampled_from(["subject", "action", "resource", "context", "x"]), st.one_of(
    st.fixed_dictionaries({"type": WORDS, "id": WORDS}, optional={"properties": PROPERTIES, "x": VALUES}),
    st.fixed_dictionaries({"name": WORDS}, optional={"properties": PROPERTIES}), PROPERTIES, VALUES)), max_size=2)
BEGIN = st.sampled_from([[], list(asking("alice", "read", "1").items()), list(asking("a:b", "r:w", "::").items())])


@given(BEGIN, PAIRS, st.booleans())
def test_plain_or_careful_it_is_the_same_question(begin: Any, more: Any, is_ascii: bool) -> None:
    members = ",".join(f"{json.dumps(name)}:{json.dumps(value, ensure_ascii=is_ascii)}" for name, value in begin + more)
    body = f"{{{members}}}".encode()
    found = plain_question(body)
    assert found is None or found == _carefully(body)


@pytest.mark.parametrize("said", [{"vip": True}, {"vip": 1}, {"vip": "1"}, {"vip": "true"}, {"VIP": "1", "vip": "2"},
                                  {"vip": ["1"]}, {"n": "x" * 400}, {str(n): "x" for n in range(20)}])
def test_subjects_with_properties_are_not_mistaken_for_each_other(said: dict[str, Any]) -> None:
    asked = asking("alice", "write", "record-1")
    asked["subject"]["properties"] = said
    fresh = fixture().post(EVALUATION, asked)
    used = fixture()
    for other in ({"vip": "1"}, {"vip": 1}, {"vip": True}, {}, said):
        used.post(EVALUATION, {**asked, "subject": {**asked["subject"], "properties": other}})
    again = used.post(EVALUATION, asked)
    assert (again.status, again.json.get("decision")) == (fresh.status, fresh.json.get("decision"))


class Changing:
    """Policies that a test changes."""

    def __init__(self, current: PolicySet) -> None:
        self.current = current


def _bob(revision: str, tags: dict[str, str]) -> PolicySet:
    return PolicySet(attachments({"bob": BOB}, {"bob": tags}), revision=revision)


def test_what_a_question_means_is_asked_again_of_other_policies() -> None:
    source = Changing(_bob("r1", {}))
    point = DecisionPoint(source, **DOOR)
    asked = asking("bob", "write", "record-2")
    asked["subject"]["properties"] = {"role": "admin"}
    assert [point.post(EVALUATION, asked).json["decision"] for _ in range(3)] == [True] * 3
    source.current = _bob("r2", {"role": "guest"})  # what is known counts more than what is said
    assert [point.post(EVALUATION, asked).json["decision"] for _ in range(3)] == [False] * 3
    source.current = _bob("r3", {})
    assert point.post(EVALUATION, asked).json["decision"] is True


@pytest.fixture
def questions() -> PlainQuestions:
    return PlainQuestions(fixture().app._evaluation._questions)


def test_questions_are_remembered_when_they_come_again_and_never_without_end(questions: PlainQuestions) -> None:
    attached = policies().attachments
    for number in range(10_000):
        body = json.dumps(asking("alice", "read", str(number // 2))).encode()
        assert questions.about(body, attached) is not None
    known = questions._known[1]
    assert 0 < len(known) + len(known._older) <= 2048
    assert len(questions._once) <= 2048


def test_questions_that_come_once_or_are_long_are_not(questions: PlainQuestions) -> None:
    attached = policies().attachments
    long = json.dumps(asking("alice", "read", "x" * 1024)).encode()
    for body in [json.dumps(asking("alice", "read", str(number))).encode() for number in range(100)] + [long] * 3:
        assert questions.about(body, attached) is not None
    assert not questions._known[1]
