"""The world of the doors for forward authorization is the world of these doors too."""

from __future__ import annotations

import sys
from pathlib import Path

_SIDECAR = Path(__file__).parents[1]
sys.path.extend(str(folder) for folder in (_SIDECAR, _SIDECAR / "forward"))
