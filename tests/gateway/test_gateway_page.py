"""The page about the gateway names every setting, with the default that it has."""

from __future__ import annotations

import re

import msgspec
import pytest
from doc_blocks import ROOT

from iam_guard.gateway import settings

PAGE = (ROOT / "docs" / "gateway.md").read_text("utf-8")
ROWS = [row for row in PAGE.splitlines() if row.startswith("| `")]
KINDS = [kind for kind in vars(settings).values()
         if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind is not msgspec.Struct]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_setting_has_its_row_and_default(kind: type[msgspec.Struct]) -> None:
    assert len(KINDS) == 8
    for field in msgspec.structs.fields(kind):
        rows = [row for row in ROWS if f"`{field.name}`" in row.split("|")[1]]
        assert rows, field.name
        if isinstance(field.default, int | float) and not isinstance(field.default, bool):
            assert [row for row in rows if re.match(rf"`?{field.default:g}\b", row.split("|")[2].strip())
                    or str(field.default) in row.split("|")[2]], field.name
        elif isinstance(field.default, str) and field.default and field.name != "path":
            assert [row for row in rows if field.default in row.split("|")[2]], field.name
