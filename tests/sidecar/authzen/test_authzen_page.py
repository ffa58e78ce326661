"""The page about this door names every setting, every call and what each needs."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from iam_guard.sidecar.authzen.routes import EXPLAIN, routes_of
from iam_guard.sidecar.authzen.settings import AuthzenDoor

PAGE = (Path(__file__).parents[3] / "docs" / "doors" / "authzen.md").read_text("utf-8")


def test_every_setting_is_named() -> None:
    names = [field.name for field in msgspec.structs.fields(AuthzenDoor)]
    assert names
    assert [name for name in names if not re.search(rf"^\| [^|]*`{name}`", PAGE, re.MULTILINE)] == []


def test_every_call_is_told_with_what_it_needs() -> None:
    for route in routes_of(AuthzenDoor(base="https://pdp.example.com")):
        needs = f"`{route.action}`" if route.action else "nothing"
        pattern = rf"^\| [^|]*`{route.method} {re.escape(route.template)}`[^|]*\|[^|]*\| {re.escape(needs)} \|$"
        assert re.search(pattern, PAGE, re.MULTILINE), route
    assert EXPLAIN in PAGE
