"""The page about doors names every setting of the sidecar, and what its control plane needs."""

from __future__ import annotations

import re

import msgspec
import pytest
from doc_blocks import ROOT

from iam_guard.config.schema import ProviderSettings, TokenServiceSettings
from iam_guard.sidecar.control import control_routes
from iam_guard.sidecar.settings import ControlSettings, ForwardSettings, SidecarSettings

PAGE = (ROOT / "docs" / "doors.md").read_text("utf-8")


@pytest.mark.parametrize("kind", [SidecarSettings, ControlSettings, ForwardSettings, TokenServiceSettings,
                                  ProviderSettings])
def test_every_setting_is_named(kind: type[msgspec.Struct]) -> None:
    names = [field.name for field in msgspec.structs.fields(kind)]
    assert names
    assert [name for name in names if not re.search(rf"\b{name}\b", PAGE)] == []


def test_every_call_of_the_control_plane_is_told_with_what_it_needs() -> None:
    for route in control_routes("default", open_metrics=False):
        assert re.search(rf"^\| `{route.method} {route.template}` \| `{route.action}`", PAGE, re.MULTILINE), route
