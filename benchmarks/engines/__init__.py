"""Translations of the workloads, one module an engine."""

from __future__ import annotations

from importlib import import_module

from benchmarks.engines.port import Engine

#: Module and class by the name used on the command line; the first two need nothing but iam_guard.
_PLACES = {
    "ours": "ours:Ours",
    "loop": "loop:Loop",
    "cedar": "cedar:CedarBest",
    "cedar-readme": "cedar:CedarReadme",
    "vakt": "vakt:Vakt",
    "moto": "moto:Moto",
    "casbin": "casbin:Casbin",
    "rego": "rego:Rego",
}


def engine(key: str) -> type[Engine] | None:
    """An engine by its name on the command line; ``None`` when its library is not installed."""
    module, _, name = _PLACES[key].partition(":")
    try:
        found: type[Engine] = getattr(import_module(f"benchmarks.engines.{module}"), name)
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith(("benchmarks", "iam_guard")):
            raise
        return None
    return found


#: Every engine of which the library is installed, and the names of the others.
ENGINES = {key: kind for key in _PLACES if (kind := engine(key))}
ABSENT = tuple(key for key in _PLACES if key not in ENGINES)
