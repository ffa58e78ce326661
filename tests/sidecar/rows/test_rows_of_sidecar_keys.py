"""Rows about where keys and policies come from, at the doors of a sidecar that fetches them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jwt
import pytest
from door_calls import call_of
from sidecar_doors import port_of, sidecar
from sidecar_process import Running
from test_rows_of_keys import KEY, MIB, Provider, issuer, key_set, provider, unfolding
from threat_rows import Row
from threat_world import exchange, statuses

DOORS = ("nginx", "traefik", "envoy-http")


def asks(guard: Running, idp: Provider, door: str) -> list[int]:
    told = {"iss": idp.url, "aud": "iam-guard", "sub": "alice", "iat": 1_700_000_000, "exp": 4_000_000_000}
    line = b"Authorization: Bearer " + jwt.encode(told, KEY, "RS256", headers={"kid": "one"}).encode()
    return statuses(exchange(port_of(guard, door), call_of(Row("", "anon", b"GET /items/1", 200), door, [line])))


def test_keys_that_are_there_open_the_doors(tmp_path: Path) -> None:
    """Without which the others would prove nothing."""
    with provider() as idp:
        idp.tell("/keys", key_set())
        with sidecar(tmp_path, issuers=issuer(idp.url, jwks_url=f"{idp.url}/keys")) as guard:
            assert [asks(guard, idp, door) for door in DOORS] == [[200]] * 3


def test_f07_1_a_key_set_that_unfolds_is_not_unfolded(tmp_path: Path) -> None:
    with provider() as idp:
        bomb = unfolding(json.dumps({**key_set(), "pad": ""}).encode()[:-2], 256, b'"}')
        idp.tell("/keys", bomb, Content_Encoding="gzip")
        with sidecar(tmp_path, issuers=issuer(idp.url, jwks_url=f"{idp.url}/keys")) as guard:
            for door in DOORS:
                assert asks(guard, idp, door) in ([401], [503])
            status = Path(f"/proc/{guard.process.pid}/status").read_text()
            assert int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024 < 200 * MIB


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_g01_2_a_document_of_the_issuer_chooses_no_other_place(tmp_path: Path, scheme: str) -> None:
    with provider() as idp, provider() as other:
        other.tell("/keys", key_set())
        place = f"{other.url}/keys" if scheme == "http" else "file:///etc/passwd"
        idp.tell("/.well-known/openid-configuration", {"issuer": idp.url, "jwks_uri": place})
        with sidecar(tmp_path, issuers=issuer(idp.url, discovery=True)) as guard:
            for door in DOORS:
                assert asks(guard, idp, door) in ([401], [503])
            assert other.asked == []


def test_g18_2_a_sample_that_opens_everything_opens_no_door(tmp_path: Path) -> None:
    everyone = tmp_path / "iam/everyone/all.json"
    everyone.parent.mkdir(parents=True)
    everyone.write_text('{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}')
    with sidecar(tmp_path) as guard:
        for door in DOORS:
            for who, status in (("anon", 401), ("alice", 503), ("root", 503)):
                data = call_of(Row("", who, b"GET /items/1", status), door)
                assert statuses(exchange(port_of(guard, door), data)) == [status]
