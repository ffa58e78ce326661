"""The ``issuers`` section to Issuer objects, with every fault in its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import msgspec

from iam_guard.config.place import Origin
from iam_guard.config.secrets import read_secret
from iam_guard.errors import ConfigurationError, Fault
from iam_guard.identity.issuer import Issuer, check_issuers
from iam_guard.identity.settings import PRESETS, IssuerSettings, build_issuer
from iam_guard.policy.source import Pairs, members
from iam_guard.store.typed import did_you_mean, read_value


def read_issuers(section: Iterable[Mapping[str, Any]], origin: Origin) -> tuple[Issuer, ...]:
    """Make all issuers.

    Raises:
        ConfigurationError: with everything that is wrong with any of them.
    """
    faults: list[Fault] = []
    found = []
    for index, value in enumerate(section):
        at = f"/issuers/{index}"
        issuer = origin.attempt(faults, "", partial(read_issuer_at, value, origin, at))
        found += [issuer] if issuer else []
    if not faults:
        origin.attempt(faults, "/issuers", lambda: check_issuers(found))
    if faults:
        raise ConfigurationError(faults)
    return tuple(found)


def read_issuer_at(value: Mapping[str, Any], origin: Origin, at: str) -> Issuer:
    """Make the issuer that the settings have at a JSON pointer.

    Raises:
        ConfigurationError: with what is wrong with it.
    """
    if "secret" in value:
        value = _with_secret(value, read_secret(value["secret"], origin, f"{at}/secret"))
    settings = read_value(value, IssuerSettings, file=origin.file, position=origin.position, base=at)
    if settings.preset is not None and settings.preset not in PRESETS:
        mend = did_you_mean(settings.preset, PRESETS)
        raise ConfigurationError(origin.fault(f"{at}/preset", f"there is no preset '{settings.preset}'", mend))
    if settings.jwks_file:
        settings = msgspec.structs.replace(settings, jwks_file=str(origin.path(settings.jwks_file)))
    return build_issuer(settings, pointer=at)


def _with_secret(value: Mapping[str, Any], secret: str) -> Mapping[str, Any]:
    replaced = [(name, secret if name == "secret" else one) for name, one in members(value)]
    return Pairs(replaced) if isinstance(value, Pairs) else dict(replaced)
