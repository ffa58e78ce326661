"""Runs the command with a guard that breaks where the name of a resource says so; the rest is the program as it is."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from iam_guard.cli.main import main
from iam_guard.engine.policy_set import PolicySet
from iam_guard.identity.jwt import JWTAuthenticator

ERRORS: dict[str, BaseException] = {
    "RuntimeError": RuntimeError("broken"), "RecursionError": RecursionError("too deep"),
    "MemoryError": MemoryError("no more"), "KeyError": KeyError("gone"), "TimeoutError": TimeoutError("too late"),
    "CancelledError": asyncio.CancelledError("in the middle"), "GeneratorExit": GeneratorExit("in the middle"),
}
_evaluate, _authenticate = PolicySet.evaluate, JWTAuthenticator.authenticate


def evaluate(self: PolicySet, request: Any) -> Any:
    """Decide, or break."""
    if error := ERRORS.get(request.resource.rpartition("/")[2]):
        raise error
    return _evaluate(self, request)


async def authenticate(self: JWTAuthenticator, request: Any) -> Any:
    """Say who asks; break on a claim, or keep silent until there is a file that says to go on."""
    if request.path.endswith("/claims"):
        raise KeyError("tenant")
    if request.path.endswith("/silence"):
        folder = Path(os.environ["THREAT_FOLDER"])
        (folder / "asked").touch()
        while not (folder / "go-on").exists():  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # a file is what another process can make
    return await _authenticate(self, request)


if __name__ == "__main__":
    PolicySet.evaluate = evaluate  # type: ignore[method-assign]
    JWTAuthenticator.authenticate = authenticate  # type: ignore[method-assign]
    sys.argv[0] = "iam-guard"
    main()
