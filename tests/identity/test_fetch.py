"""Fetching documents: bounded in size, time and place."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import respx

from iam_guard.identity.fetch import MAX_ANSWER, Answer, FetchError, fetch_json

URL = "https://idp.example/jwks"


def fetch(**more: Any) -> Answer:
    async def run() -> Answer:
        async with httpx.AsyncClient() as http:
            return await fetch_json(http, URL, **more)

    return asyncio.run(run())


@respx.mock
@pytest.mark.parametrize(("header", "age"), [
    ("max-age=600", 600), ("public, max-age=60, must-revalidate", 60), ('max-age="5"', 5), ("MAX-AGE=7", 7),
    ("s-maxage=9", None), ("no-store", None), ("max-age=-1", None), ("max-age=x", None),
    ("max-age=" + "9" * 40, None), ("", None),
])
def test_the_document_and_its_age(header: str, age: float | None) -> None:
    respx.get(URL).respond(200, json={"keys": []}, headers={"Cache-Control": header})
    assert fetch() == Answer({"keys": []}, age)


@respx.mock
def test_compressed() -> None:
    for encoding, pack in (("gzip", gzip.compress), ("deflate", zlib.compress)):
        respx.get(URL).respond(200, content=pack(b'{"a": 1}'), headers={"Content-Encoding": encoding})
        assert fetch().document == {"a": 1}


@respx.mock
@pytest.mark.parametrize("packed", [False, True])
def test_too_long(packed: bool) -> None:
    body = json.dumps({"a": "x" * MAX_ANSWER}).encode()
    headers = {"Content-Encoding": "gzip"} if packed else {}
    respx.get(URL).respond(200, content=gzip.compress(body) if packed else body, headers=headers)
    with pytest.raises(FetchError, match="longer than"):
        fetch()


@respx.mock
def test_an_endless_answer_is_not_read_to_its_end() -> None:
    sent = []

    async def endless() -> AsyncIterator[bytes]:
        while True:
            sent.append(1)
            yield b"x" * 65536

    respx.get(URL).mock(side_effect=lambda asked: httpx.Response(200, content=endless()))
    with pytest.raises(FetchError, match="longer than"):
        fetch()
    assert len(sent) < 10


BAD: dict[str, Any] = {
    "status": httpx.Response(500), "no content": httpx.Response(204), "no JSON": httpx.Response(200, text="<html>"),
    "list": httpx.Response(200, json=[]),
    "brotli": httpx.Response(200, content=b"x", headers={"Content-Encoding": "br"}),
    "broken gzip": httpx.Response(200, content=b"x", headers={"Content-Encoding": "gzip"}),
    "connection": httpx.ConnectError("no"), "timeout": httpx.ReadTimeout("slow"),
    "other host": httpx.Response(302, headers={"Location": "https://evil.example/"}),
    "other scheme": httpx.Response(302, headers={"Location": "http://idp.example/x"}),
    "other port": httpx.Response(307, headers={"Location": "https://idp.example:8443/x"}),
    "loop": httpx.Response(302, headers={"Location": URL}),
    "to nowhere": httpx.Response(302, headers={"Location": "https://["}),
    "nested": httpx.Response(200, content=b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}"),
}


@pytest.mark.parametrize("answer", BAD.values(), ids=BAD)
def test_failures_are_one_error(answer: Any) -> None:
    with respx.mock as network:
        network.get(URL).mock(side_effect=[answer] * 9)
        with pytest.raises(FetchError, match=r"idp\.example"):
            fetch()


@respx.mock
def test_a_redirect_within_the_origin() -> None:
    respx.get(URL).respond(301, headers={"Location": "/keys"})
    respx.get("https://idp.example/keys").respond(200, json={"a": 1})
    assert fetch().document == {"a": 1}


@respx.mock
def test_a_deadline_over_everything() -> None:
    async def silent(asked: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    respx.get(URL).mock(side_effect=silent)
    with pytest.raises(FetchError, match="did not answer within"):
        fetch(deadline=0.01)
