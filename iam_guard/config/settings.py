"""The settings file: read strictly, then wired.

    policies: iam/
    routes: routes.yaml
    issuers:
      - preset: keycloak
        audience: orders
        options: {base_url: "https://sso.example", realm: main}
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from iam_guard.asgi.facts import Resolver
from iam_guard.asgi.middleware import IAMGuardMiddleware
from iam_guard.config.environment import overridden
from iam_guard.config.place import Origin
from iam_guard.config.schema import SettingsFile
from iam_guard.config.wiring import Wiring, build
from iam_guard.errors import ConfigurationError, DocumentError, Fault
from iam_guard.identity.settings import IssuerSettings
from iam_guard.policy.source import SourceText
from iam_guard.store.refresh import RefreshEvent
from iam_guard.store.typed import read_value

#: Largest settings file.
MAX_SETTINGS_BYTES = 262_144


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings that were read without fault.

    Attributes:
        values: What they say.
        origin: Where they stand.
    """

    values: SettingsFile
    origin: Origin = field(default_factory=Origin)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], *, folder: str | os.PathLike[str] = ".") -> Settings:
        """Settings made in code; relative paths start from *folder*.

        Raises:
            ConfigurationError: with everything that is unknown, misplaced or wrongly typed.
        """
        return cls(read_value(values, SettingsFile), Origin(folder=Path(folder)))

    def build(self, *, on_event: Callable[[RefreshEvent], None] | None = None) -> Wiring:
        """Wire everything; see :func:`iam_guard.config.wiring.build`.

        Args:
            on_event: Told when policies were swapped or could not be loaded.

        Raises:
            ConfigurationError: with everything that is wrong with the settings.
        """
        return build(self.values, self.origin, on_event=on_event)


def load_settings(path: str | os.PathLike[str], environment: Mapping[str, str] | None = None, *,
                  text: str | None = None) -> Settings:
    """Read a settings file: YAML, or JSON when its name ends so.

    Args:
        path: The file.
        environment: Variables, of which those that start with ``IAM_GUARD__`` stand above the file (see
            :mod:`iam_guard.config.environment`); by default those of this process.
        text: What was read there before; by default it is read now.

    Raises:
        ConfigurationError: with everything that is unknown, misplaced or wrongly typed; or there is no file.
    """
    place = Path(path)
    source = SourceText(read_text(place) if text is None else text, file=str(place), is_yaml=place.suffix != ".json")
    try:
        value = source.value()
    except DocumentError as refused:
        raise ConfigurationError(refused.faults) from None
    value, variables = overridden(value, SettingsFile, os.environ if environment is None else environment,
                                  {"/issuers": IssuerSettings})
    origin = Origin(source.file, place.parent, source.position, variables)
    try:
        return Settings(read_value(value, SettingsFile, file=source.file, position=source.position), origin)
    except ConfigurationError as refused:
        raise ConfigurationError(origin.told(refused.faults)) from None


def protect(app: Any, path: str | os.PathLike[str] = "iam-guard.yaml", *,
            resolver: Resolver | None = None) -> IAMGuardMiddleware:
    """Put the guard that a settings file describes in front of an ASGI application.

    Args:
        app: The application.
        path: The settings file.
        resolver: Looks up facts about the resource, such as its owner and tags, before the decision.

    Raises:
        ConfigurationError: with everything that is wrong with the settings or the route map.
    """
    return load_settings(path).build().middleware(app, resolver=resolver)


def read_text(place: Path) -> str:
    """The text of a settings file.

    Raises:
        ConfigurationError: it is not there, too long, or not UTF-8.
    """
    try:
        with place.open("rb") as stream:
            content = stream.read(MAX_SETTINGS_BYTES + 1)
    except OSError as problem:
        raise ConfigurationError(Fault(f"the settings cannot be read: {problem.strerror}",
                                       "write the file, or name another", file=str(place))) from None
    if len(content) > MAX_SETTINGS_BYTES:
        raise ConfigurationError(Fault(f"the settings are longer than {MAX_SETTINGS_BYTES} bytes", file=str(place)))
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        raise ConfigurationError(Fault("the text is not UTF-8", "save it as UTF-8", line=line,
                                       file=str(place))) from None
