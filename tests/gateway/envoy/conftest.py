"""Clients, applications and proxies of the tests of the sidecar serve here too."""

from __future__ import annotations

import sys
from pathlib import Path

_SIDECAR = Path(__file__).parents[2] / "sidecar"
sys.path.extend(str(folder) for folder in (_SIDECAR, _SIDECAR / "forward", _SIDECAR / "ext_authz"))
