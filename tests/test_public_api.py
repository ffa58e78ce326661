"""The public surface is a list, and every name of it is there."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import iam_guard

NAMES = [
    "AccessDeniedError", "ActingAuthenticator", "AuthenticationError", "AuthorizationRequest", "CORSSettings",
    "Claim", "ClaimMapping", "ConfigurationError", "Decision", "DenialStyle", "EdgeSettings",
    "FieldDeniedError", "FieldGuard", "FilePolicyStore", "Guard", "IAMGuardError", "IAMGuardMiddleware",
    "Issuer", "JWTAuthenticator", "NO_FACTS", "PUBLIC", "PolicyDocumentError", "PolicyRefresher", "PolicySet",
    "Principal", "PrincipalKind", "ReasonType", "RequestMapper", "RequestRefusedError", "ResourceFacts",
    "ResourceNames", "Route", "RowFilter", "Rows", "UnavailableError", "Verdict", "act_as", "current_principal",
    "denial_for_error", "load_settings", "presets", "protect", "row_filter",
]


def test_the_list_is_the_list() -> None:
    assert sorted(iam_guard.__all__) == sorted(NAMES)
    assert dir(iam_guard) == sorted(iam_guard.__all__)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_there_and_documented(name: str) -> None:
    assert getattr(iam_guard, name).__doc__


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="fail_open"):
        iam_guard.fail_open  # noqa: B018


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(iam_guard.__file__).read_text())
    seen = {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert set(NAMES) <= seen


def test_the_engine_loads_no_web_stack() -> None:
    code = ("import sys, iam_guard; iam_guard.PolicySet; "
            "print([m for m in ('httpx', 'jwt', 'cryptography', 'starlette', 'uvicorn') if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_nothing_inside_uses_the_front_door() -> None:
    package = Path(iam_guard.__file__).parent
    for file in package.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            assert not (isinstance(node, ast.ImportFrom) and node.module == "iam_guard"), file
