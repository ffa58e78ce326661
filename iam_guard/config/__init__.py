"""A settings file to a wired guard: the only place where all the parts are put together.

    app = protect(app, "iam-guard.yaml")
"""

from iam_guard.config.settings import Settings, load_settings, protect
from iam_guard.config.wiring import Wiring

__all__ = ["Settings", "Wiring", "load_settings", "protect"]
