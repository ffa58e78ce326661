"""The command ``iam-guard sidecar`` as a process of its own, on ports that the kernel chooses."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import jwt

ROOT = Path(__file__).resolve().parents[2]
SECRET = "0123456789abcdef0123456789abcdef"
SETTINGS = """\
policies: iam
routes: routes.yaml
issuers:
  - issuer: https://idp.example
    audience: orders
    algorithms: [HS256]
    secret: {env: IAM_GUARD_TEST_SECRET}
edge: {trusted_proxies: [127.0.0.1]}
log: {logger: ""}
sidecar:
  listen: 127.0.0.1:0
  forward: [{proxy: nginx}, {proxy: traefik}]
  control: {listen: "localhost:0"}
"""
ROUTES = """\
version: 1
routes:
  GET /health: public
  GET /documents/{id}: {action: docs:Read, resource: "document/{id}"}
"""
READ = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "docs:Read", "Resource": "*"}}'
LOOK = """{"Version": "2012-10-17", "Statement": {"Effect": "Allow",
"Action": ["iam-guard:ReadStatus", "iam-guard:ReadMetrics"],
"Resource": "arn:app:iam-guard::000000000000:sidecar/default"}}"""
OPERATE = """{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "iam-guard:*", "Resource": "*"}}"""
_LISTENING = re.compile(r"^(\w+): listening at (\S+)( over TLS)?$", re.MULTILINE)
PATIENCE = 30.0


def world(folder: Path, settings: str = SETTINGS) -> Path:
    """Write policies, a route map and settings; the settings file."""
    (folder / "iam/users").mkdir(parents=True)
    for name, text in (("ann", READ), ("looker", LOOK), ("operator", OPERATE)):
        (folder / f"iam/users/{name}.json").write_text(text)
    (folder / "routes.yaml").write_text(ROUTES)
    (folder / "iam-guard.yaml").write_text(settings)
    return folder / "iam-guard.yaml"


def token(name: str, **more: object) -> str:
    """A token of the issuer in :data:`SETTINGS`."""
    now = int(time.time())
    claims = {"iss": "https://idp.example", "aud": "orders", "sub": name, "iat": now, "exp": now + 300}
    return jwt.encode({**claims, **more}, SECRET, algorithm="HS256")


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(name)}"}


class Running:
    """A sidecar that has said where it listens."""

    def __init__(self, process: subprocess.Popen[str], folder: Path = Path()) -> None:
        self.process, self.folder = process, folder
        self.said: list[str] = []
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.said.extend(iter(self.process.stderr.readline, ""))

    @property
    def text(self) -> str:
        return "".join(self.said)

    @property
    def addresses(self) -> dict[str, str]:
        """Where each door listens, as it said."""
        return {door: address for door, address, _ in _LISTENING.findall(self.text)}

    def url(self, door: str) -> str:
        secure = {door: bool(tls) for door, _, tls in _LISTENING.findall(self.text)}
        return f"{'https' if secure[door] else 'http'}://{self.addresses[door]}"

    def wait(self, doors: int) -> None:
        deadline = time.monotonic() + PATIENCE
        while len(self.addresses) < doors:
            assert self.process.poll() is None, self.text
            assert time.monotonic() < deadline, self.text
            time.sleep(0.02)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, and wait for the end; the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        self.close()
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reading.join()
        assert self.process.stderr is not None
        self.process.stderr.close()


@contextmanager
def running(settings: Path, doors: int = 2, *options: str, **environment: str) -> Iterator[Running]:
    """Start the command, and wait until so many doors listen."""
    process = subprocess.Popen(
        [sys.executable, "-m", "iam_guard", "sidecar", "--config", str(settings), *options], cwd=ROOT, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env={**os.environ, "IAM_GUARD_TEST_SECRET": SECRET, **environment})
    found = Running(process, settings.parent)
    try:
        found.wait(doors)
        yield found
    finally:
        found.close()


def nginx_call(method: str = "GET", target: str = "/documents/1", **more: str) -> dict[str, str]:
    """The headers with which nginx describes a client's request."""
    return {"X-Original-Method": method, "X-Original-URI": target, "X-Forwarded-Proto": "http",
            "X-Forwarded-Host": "orders.example", "X-Real-IP": "192.0.2.1", **more}


def unix_client(path: Path) -> httpx.Client:
    return httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://sidecar")


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition under a deadline."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(0.02)


def rewrite(settings: Path, text: str) -> None:
    """Write settings aside and move them, as people who care do."""
    aside = settings.with_suffix(".new")
    aside.write_text(text)
    aside.replace(settings)


class Control:
    """The control plane, asked by somebody who may."""

    def __init__(self, found: Running, client: httpx.Client) -> None:
        self._url, self._client = found.url("control"), client

    def status(self) -> dict[str, Any]:
        answer = self._client.get(f"{self._url}/status", headers=bearer("operator"))
        answer.raise_for_status()
        told: dict[str, Any] = answer.json()
        return told

    def done(self) -> int:
        return int(self.status()["settings"]["done"])

    def failed(self) -> int:
        return int(self.status()["settings"]["failed"])

    def readiness(self) -> tuple[int, Any]:
        answer = self._client.get(f"{self._url}/readyz")
        return answer.status_code, answer.json()

    def reload(self) -> dict[str, Any]:
        told: dict[str, Any] = self._client.post(f"{self._url}/reload", headers=bearer("operator")).json()
        return told

    def allowed(self, door: str = "forward") -> float:
        """How many requests a door has allowed."""
        text = self._client.get(f"{self._url}/metrics", headers=bearer("operator")).text
        line = next(line for line in text.splitlines() if line.startswith("iam_guard_decisions_total")
                    and 'decision="allow"' in line and f'front_door="{door}"' in line)
        return float(line.rpartition(" ")[2])


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])
