"""The rows and their world are those of the gateway."""

from __future__ import annotations

import sys
from pathlib import Path

_TESTS = Path(__file__).parents[2]
sys.path.extend(str(_TESTS / folder) for folder in (
    "gateway/rows", "gateway", "sidecar", "sidecar/forward", "sidecar/ext_authz"))
