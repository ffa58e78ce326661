"""Everything that the settings say of doors, proved without opening one: what ``iam-guard check`` looks at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from iam_guard.asgi.listening import Address, read_address
from iam_guard.config.settings import Settings
from iam_guard.config.sidecar_plan import addresses_of, check_sidecar
from iam_guard.errors import ConfigurationError, Fault

#: Where a settings file with both has them, since both are started from it on one machine.
_OF_GATEWAY = ("listen", "status")


def check_doors(settings: Settings) -> None:
    """Check the sections ``gateway``, ``sidecar`` and ``tokens``; one that is not there is fine.

    Raises:
        ConfigurationError: with everything that is wrong with them: files that are not there, certificates that do
            not load, ports that collide, doors that would trust nobody, libraries that are missing.
    """
    values, origin = settings.values, settings.origin
    faults: list[Fault] = []
    if values.sidecar is not None or values.tokens is not None:
        origin.attempt(faults, "", lambda: check_sidecar(values, origin))
    faults += _missing_libraries(settings)
    if values.tokens is not None and find_spec("sqlalchemy") is not None:
        from iam_guard.config.token_door import check_token_settings  # brings what a directory needs

        tokens = values.tokens
        origin.attempt(faults, "", lambda: check_token_settings(tokens, origin))
    if values.gateway is not None and find_spec("httptools") is not None:
        from iam_guard.config.gateway import make_gateway  # brings what a gateway needs

        origin.attempt(faults, "", lambda: _without_result(make_gateway(settings)))
    faults += _folders(settings)
    faults += _collisions(settings)
    if faults:
        raise ConfigurationError(dict.fromkeys(faults))


def _without_result(made: object) -> None:
    """What was made to see whether it can be is not kept."""


def _missing_libraries(settings: Settings) -> Iterator[Fault]:
    told, origin = settings.values.sidecar, settings.origin
    if told is not None and told.ext_authz_grpc is not None and not _has_protobuf():
        yield origin.fault("/sidecar/ext_authz_grpc", "'protobuf' is not installed", "pip install 'iam-guard[grpc]'")
    if settings.values.tokens is not None and find_spec("sqlalchemy") is None:
        yield origin.fault("/tokens", "'sqlalchemy' is not installed", "pip install 'iam-guard[directory]'")
    if settings.values.gateway is not None and find_spec("httptools") is None:
        yield origin.fault("/gateway", "'httptools' is not installed", "pip install 'iam-guard[gateway]'")


def _has_protobuf() -> bool:
    return find_spec("google") is not None and find_spec("google.protobuf") is not None


def _folders(settings: Settings) -> Iterator[Fault]:
    """A socket file needs a folder that is there."""
    for at, address in _addresses(settings).items():
        if address.is_unix and not Path(address.path).parent.is_dir():
            yield settings.origin.fault(at, f"there is no folder '{Path(address.path).parent}' for the socket",
                                        "make it, or name another")


def _collisions(settings: Settings) -> Iterator[Fault]:
    """The gateway and the sidecar of one file are two programs on one machine."""
    addresses = _addresses(settings)
    for at, address in addresses.items():
        for other, theirs in addresses.items():
            if at.startswith("/gateway/") and not other.startswith("/gateway/") and address.overlaps(theirs):
                yield settings.origin.fault(at, f"'{address}' is where a door of the sidecar listens too",
                                            "give one of them another port")


def _addresses(settings: Settings) -> dict[str, Address]:
    """Where everything listens, by the place in the settings; what is no address is told elsewhere."""
    values, origin = settings.values, settings.origin
    found: dict[str, Address] = {}
    if values.sidecar is not None or values.tokens is not None:
        found |= addresses_of(values, origin)
    for name in _OF_GATEWAY if values.gateway is not None else ():
        with suppress(ConfigurationError):
            address = read_address(str(getattr(values.gateway, name)))
            there = str(origin.path(address.path)) if address.is_unix else ""
            found[f"/gateway/{name}"] = address._replace(path=there)
    return found
