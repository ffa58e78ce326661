"""Requests that botocore signs, bodies included, through a real Envoy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from envoy_engine import READ, Engine, section, shop_and_orders, write_world
from forward_client import http_call, wait_for
from sidecar_process import SECRET

from iam_guard.config.envoy import check_envoy
from iam_guard.directory.directory import Directory
from iam_guard.directory.entities import Settings as DirectorySettings
from iam_guard.directory.entities import User
from iam_guard.directory.hiding import KEY_VARIABLE, HiddenSecrets, KeyRing, new_key
from iam_guard.directory.operations.access_keys import CreateAccessKey
from iam_guard.directory.port import Note
from iam_guard.errors import ConfigurationError
from iam_guard.model import Principal
from iam_guard.store.urls import open_store

ACCOUNT = "111122223333"
ADMIN = Principal.user("admin", account=ACCOUNT)
HELD = 20_000
REGION, SERVICE = "eu-central-1", "docs"


class Anyone:
    """A referee that refuses nothing."""

    def before(self, operation: object, work: object) -> None:
        """Fine."""

    def after(self, operation: object, work: object) -> None:
        """Fine."""


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """An access key of a directory, whose store it names."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(KEY_VARIABLE, new_key())
        url = f"sqlite:///{tmp_path_factory.mktemp('store') / 'iam.db'}"
        store = open_store(url)
        with store.write(Note(ADMIN.arn, "Import", "2026-01-01T12:00:00Z")) as tx:
            tx.put(DirectorySettings(default_account=ACCOUNT))
            tx.put(User(account=ACCOUNT, name="ann", arn=f"arn:app:iam::{ACCOUNT}:user/ann", id="AIDAANN",
                        inline={"read": READ}))
        directory = Directory(store, referee=Anyone(), secrets=HiddenSecrets(KeyRing.from_environment()))
        made: dict[str, Any] = directory.perform(CreateAccessKey(user_name="ann"), by=ADMIN)["AccessKey"]
        store.close()
        yield {**made, "store": url}


def settings(store: str, **more: Any) -> dict[str, Any]:
    return {"store": store, "policies": "", "resources": {"account": ACCOUNT},
            "signed_requests": {"region": REGION, "service": SERVICE, "held_bytes": HELD, **more},
            "credentials": {"replay_file": "used.db"}}


@pytest.fixture(scope="module")
def engine(key: dict[str, Any]) -> Iterator[Engine]:
    with shop_and_orders(**settings(key["store"])) as found:
        yield found


def signature(key: dict[str, Any], target: str, body: bytes, *, declared: bool = True) -> list[tuple[str, str]]:
    request = AWSRequest(method="POST", url=f"http://shop.example{target}", data=body)
    signer = SigV4Auth(Credentials(key["AccessKeyId"], key["SecretAccessKey"]), SERVICE, REGION)
    if declared:
        request.headers["X-Amz-Content-SHA256"] = signer.payload(request)
    signer.add_auth(request)
    return [(name, value) for name, value in request.headers.items() if name.lower() != "host"]


def post(engine: Engine, target: str, headers: list[tuple[str, str]], body: bytes) -> int:
    for app in engine.apps.values():
        app.seen.clear()
    return http_call(engine.port, "POST", target, headers, body).status


@pytest.mark.parametrize(("number", "size"), [(1, 0), (2, 1), (3, 5000), (4, HELD - 1), (5, HELD)])
@pytest.mark.parametrize("declared", [True, False])
def test_a_body_that_was_signed_passes(engine: Engine, key: dict[str, Any], number: int, size: int,
                                       declared: bool) -> None:
    target, body = f"/documents/{number}{declared}", b"a" * size
    assert post(engine, target, signature(key, target, body, declared=declared), body) == 200
    assert engine.shop.seen[-1]["body"] == body.decode()
    assert engine.shop.header("x-guard-principal") == [f"arn:app:iam::{ACCOUNT}:user/ann"]
    assert engine.shop.header("authorization") == []


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize(("number", "signed", "sent"), [
    (1, b"a body", b"another"), (2, b"a body", b""), (3, b"", b"a body"), (4, b"a" * HELD, b"a" * (HELD - 1) + b"b"),
    (5, b"a body", b"a body and more")])
def test_another_body_than_was_signed_reaches_nobody(engine: Engine, key: dict[str, Any], number: int, signed: bytes,
                                                     sent: bytes, declared: bool) -> None:
    target = f"/documents/other{number}{declared}"
    assert post(engine, target, signature(key, target, signed, declared=declared), sent) == 401
    assert engine.shop.seen == []


def test_a_body_longer_than_the_guard_looks_at_reaches_nobody(engine: Engine, key: dict[str, Any]) -> None:
    body = b"a" * (HELD + 1)
    assert post(engine, "/documents/long", signature(key, "/documents/long", body), body) == 403
    assert engine.shop.seen == []


def test_a_signature_counts_once(engine: Engine, key: dict[str, Any]) -> None:
    signed = signature(key, "/documents/once", b"a body")
    assert post(engine, "/documents/once", signed, b"a body") == 200
    assert post(engine, "/documents/once", signed, b"a body") == 401
    assert engine.shop.seen == []


def test_a_signature_counts_once_across_a_reload(engine: Engine, key: dict[str, Any]) -> None:
    signed = signature(key, "/documents/reloaded", b"a body")
    assert post(engine, "/documents/reloaded", signed, b"a body") == 200
    done = engine.reloads()["done"]
    engine.settings.write_text(engine.settings.read_text() + "\n")
    wait_for(lambda: engine.reloads()["done"] > done, "the settings are loaded again")
    assert post(engine, "/documents/reloaded", signed, b"a body") == 401
    assert engine.shop.seen == []


@pytest.mark.parametrize(("rule", "told"), [
    ({"signed_chunks": True}, "Envoy cannot take a body out of signed chunks"),
    ({"held_bytes": 2_097_153}, "Envoy hands over no more of a body")])
def test_what_cannot_be_seen_is_refused_at_the_start(key: dict[str, Any], rule: dict[str, Any], told: str,
                                                     tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IAM_GUARD_TEST_SECRET", SECRET)
    made = settings(key["store"])
    made["signed_requests"] |= rule
    with pytest.raises(ConfigurationError) as refused:
        check_envoy(write_world(tmp_path, section(8001, 8002), **made))
    assert told in str(refused.value)


def test_where_nothing_is_forwarded_a_body_that_was_signed_is_not_let_in(key: dict[str, Any]) -> None:
    """'held_bytes: 0' has Envoy forward none: what was signed cannot be seen, so nobody is let in who signed it."""
    with shop_and_orders(**settings(key["store"], held_bytes=0)) as engine:
        assert post(engine, "/documents/1", signature(key, "/documents/1", b"a body"), b"a body") == 403
        assert engine.shop.seen == []
        assert post(engine, "/documents/2", signature(key, "/documents/2", b""), b"") == 200
        assert json.loads(engine.status("/readyz").body)["ready"] is True
