"""The world of the doors: an application, a caller with a token, and the guard's own files, the same for every door."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from jwt.algorithms import RSAAlgorithm

#: What the application answers: a kilobyte, without a care for the request.
PAGE = 1024
#: A large body, either way.
LARGE = 10_000_000

_ISSUER = "https://idp.example"
# Every address, in two ranges: of a client on loopback, Envoy tells the address of the machine.
_ADDRESSES = ["0.0.0.0/1", "128.0.0.0/1"]
_POLICIES = {
    "groups/readers.yaml": {"inline": {"Read": {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["docs:Get*", "docs:List*"], "Resource": "arn:app:docs:*:*:document/*",
         "Condition": {"IpAddress": {"aws:SourceIp": _ADDRESSES}}},
        {"Effect": "Allow", "Action": "docs:PutDocument", "Resource": "arn:app:docs:*:*:document/${aws:username}/*"},
        {"Effect": "Allow", "Action": "iam-guard:Evaluate", "Resource": "*"},
        {"Effect": "Deny", "Action": "*", "Resource": "arn:app:docs:*:*:document/secret/*"}]}}},
    "users/ann.yaml": {"groups": ["readers"]},
    "users/bob.yaml": {"tags": {"team": "guests"}},
}
_ROUTES = {"version": 1, "routes": {
    "GET /documents/{doc_id}": {"action": "docs:GetDocument", "resource": "document/{doc_id}"},
    "PUT /documents/{owner}/{doc_id}": {"action": "docs:PutDocument", "resource": "document/{owner}/{doc_id}"},
    "POST /documents/{owner}/{doc_id}": {"action": "docs:PutDocument", "resource": "document/{owner}/{doc_id}"},
    "GET /large": {"action": "docs:GetLarge", "resource": "document/large"},
}}


@dataclass(frozen=True)
class World:
    """What was written down.

    Attributes:
        folder: Where; programs run here.
        allowed: The header of somebody who may.
        denied: The header of somebody who may not.
    """

    folder: Path
    allowed: dict[str, str]
    denied: dict[str, str]

    def settings(self, name: str, **more: object) -> Path:
        """Write a settings file.

        Args:
            name: Of the file.
            more: Sections beside those that every door needs.
        """
        given = {"policies": "iam/", "routes": "routes.yaml", "strict": False, "log": {"logger": ""},
                 "issuers": [{"issuer": _ISSUER, "audience": "docs", "algorithms": ["RS256"],
                              "jwks_file": "jwks.json"}], **more}
        path = self.folder / name
        path.write_text(json.dumps(given, indent=2), "utf-8")  # JSON is YAML
        return path


def make_world(folder: Path) -> World:
    """Write policies, routes and keys into *folder*, and make tokens."""
    for name, content in _POLICIES.items():
        path = folder / "iam" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content), "utf-8")
    (folder / "routes.yaml").write_text(json.dumps(_ROUTES), "utf-8")
    (folder / "files").mkdir()
    (folder / "files" / "page").write_bytes(b"a" * PAGE)
    (folder / "files" / "large").write_bytes(bytes(LARGE))
    key = generate_private_key(public_exponent=65537, key_size=2048)
    public = {**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": "k1"}
    (folder / "jwks.json").write_text(json.dumps({"keys": [public]}), "utf-8")
    return World(folder, _header("ann", key), _header("bob", key))


def _header(subject: str, key: object) -> dict[str, str]:
    now = int(time.time())
    claims = {"iss": _ISSUER, "aud": "docs", "sub": subject, "iat": now, "exp": now + 86_400}
    return {"authorization": f"Bearer {jwt.encode(claims, key, 'RS256', headers={'kid': 'k1'})}"}  # type: ignore[arg-type]
