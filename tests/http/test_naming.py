"""Resource names: values are data, and two requests never share a name."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iam_guard.errors import ConfigurationError, RequestRefusedError
from iam_guard.http.naming import ResourceNames, ResourceTemplate

NAMES = ResourceNames()


@pytest.mark.parametrize(("template", "full"), [
    ("*", "*"), ("arn:aws:s3:::bucket/{key}", "arn:aws:s3:::bucket/{key}"),
    ("docs:document/{id}", "arn:app:docs::000000000000:document/{id}"),
    ("order/{id}", "arn:app:orders::000000000000:order/{id}"),
    ("order/{p:path}", "arn:app:orders::000000000000:order/{p:path}")])
def test_short_names_are_completed(template: str, full: str) -> None:
    assert NAMES.expand(template, "orders:GetOrder") == full


@pytest.mark.parametrize("field", [{"partition": ""}, {"partition": "a:b"}, {"account": "*"}, {"region": "a/b"}])
def test_names_that_cannot_be_fields_are_refused(field: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError):
        ResourceNames(**field)


@pytest.mark.parametrize(("template", "values", "name"), [
    ("arn:a:s:::item/{id}", {"id": "7"}, "arn:a:s:::item/7"),
    ("arn:a:s:::item/{id}", {"id": "a/b"}, "arn:a:s:::item/a%2Fb"),
    ("arn:a:s:::item/{id}", {"id": "a%2Fb"}, "arn:a:s:::item/a%252Fb"),
    ("arn:a:s:::item/{id}", {"id": "*"}, "arn:a:s:::item/*"),
    ("arn:a:s:::item/{id}", {"id": "${aws:username}"}, "arn:a:s:::item/${aws:username}"),
    ("arn:a:s:::item/{id}", {"id": "{id}"}, "arn:a:s:::item/{id}"),
    ("arn:a:s:::item/{id}", {"id": "a:b"}, "arn:a:s:::item/a:b"),
    ("arn:a:s:::log:{a}:{b}", {"a": "x:y", "b": "z"}, "arn:a:s:::log:x%3Ay:z"),
    ("arn:a:s:::file/{p:path}", {"p": "a/b"}, "arn:a:s:::file/a/b"),
    ("arn:a:s:::file/{p:path}", {"p": ""}, "arn:a:s:::file/"),
    ("arn:a:s::{t}:doc/{d}", {"t": "t2", "d": "9"}, "arn:a:s::t2:doc/9"),
    ("arn:a:s:::{query.q}/{header.X-Team}/{claim.Tenant}",
     {"query.q": "1", "header.x-team": "2", "claim.tenant": "3"}, "arn:a:s:::1/2/3"),
    ("*", {}, "*"),
])
def test_gaps_are_filled(template: str, values: dict[str, str], name: str) -> None:
    assert ResourceTemplate(template).fill(values) == name


@pytest.mark.parametrize(("template", "value"), [
    *[("arn:a:s::{v}:doc/1", value) for value in ("", "a:b", "*", "t?", "a/b", "a b", "..")],
    *[("arn:a:s:::item/{v}", value) for value in ("", "..", ".", "a\n", "a\0", "\ud800", "\uff0f", "\uff0a", "\uff1a",
                                                  "\ufe68", "\uff05", "\u2024", "a/../b", "\ufffd")],
    *[("arn:a:s:::file/{v:path}", value) for value in ("../x", "a/./b", "a//b", "/a", "a\\b", "a\r")],
])
def test_values_that_cannot_be_part_of_a_name_are_refused(template: str, value: str) -> None:
    with pytest.raises(RequestRefusedError):
        ResourceTemplate(template).fill({"v": value})


@pytest.mark.parametrize("template", [
    "item/{id}", "arn:a:s::1", "arn:a:s:::{a}{b}", "arn:a:s:::{a}-{b}", "arn:a:s:::{a:path}/{b:path}", "arn:a:s:::{",
    "arn:a:s:::x}", "arn:a:s:::{a b}", "arn:a:s:::{body.x}", "arn:a:s:::item/*", "arn:a:s:::item?", "arn:a:s:::{}",
    "arn:a:s:::{a:int}"])
def test_templates_that_are_none_are_refused(template: str) -> None:
    with pytest.raises(ConfigurationError):
        ResourceTemplate(template)


def test_names_are_told_with_their_kind() -> None:
    found = ResourceTemplate("arn:a:s::{claim.tenant}:{query.Q}/{p:path}").placeholders
    assert [(one.name, one.keeps_slashes, one.in_field) for one in found] == [
        ("claim.tenant", False, True), ("query.Q", False, False), ("p", True, False)]


@given(st.lists(st.tuples(st.text("ab:/%\\*.", max_size=5), st.text("ab:/%\\*.", max_size=5)), min_size=2, max_size=2),
       st.sampled_from(["{a}/{b}", "x:{a}:{b}", "{a}/y/{b:path}", "{a:path}/{b}"]))
def test_two_requests_never_share_a_name(pairs: list[tuple[str, str]], resource: str) -> None:
    template = ResourceTemplate(f"arn:a:s:::{resource}")
    names = []
    for a, b in pairs:
        try:
            names.append(template.fill({"a": a, "b": b}))
        except RequestRefusedError:
            return
    assert (names[0] == names[1]) == (pairs[0] == pairs[1])


@given(st.text())
def test_a_one_segment_value_is_one_segment_and_can_be_read_back(value: str) -> None:
    try:
        name = ResourceTemplate("arn:a:s:::x/{v}/y").fill({"v": value})
    except RequestRefusedError:
        return
    assert name.count("/") == 2
    assert unquote(name.removeprefix("arn:a:s:::x/").removesuffix("/y")) == value
