"""What the pages beside the reference say about the code: links, promises, presets, bounds, counters."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from doc_blocks import ROOT, sections_of

from iam_guard.asgi.replies import denial_for_error
from iam_guard.audit.log import MAX_TEXT
from iam_guard.config import protect
from iam_guard.config.schema import PolicySettings, SettingsFile, StreamSettings
from iam_guard.engine import compiler, policy_set
from iam_guard.engine.policy_set import PolicySet
from iam_guard.errors import AccessDeniedError
from iam_guard.guard import _KEPT_DECISIONS, _KEPT_PRINCIPALS, Guard
from iam_guard.http.edge import EdgeSettings
from iam_guard.http.response import Problem
from iam_guard.identity.fetch import MAX_ANSWER
from iam_guard.identity.jwks import DEFAULT_REFRESH
from iam_guard.identity.settings import PRESETS
from iam_guard.identity.token import MAX_TOKEN
from iam_guard.model import Principal
from iam_guard.policy.parse import MAX_STRICT_BYTES
from iam_guard.policy.source import MAX_DEPTH
from iam_guard.store import folder

DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.glob("*.md")), *sorted((ROOT / "integrations").glob("*/*.md"))]


def text_of(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", page.read_text("utf-8")):
        there = page.parent / target if target else page
        assert there.exists()
        if anchor:
            headings = {heading.lower().replace(" ", "-") for heading in sections_of(there)}
            assert anchor in headings


@pytest.mark.parametrize("number", range(1, 23))
def test_every_promise_is_spoken_of(number: int) -> None:
    assert re.search(rf"^\| [^|]*\bS{number}\b[^|]*\|", text_of("security.md"), re.MULTILINE)


def test_every_preset_is_named_in_the_guide() -> None:
    tokens = sections_of(DOCS / "guide.md")["2. Whose tokens count"]
    assert set(re.findall(r"preset: (\w+)|`(\w+)`", tokens)) >= {
        (name, "") if f"preset: {name}" in tokens else ("", name) for name in PRESETS}


def test_the_bounds_are_those_of_the_code() -> None:
    table = sections_of(DOCS / "operations.md")["Memory and sizes"]
    edge = EdgeSettings()
    assert f"{_KEPT_PRINCIPALS:,} per guard" in table
    assert f"one request | {_KEPT_DECISIONS} |" in table
    assert f"| {policy_set.MAX_SUBJECTS:,}, the lately used stay |" in table
    assert f"| {compiler.MAX_POLICIES:,}, {compiler.MAX_LAYERS:,} and {compiler.MAX_GIVEN:,} |" in table
    sizes = [f"{size // 1024} KiB" for size in (MAX_TOKEN, edge.max_header_bytes, edge.max_target_bytes)]
    assert "; ".join(sizes) in table
    assert f"{MAX_ANSWER // 1024} KiB" in table
    assert f"{MAX_STRICT_BYTES // 1024} KiB; {MAX_DEPTH}" in table
    assert (f"{folder.MAX_FILES:,} files, {folder.MAX_FILE_BYTES // 1024**2} MiB each, "
            f"{folder.MAX_TOTAL_BYTES // 1024**2} MiB together, {folder.MAX_DEPTH} folders deep") in table
    assert f"cut at {MAX_TEXT} characters" in text_of("operations.md")


def test_the_times_are_those_of_the_code() -> None:
    row = next(line for line in text_of("security.md").splitlines() if line.startswith("| S17 | Revocation"))
    policies = PolicySettings("iam/")
    assert f"`poll_seconds` ({policies.poll_seconds:g})" in row
    assert f"`max_unsynced` ({policies.max_unsynced:g})" in row
    assert f"`recheck_seconds` ({StreamSettings().recheck_seconds:g})" in row
    assert (DEFAULT_REFRESH.cool_down, DEFAULT_REFRESH.wait, DEFAULT_REFRESH.max_stale) == (30, 2, 24 * 3600)
    assert (DEFAULT_REFRESH.default_age, DEFAULT_REFRESH.floor, DEFAULT_REFRESH.ceiling) == (300, 30, 3600)


def test_what_is_said_about_missing_values_is_true() -> None:
    assert "`None` is no value" in text_of("security.md")
    guard = Guard(PolicySet.from_json(
        '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'))
    decision = guard.authorize(Principal.user("ann"), "docs:Get", "x", context={"docs:Owner": None})
    assert not decision
    assert decision.error.startswith("TypeError")
    assert denial_for_error(AccessDeniedError(decision)).status == 503


def test_a_resolver_is_no_setting() -> None:
    assert "is code and no setting" in (DOCS / "reference" / "settings.md").read_text("utf-8")
    assert "resolver" not in SettingsFile.__struct_fields__
    assert "resolver" in inspect.signature(protect).parameters


def test_every_problem_code_is_told() -> None:
    told = (DOCS / "reference" / "decisions.md").read_text("utf-8")
    assert {problem.code for problem in Problem if f"| `{problem.code}` |" not in told} == set()
