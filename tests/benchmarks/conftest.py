"""Lets these tests import the benchmarks, which are not installed. Last on the path, so that an installed
iam_guard stays the one that is tested."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))
