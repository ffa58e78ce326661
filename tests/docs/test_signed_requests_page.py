"""The page about signed requests tells every rule and its default, and no other."""

from __future__ import annotations

import re
from dataclasses import MISSING, fields

from doc_blocks import ROOT

from iam_guard.identity.sigv4.rules import SignatureRules

PAGE = (ROOT / "docs/reference/signed-requests.md").read_text("utf-8")


def told(default: object) -> str:
    """How the page writes a default."""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, tuple):
        return f"`[{', '.join(default)}]`"
    if isinstance(default, str):
        return f"`{default}`"
    return f"{default:g}" if isinstance(default, float) else str(default)


def test_every_rule_is_told_with_its_default() -> None:
    table = PAGE.split("\n## Settings\n")[1].split("\n## ")[0]
    rows = dict(re.findall(r"^\| (`[^|]+`) \| ([^|]+?) \|", table, re.MULTILINE))
    known = {f"`{one.name}`": told(one.default) for one in fields(SignatureRules) if one.default is not MISSING}
    assert rows == {"`signed_requests`": "default", "`region`, `service`": "required", **known}
