"""What tests of integrations share: an identity provider of their own, and programs run as their pages say."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from jwt.algorithms import RSAAlgorithm

ROOT = Path(__file__).resolve().parents[2]
INTEGRATIONS = ROOT / "integrations"
PROBLEMS = "urn:iam-guard:problems:"
_KEY = generate_private_key(public_exponent=65537, key_size=2048)
#: Seconds until a program that does not come up is given up.
_PATIENCE = 60


def bearer(subject: str, **claims: object) -> dict[str, str]:
    """The header with a token of the issuer that the examples trust."""
    now = int(time.time())
    told = {"iss": "https://idp.example", "aud": "orders", "sub": subject, "iat": now, "exp": now + 900, **claims}
    return {"authorization": f"Bearer {jwt.encode(told, _KEY, 'RS256', headers={'kid': 'k1'})}"}


ANN, BOB = bearer("ann"), bearer("bob")


def give_keys(folder: Path) -> None:
    """Write the public key to where the examples look for it."""
    public = {**RSAAlgorithm.to_jwk(_KEY.public_key(), as_dict=True), "kid": "k1"}
    (folder / "jwks.json").write_text(json.dumps({"keys": [public]}), "utf-8")


def assert_problem(answer: httpx.Response, status: int, problem: str, action: str = "") -> None:
    """Check that an answer is a problem document of the guard's."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert (told["type"], told["status"]) == (PROBLEMS + problem, status)
    assert told.get("action", "") == action
    assert answer.headers["x-iam-guard-decision-id"] == told["decision_id"]


def free_port() -> int:
    """A port that the kernel says is free."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


@contextmanager
def running(command: Sequence[str], folder: Path, is_up: Callable[[], bool],
            environment: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until the block ends; what it said is shown when it does not come up."""
    said = folder / f"said-{Path(command[0]).name}-{free_port()}.txt"
    with said.open("wb") as out:
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=subprocess.STDOUT,
                                   env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})})
    try:
        deadline = time.monotonic() + _PATIENCE
        while not is_up():
            assert process.poll() is None, said.read_text("utf-8", "replace")
            assert time.monotonic() < deadline, said.read_text("utf-8", "replace")
            time.sleep(0.02)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(30)
            raise


def answers(url: str, **more: object) -> Callable[[], bool]:
    """Whether something answers there."""
    def asked() -> bool:
        try:
            return httpx.get(url, trust_env=False, timeout=2, **more).status_code > 0  # type: ignore[arg-type]
        except httpx.TransportError:
            return False
    return asked


@contextmanager
def serving(app: str, folder: Path) -> Iterator[str]:
    """An ASGI application under uvicorn."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "uvicorn", "--no-proxy-headers", "--host", "127.0.0.1", "--port", str(port), app]
    with running(command, folder, answers(url + "/health")):
        yield url
