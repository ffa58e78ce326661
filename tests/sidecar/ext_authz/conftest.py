"""The world of the doors for forward authorization is the world of these doors too."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "forward"))
