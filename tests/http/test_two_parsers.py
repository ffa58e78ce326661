"""Properties: the guard and Starlette's router read the same request, and look-up agrees with a plain matcher."""

from __future__ import annotations

import re
from typing import Any

import pytest
from http_fixture import MAPPER, router, scope_of, take
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.routing import Match as RouterMatch

from iam_guard.errors import ConfigurationError, RequestRefusedError
from iam_guard.http.mapper import Match, RequestMapper, Route
from iam_guard.http.path import PLAIN_PATH, careful_path
from iam_guard.http.request import EdgeSettings, HTTPRequest

ROUTER = router()
# The endpoint that may run for each template of the map.
ENDPOINTS = {"/health": "health", "/public/{p:path}": "public", "/items": "items", "/items/{id}": "item",
             "/files/{p:path}": "file", "/tenants/{t}/docs/{d}": "doc", "/admin": "admin",
             "/admin/{p:path}": "admin_tree", "/sub/x": "sub_x", "/sub/admin": "sub_admin", "/num/{n:int}": "num",
             "/events": "events"}
SEEDS = ["/health", "/public/x", "/items", "/items/secret1", "/files/pub/a", "/tenants/t1/docs/9", "/admin", "/admin/x",
         "/sub/admin", "/num/5", "/events", "/forgot"]


def served_by(routes: Any, scope: dict[str, Any]) -> str | None:
    """Which endpoint Starlette would run for a scope; mounts are entered as its own router enters them."""
    for route in routes:
        match, child = route.matches(scope)
        if match is RouterMatch.FULL:
            inner = getattr(route, "routes", None)
            return served_by(inner, {**scope, **child}) if inner else route.name
    return None


INSERTS = ["/", ".", "..", "/..", "/../", "/./", "//", ";x", "#x", "?x", "%", "%2e", "%2F", "%5c", "\\", "%00",
           "%0a", "%0d", "\t", "\x7f", "%25", "%252e", "%FF", "%C0%AE", "%EF%BC%8F", "%E2%88%95", ":", "*", "%3b",
           "%23", "%3F"]
PREFIXES = ["http://app.example", "https://app.example", "http://evil.example", "//evil.example", "/public/..",
            "/public", "/health/..", ""]


@st.composite
def mutants(draw: st.DrawFn) -> str:
    """A target made from a known one by threats section 5, property 1."""
    text = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        match draw(st.sampled_from(["encode", "double", "insert", "case", "swap", "prefix", "append"])):
            case "encode":
                at = min(at, len(text) - 1)
                spelling = draw(st.sampled_from(["02x", "02X"]))
                text = f"{text[:at]}%{ord(text[at]):{spelling}}{text[at + 1:]}"
            case "double":
                text = text.replace("%", "%25")
            case "insert":
                text = text[:at] + draw(st.sampled_from(INSERTS)) + text[at:]
            case "case":
                text = text[:at] + text[at:].swapcase()
            case "swap":
                text = text[:at] + text[at:].translate(str.maketrans("/\\", "\\/"))
            case "prefix":
                text = draw(st.sampled_from(PREFIXES)) + text
            case "append":
                text += draw(st.sampled_from(INSERTS))
    return text


def check_agreement(scope: dict[str, Any], edge: EdgeSettings, *, or_nothing: bool = False) -> None:
    """What the guard maps is what the router runs, or nothing runs at all."""
    try:
        request = HTTPRequest.from_scope(scope, edge)
    except RequestRefusedError:
        return
    found = MAPPER.match(request)
    served = served_by(ROUTER.routes, dict(request.for_app(scope)))
    if isinstance(found, Match):
        assert served == ENDPOINTS[found.route.template] or (or_nothing and served is None)
    else:
        assert served in (None, "forgot")


@settings(max_examples=400)
@given(mutants(), st.sampled_from(["GET", "HEAD"]), st.sampled_from(["strict", "normalize"]))
def test_no_mutation_runs_another_route_than_was_checked(target: str, method: str, mode: Any) -> None:
    check_agreement(scope_of(target, method), EdgeSettings(path_mode=mode))


@settings(max_examples=200)
@given(mutants(), st.sampled_from(["/svc", "/ad", "/", "/admin", "/public", "/v"]), st.booleans())
def test_a_prefix_never_changes_that(target: str, root_path: str, added: bool) -> None:
    scope = scope_of(root_path + target if added else target, root_path=root_path)
    # A router that enters a mount finds nothing below it when the server had cut the prefix off already.
    check_agreement(scope, EdgeSettings(), or_nothing=True)


