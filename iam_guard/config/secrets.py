"""Secrets by reference: a settings file names where a secret is, and never holds one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import msgspec

from iam_guard.config.place import Origin
from iam_guard.errors import ConfigurationError
from iam_guard.policy.source import pointer
from iam_guard.store.typed import read_value

#: Largest file that is taken for a secret.
MAX_SECRET_BYTES = 16_384


class SecretReference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a secret is.

    Attributes:
        env: Name of an environment variable.
        file: A file that holds nothing else; one line end after it is dropped.
    """

    env: str = ""
    file: str = ""


def read_secret(value: Any, origin: Origin, at: str, environment: Mapping[str, str] = os.environ) -> str:
    """The secret that the setting *value* refers to.

    Raises:
        ConfigurationError: it is no reference, or there is nothing where it points. Never repeats a value.
    """
    if isinstance(value, str):
        raise ConfigurationError(origin.fault(at, "a secret stands in the settings",
                                              "write '{env: NAME}' or '{file: PATH}', and change the secret"))
    reference = read_value(value, SecretReference, file=origin.file, position=origin.position, base=at)
    if bool(reference.env) == bool(reference.file):
        raise ConfigurationError(origin.fault(at, "a secret is in one place", "write either 'env' or 'file'"))
    secret = environment.get(reference.env, "") if reference.env else _file(reference.file, origin, at)
    if not secret:
        where = f"the environment variable '{reference.env}'" if reference.env else f"the file '{reference.file}'"
        raise ConfigurationError(origin.fault(pointer(at, "env" if reference.env else "file"),
                                              f"{where} is empty or not there", "set it before the start"))
    return secret


def _file(name: str, origin: Origin, at: str) -> str:
    try:
        with origin.path(name).open("rb") as stream:
            content = stream.read(MAX_SECRET_BYTES + 1)
    except FileNotFoundError:
        return ""
    except OSError as problem:
        raise ConfigurationError(origin.fault(pointer(at, "file"), f"'{name}' cannot be read: {problem.strerror}",
                                              "let this process read it")) from None
    if len(content) > MAX_SECRET_BYTES:
        raise ConfigurationError(origin.fault(pointer(at, "file"), f"'{name}' is too large for a secret",
                                              f"keep it below {MAX_SECRET_BYTES} bytes"))
    return content.decode("utf-8", "replace").removesuffix("\n").removesuffix("\r")
