"""The world of these rows stands behind other doors too; helpers of those serve here."""

from __future__ import annotations

import sys
from pathlib import Path

_TESTS = Path(__file__).parents[2]
sys.path.extend(str(_TESTS / folder) for folder in (
    "gateway", "sidecar", "sidecar/forward", "sidecar/ext_authz"))
