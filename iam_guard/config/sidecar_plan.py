"""Where each door is, and whether all of them can be there: the sections ``sidecar`` and ``tokens`` without a guard."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from iam_guard.asgi.listening import Address, read_address
from iam_guard.asgi.tls import TLSSettings
from iam_guard.asgi.types import ASGIApp
from iam_guard.config.once import forgetting, quarrelling
from iam_guard.config.place import Origin
from iam_guard.config.schema import SettingsFile
from iam_guard.config.tls_files import context_at, tls_at, tls_files
from iam_guard.errors import ConfigurationError, Fault
from iam_guard.sidecar.authzen.routes import door_paths
from iam_guard.sidecar.doors import Door, apps_by_address
from iam_guard.sidecar.ext_authz.settings import refuse_other_path
from iam_guard.sidecar.settings import SidecarSettings

AT = "/sidecar"


def check_sidecar(values: SettingsFile, origin: Origin, workers: int = 0) -> None:
    """Check what the settings say of doors; nothing is opened or listened at.

    Args:
        values: All settings.
        origin: Where they stand.
        workers: Processes, where somebody else than the settings says how many.

    Raises:
        ConfigurationError: with everything that is wrong with these settings.
    """
    told = values.sidecar or SidecarSettings()
    faults: list[Fault] = []
    plan = Plan(values, told, origin)
    doors = plan.all()
    if len(doors) < 2:
        faults.append(origin.fault(AT, "no door is named", "add 'forward: [{proxy: nginx}]', or another door"))
    if told.forward_doors.doors and not values.edge.trusts_anybody and not plan.address("forward").is_unix:
        faults.append(origin.fault(f"{AT}/forward", "no proxy may ask here", "list the addresses of your proxies in "
                                   "'edge.trusted_proxies', or listen at 'unix:PATH'"))
    if told.forward_doors.doors and values.edge.path_mode != "strict":
        faults.append(origin.fault("/edge/path_mode", "a proxy that asks sends on the path as it came, and not the "
                                   "one that was resolved and decided", "remove 'path_mode'"))
    if told.ext_authz_grpc is not None or told.ext_authz_http is not None:
        origin.attempt(faults, "", lambda: refuse_other_path(values.edge))
    if values.tokens is not None and not values.store:
        faults.append(origin.fault("/tokens", "a folder of policies has no users and roles to give sessions to",
                                   "move it into a directory, and write 'store: URL'"))
    faults += plan.homeless()
    faults += forgetting(values, origin, "a sidecar")
    faults += quarrelling(values, origin, workers or told.workers)
    origin.attempt(faults, AT, lambda: apps_by_address(doors))
    origin.attempt(faults, "", plan.contexts)
    if faults:
        raise ConfigurationError(faults)


def addresses_of(values: SettingsFile, origin: Origin) -> dict[str, Address]:
    """Where the doors listen, by the JSON pointer of what says so."""
    plan = Plan(values, values.sidecar or SidecarSettings(), origin)
    return {plan.place(door.name): door.address for door in plan.all()}


def token_paths(issuer: str) -> tuple[str, ...]:
    """What the token service of an issuer answers."""
    path = urlsplit(issuer).path.rstrip("/")
    return (f"{path}/token", f"{path}/caller-identity", f"{path}/jwks.json",
            f"/.well-known/oauth-authorization-server{path}", f"{path}/.well-known/openid-configuration")


@dataclass(frozen=True, slots=True)
class Plan:
    """Where each door is, whoever answers behind it."""

    values: SettingsFile
    told: SidecarSettings
    origin: Origin

    def all(self) -> list[Door]:
        """Every door that is named, with nobody behind it: enough to see whether they are in each other's way."""
        named = {**self._sections(), "forward": self.told.forward_doors.doors}
        return [self.door(name, _nobody) for name, wanted in named.items() if wanted]

    def door(self, name: str, app: ASGIApp | None) -> Door:
        """A door with *app* behind it."""
        paths, trees = self._places(name)
        return Door(name, app, self.address(name), frozenset(paths), trees, self.tls(name))

    def address(self, name: str) -> Address:
        """Where a door listens: at an address of its own, or at the one that is shared."""
        address = read_address(self._own(name) or self.told.listen)
        return address._replace(path=str(self.origin.path(address.path))) if address.is_unix else address

    def tls(self, name: str) -> TLSSettings | None:
        """TLS where a door listens: its own where its address is its own, and else that which is shared."""
        found = self._own_tls(name) if self._own(name) else self.told.tls
        return None if found is None else tls_at(found, self.origin)

    def place(self, name: str) -> str:
        """The JSON pointer of what says where a door listens."""
        return f"{self.section(name)}/listen"

    def section(self, name: str) -> str:
        """The JSON pointer of the section that says where a door listens."""
        if not self._own(name):
            return AT
        return "/tokens" if name == "tokens" else f"{AT}/{name}"

    def contexts(self) -> dict[Address, ssl.SSLContext]:
        """What makes connections of TLS, by where it listens.

        Raises:
            ConfigurationError: with everything that is wrong with certificates and keys.
        """
        faults: list[Fault] = []
        found: dict[Address, ssl.SSLContext] = {}
        for door in self.all():
            if door.tls is None or door.address in found:
                continue
            spoken = ("h2",) if door.name == "ext_authz_grpc" else ("http/1.1",)
            made = self.origin.attempt(faults, "", partial(context_at, door.tls, self.origin, self.section(door.name),
                                                           spoken))
            if made is not None:
                found[door.address] = made
        if faults:
            raise ConfigurationError(faults)
        return found

    def homeless(self) -> Iterator[Fault]:
        """Faults of doors with TLS for a listener that they do not have."""
        for name in self._sections():
            if self._own_tls(name) is not None and not self._own(name):
                at = "/tokens/tls" if name == "tokens" else f"{AT}/{name}/tls"
                yield self.origin.fault(at, f"'{name}' has no listener of its own",
                                        f"add 'listen' beside it, or write '{AT[1:]}.tls'")

    def files(self) -> tuple[Path, ...]:
        """What is looked at for changes; policies have a watch of their own."""
        routes, origin = self.values.routes, self.origin
        named = (routes,) if isinstance(routes, str) else (routes.file, routes.openapi)
        found = [Path(origin.file)] if origin.file else []
        found += [origin.path(file) for file in named if file]
        found += [file for door in self.all() if door.tls is not None for file in tls_files(door.tls)]
        return tuple(dict.fromkeys(found))

    def taken(self, address: Address, problem: OSError) -> Fault:
        """The fault of what says to listen where that cannot be."""
        name = next((door.name for door in self.all() if door.address == address), "control")
        return self.origin.fault(self.place(name), f"cannot listen at '{address}': {problem.strerror or problem}",
                                 "choose another address, or end who listens there")

    def _own_tls(self, name: str) -> TLSSettings | None:
        return getattr(self._sections()[name], "tls", None)

    def _own(self, name: str) -> str:
        return str(getattr(self._sections()[name], "listen", ""))

    def _sections(self) -> dict[str, object]:
        told = self.told
        return {"forward": told.forward_doors, "authzen": told.authzen, "ext_authz_grpc": told.ext_authz_grpc,
                "ext_authz_http": told.ext_authz_http, "tokens": self.values.tokens, "control": told.control}

    def _places(self, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The paths of a door, and the trees of paths; none where it answers everything."""
        if name == "forward":
            doors = self.told.forward_doors.doors
            return tuple(one.at for one in doors if not one.is_tree), tuple(one.at for one in doors if one.is_tree)
        if name == "authzen" and self.told.authzen is not None:
            return tuple(door_paths(self.told.authzen)), ()
        if name == "tokens" and self.values.tokens is not None:
            return token_paths(self.values.tokens.issuer), ()
        return (), ()


async def _nobody(scope: Any, receive: Any, send: Any) -> None:
    raise RuntimeError("this door was planned, and never made")
