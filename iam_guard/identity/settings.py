"""Issuers from plain settings: what a configuration file says, as typed values and then as issuers.

    issuers:
      - issuer: https://idp.example
        audience: orders
        algorithms: [RS256]
        discovery: true
        claims: {account: {claim: tenant}, groups: [{claim: realm_access.roles, prefix: "realm:"}]}
      - preset: github_actions
        audience: orders
        options: {owners: [example-org]}

Where a value may be a constant, text is the constant and ``{claim: PATH}`` reads the token.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec

from iam_guard.errors import ConfigurationError, Fault
from iam_guard.identity import presets
from iam_guard.identity.claims import Claim, ClaimMapping
from iam_guard.identity.issuer import Issuer

T = TypeVar("T")

PRESETS: Mapping[str, Callable[..., Issuer]] = MappingProxyType({
    preset.__name__: preset
    for preset in (presets.keycloak, presets.auth0, presets.cognito, presets.entra, presets.okta, presets.google,
                   presets.kubernetes, presets.github_actions, presets.token_service, presets.spiffe)
})


class ClaimSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A value that tokens bring; see :class:`Claim`."""

    claim: str | tuple[str, ...]
    prefix: str = ""
    otherwise: str | tuple[str, ...] = ""


class MappingSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How claims become a principal; see :class:`ClaimMapping` for every member."""

    account: str | ClaimSettings | None = None
    name: ClaimSettings | None = None
    role: str | ClaimSettings | None = None
    groups: tuple[ClaimSettings, ...] | None = None
    tags: dict[str, str | ClaimSettings] | None = None
    context: tuple[str, ...] | dict[str, ClaimSettings] | None = None
    partition: str | None = None
    path: str | None = None
    name_prefix: str | None = None
    email_domains: tuple[str, ...] | None = None
    trust_name: bool | None = None
    shares_names: bool | None = None


class IssuerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One issuer; see :class:`Issuer` for every member. With ``preset``, ``options`` are the preset's own."""

    audience: str | tuple[str, ...]
    issuer: str | None = None
    algorithms: tuple[str, ...] | None = None
    keys: dict[str, Any] | str | None = None
    secret: str | None = None
    jwks_url: str | None = None
    jwks_file: str | None = None
    discovery: bool | None = None
    jwks_origins: tuple[str, ...] | None = None
    claims: MappingSettings = MappingSettings()
    leeway: float | None = None
    max_lifetime: float | None = None
    token_types: tuple[str, ...] | None = None
    id_tokens: bool | None = None
    required_claims: dict[str, str | tuple[str, ...]] | None = None
    audience_claims: tuple[str, ...] | None = None
    allow_http: bool | None = None
    preset: str | None = None
    options: dict[str, str | tuple[str, ...]] | None = None


def read_issuer(data: Mapping[str, Any], *, pointer: str = "") -> Issuer:
    """Make an issuer of a plain mapping.

    Args:
        data: Members of :class:`IssuerSettings`.
        pointer: JSON pointer to the mapping in its document, for faults.

    Raises:
        ConfigurationError: a member is unknown, of a wrong type, or the issuer is not sound.
    """
    return build_issuer(_convert(data, IssuerSettings, pointer), pointer=pointer)


def read_mapping(data: Mapping[str, Any], *, pointer: str = "") -> ClaimMapping:
    """Make a claim mapping of a plain mapping; see :func:`read_issuer`."""
    return build_mapping(_convert(data, MappingSettings, pointer), pointer=pointer)


def build_mapping(settings: MappingSettings, *, pointer: str = "") -> ClaimMapping:
    """Make a claim mapping of typed settings; see :func:`build_issuer`."""
    return _placed(pointer, lambda: ClaimMapping(**_mapping_members(settings)))


def build_issuer(settings: IssuerSettings, *, pointer: str = "") -> Issuer:
    """Make an issuer of typed settings.

    Raises:
        ConfigurationError: it is not sound; pointers of faults start with *pointer*.
    """
    members = _given(settings, without=("claims", "preset", "options"))
    mapping = _placed(f"{pointer}/claims", lambda: _mapping_members(settings.claims))
    if settings.preset is not None:
        return _placed(pointer, lambda: _from_preset(settings, members, mapping))
    if settings.options is not None:
        raise ConfigurationError(Fault("'options' are of a preset", "name the 'preset'", f"{pointer}/options"))
    for name in ("issuer", "algorithms"):
        if name not in members:
            raise ConfigurationError(Fault(f"'{name}' is missing", "add it, or name a 'preset'", f"{pointer}/{name}"))
    claims = _placed(f"{pointer}/claims", lambda: ClaimMapping(**mapping))
    return _placed(pointer, lambda: Issuer(**members, claims=claims))


def _from_preset(settings: IssuerSettings, members: dict[str, Any], mapping: dict[str, Any]) -> Issuer:
    preset = PRESETS.get(settings.preset or "")
    if preset is None:
        raise ConfigurationError(Fault(f"'{settings.preset}' is no preset", f"use {', '.join(PRESETS)}", "/preset"))
    own = inspect.signature(preset).parameters
    options = {**(settings.options or {}), "audience": members.pop("audience")}
    options |= {name: members.pop(name) for name in set(own) & set(members)}
    for name in set(options) - set(own):
        raise ConfigurationError(Fault(f"'{name}' is no option of '{settings.preset}'", pointer=f"/options/{name}"))
    for name, parameter in own.items():
        required = parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD
        if required and name not in options:
            raise ConfigurationError(Fault(f"'{settings.preset}' needs '{name}'", "add it to 'options'", "/options"))
    for name in set(mapping) - set(own) - set(_options_taken_by(preset)):
        raise ConfigurationError(Fault(f"'{settings.preset}' sets '{name}' itself", "leave it out", f"/claims/{name}"))
    return replace(preset(**options, **mapping), **members)


def _options_taken_by(preset: Callable[..., Issuer]) -> Iterable[str]:
    """Names of the mapping options behind the ``**mapping`` of a preset."""
    hints = get_type_hints(preset)
    return get_type_hints(get_args(hints["mapping"])[0]) if "mapping" in hints else ()


def _mapping_members(settings: MappingSettings) -> dict[str, Any]:
    members = _given(settings, without=())
    return {name: _with_claims(value) for name, value in members.items()}


def _with_claims(value: Any) -> Any:
    if isinstance(value, ClaimSettings):
        return Claim(value.claim, value.prefix, value.otherwise)
    if isinstance(value, dict):
        return {name: _with_claims(one) for name, one in value.items()}
    return tuple(_with_claims(one) for one in value) if isinstance(value, tuple) else value


def _given(settings: msgspec.Struct, *, without: Iterable[str]) -> dict[str, Any]:
    members = msgspec.structs.asdict(settings)
    return {name: value for name, value in members.items() if value is not None and name not in without}


def _convert(data: Mapping[str, Any], kind: type[T], pointer: str) -> T:
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        place = path.rstrip("`").replace("[", "/").replace("]", "").replace(".", "/")
        text = message.replace("`", "'")
        raise ConfigurationError(Fault(text[:1].lower() + text[1:], pointer=pointer + place)) from None


def _placed(pointer: str, make: Callable[[], T]) -> T:
    """Run *make*; the faults it finds stand below *pointer*."""
    try:
        return make()
    except ConfigurationError as error:
        raise ConfigurationError(replace(fault, pointer=pointer + fault.pointer) for fault in error.faults) from None