@settings(max_examples=200)
@given(mutants())
def test_a_server_without_raw_path_never_changes_that(target: str) -> None:
    check_agreement({**scope_of(target), "raw_path": None}, EdgeSettings())


@settings(max_examples=300)
@given(st.text(alphabet="/ab.%-2eF5C;#\\\u00e4\uff0f\n ", max_size=12).map(lambda text: "/" + text))
def test_the_quick_check_accepts_nothing_that_the_careful_one_refuses(path: str) -> None:
    if PLAIN_PATH.fullmatch(path):
        assert careful_path(path, path.encode()) == path


SEGMENTS = st.sampled_from(["a", "b", "c", "5", "{x}", "{n:int}", "v{y}", "{z}.json"])
TAILS = st.sampled_from(["", "", "", "/", "/{p:path}"])


@st.composite
def templates(draw: st.DrawFn) -> str:
    parts = []
    for index, part in enumerate(draw(st.lists(SEGMENTS, min_size=1, max_size=4))):
        parts.append(re.sub(r"\{([a-z])", rf"{{\g<1>{index}", part))
    return "/" + "/".join(parts) + draw(TAILS)


def naive(template: str) -> re.Pattern[str]:
    """A template as one regular expression, the way Starlette writes it."""
    kinds = {"": "[^/]+", "int": "[0-9]+", "path": ".*"}
    text, position = "", 0
    for gap in re.finditer(r"\{(\w+):?(\w*)\}", template):
        text += re.escape(template[position:gap.start()]) + f"(?P<{gap[1]}>{kinds[gap[2]]})"
        position = gap.end()
    return re.compile(text + re.escape(template[position:]))


def narrower(one: str, two: str, paths: list[str]) -> bool:
    return all(naive(two).fullmatch(path) for path in paths if naive(one).fullmatch(path))


SAMPLE = ["/", *("/" + "/".join(parts) for parts in [
    ["a"], ["b"], ["5"], ["v1"], ["x.json"], ["a", ""], ["a", "b"], ["a", "5"], ["b", "c"], ["v1", "x.json"],
    ["5", "5"], ["a", "b", ""], ["a", "b", "c"], ["a", "5", "x.json"], ["v", "v1", "c"], ["z", "z", "z"],
    ["a", "b", "c", "5"], ["z", "z", "z", ""], ["a", "v1", "x.json", "b"], ["b", "b", "b", "b", "b"],
    ["v1.json"], ["a", "v.json", "c"]])]


@settings(max_examples=500)
@given(st.lists(templates(), min_size=1, max_size=6, unique=True))
def test_look_up_agrees_with_a_plain_matcher(texts: list[str]) -> None:
    try:
        mapper = RequestMapper([Route("GET", text, "t:A", "*") for text in texts])
    except ConfigurationError:
        return
    for path in SAMPLE:
        expected = [text for text in texts if naive(text).fullmatch(path)]
        found = mapper.find("GET", path)
        if not expected:
            assert found is None
            continue
        assert found is not None
        assert found.route.template in expected
        assert all(narrower(found.route.template, other, SAMPLE) for other in expected)
        match = naive(found.route.template).fullmatch(path)
        assert match is not None
        assert found.params == match.groupdict()


def test_a_thousand_templates_are_probed_like_one() -> None:
    many = RequestMapper({f"GET /api/r{number}/{{id}}/s{number}": ("t:A", f"r{number}/{{id}}")
                          for number in range(1000)})
    for number in (0, 500, 999):
        found = many.match(take(f"/api/r{number}/7/s{number}"))
        assert isinstance(found, Match)
        assert found.params == {"id": "7"}
        assert found.route.template == f"/api/r{number}/{{id}}/s{number}"
    table: Any = many._tables["GET"]
    assert {length: len(probes) for length, probes in table._fixed.items()} == {5: 1}  # one probe, whatever the number


@pytest.mark.parametrize("length", [1_000, 8_000])
def test_hostile_paths_cost_no_more_than_their_length(length: int) -> None:
    for unit in ("/a", "a", "/.", "%2", "."):
        path = "/" + unit * (length // len(unit))
        try:
            request = take(path)
        except RequestRefusedError:
            continue
        MAPPER.match(request)
