"""Finds an ASGI application by its name, ``module:attribute``, as uvicorn does."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from iam_guard.errors import IAMGuardError


class ApplicationError(IAMGuardError):
    """An application cannot be found or imported."""


def load_application(name: str, *, factory: bool = False, folder: Path = Path()) -> Any:
    """Import an application; its module's own code runs.

    Args:
        name: ``module:attribute``; the attribute may have dots.
        factory: The attribute is a function that makes the application.
        folder: Modules are looked for here first.

    Raises:
        ApplicationError: there is no such thing, or importing or making it failed.
    """
    module, colon, attribute = name.partition(":")
    if not colon or not module or not attribute:
        raise ApplicationError(f"'{name}' does not name an application; write it like 'package.module:app'")
    place = str(folder.resolve())
    if place not in sys.path:
        sys.path.insert(0, place)
    found = _imported(module)
    for step in attribute.split("."):
        if not hasattr(found, step):
            raise ApplicationError(f"there is no '{attribute}' in '{module}'")
        found = getattr(found, step)
    return _made(found, name) if factory else found


def _imported(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as problem:
        if problem.name and (module == problem.name or module.startswith(f"{problem.name}.")):
            raise ApplicationError(f"there is no module '{module}'; it is looked for here first") from None
        raise ApplicationError(f"'{module}' cannot be imported: it needs '{problem.name}'") from problem
    except IAMGuardError:
        raise
    except (Exception, SystemExit) as problem:
        raise ApplicationError(f"'{module}' cannot be imported: {type(problem).__name__}: {problem}") from problem


def _made(factory: Any, name: str) -> Any:
    if not callable(factory):
        raise ApplicationError(f"'{name}' is not a function that makes an application")
    try:
        return factory()
    except IAMGuardError:
        raise
    except Exception as problem:
        raise ApplicationError(f"'{name}' failed: {type(problem).__name__}: {problem}") from problem
