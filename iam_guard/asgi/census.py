"""What an application serves, compared with the route map."""

from __future__ import annotations

from typing import Any

from iam_guard.errors import ConfigurationError, Fault
from iam_guard.guard import Guard
from iam_guard.http.app_routes import census
from iam_guard.http.mapper import RequestMapper


def refuse_unguarded(app: Any, mapper: RequestMapper, guard: Guard) -> None:
    """Refuse an application with a route that no rule maps, or with a requirement that never runs.

    Raises:
        ConfigurationError: with every such route and how to mend it.
    """
    found = census(app, decorated=[one for requirement in guard.requirements for one in requirement.functions])
    faults = [Fault(f"'{one.key}' ({one.endpoint}) has no rule, so nobody may call it", "map it, or remove it",
                    line=one.line, file=one.file) for one in found.unmapped(mapper)]
    faults += [Fault(f"the check of '{one.key}' ({one.endpoint}) never runs",
                     "put guard.requires below the route decorator", line=one.line, file=one.file)
               for one in found.shadowed]
    if faults:
        raise ConfigurationError(faults)
