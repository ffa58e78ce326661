"""The JSON Schema of the settings file: it takes what is taken, refuses what is refused, and tells what is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from doc_blocks import PAGES, blocks_of
from jsonschema import Draft202012Validator

from iam_guard.config.json_schema import settings_schema
from iam_guard.config.settings import Settings
from iam_guard.errors import ConfigurationError
from iam_guard.policy.source import SourceText

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = ROOT / "docs" / "iam-guard.schema.json"
MINIMAL = "policies: iam\nroutes: routes.yaml\nissuers: []\n"
ISSUER = "policies: iam\nroutes: routes.yaml\nissuers:\n  - {audience: orders, issuer: https://idp.example"


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    return Draft202012Validator(settings_schema())


def test_the_committed_copy_is_what_the_command_prints() -> None:
    written = json.loads(COMMITTED.read_text("utf-8"))
    assert written == settings_schema(), "run 'iam-guard schema > docs/iam-guard.schema.json'"


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(settings_schema())


def _files() -> Iterator[Any]:
    for file in sorted((ROOT / "integrations").rglob("iam-guard*.yaml")):
        yield pytest.param(file.read_text("utf-8"), id=str(file.relative_to(ROOT)))
    for page in PAGES:
        for block in blocks_of(page):
            if block.language == "yaml" and (block.kind == "settings" or block.file.endswith("iam-guard.yaml")):
                yield pytest.param(block.text, id=f"{page.name}:{block.line}")


@pytest.mark.parametrize("text", list(_files()))
def test_every_example_is_taken(text: str, validator: Draft202012Validator) -> None:
    assert [error.message for error in validator.iter_errors(yaml.safe_load(text))] == []


def is_taken(text: str) -> bool:
    try:
        Settings.from_mapping(SourceText(text, is_yaml=True).value())
    except ConfigurationError:
        return False
    return True


@pytest.mark.parametrize("text", [
    MINIMAL,
    MINIMAL + "edge: {trusted_proxies: [10.0.0.0/8], max_target_bytes: 4096, path_mode: normalize}",
    MINIMAL + "streams: {recheck_seconds: 0.5}",
    MINIMAL + "sidecar: {listen: 'unix:decide.sock', forward: [{proxy: nginx}]}",
    MINIMAL + "sidecar: {forward: {listen: '127.0.0.1:1', doors: [{proxy: caddy, path: /ask}]}}",
    MINIMAL + "sidecar: {ext_authz_grpc: {}, ext_authz_http: {path_prefix: /check}}",
    MINIMAL.replace("policies: iam", "store: {url: {env: A_URL}}"),
    MINIMAL.replace("policies: iam", "store: 'sqlite:///iam.db'")
    + "tokens: {issuer: https://sts.example, audience: docs, keys: keys.json}",
])
def test_both_take(text: str, validator: Draft202012Validator) -> None:
    assert is_taken(text)
    assert validator.is_valid(yaml.safe_load(text))


@pytest.mark.parametrize("text", [
    "policies: iam\nissuers: []\n",
    MINIMAL + "polices: iam",
    MINIMAL + "edge: {trusted_proxies: 10.0.0.0/8}",
    MINIMAL + "edge: {trusted_proxies: [10.0.0.0/8], path_modes: strict}",
    MINIMAL + "edge: {path_mode: lax}",
    MINIMAL + "edge: {max_target_bytes: '4096'}",
    MINIMAL + "edge: {max_target_bytes: 4096.5}",
    MINIMAL + "streams: {recheck_seconds: 0}",
    MINIMAL + "streams: {recheck_seconds: 86401}",
    MINIMAL + "strict: 'yes'",
    MINIMAL + "sidecar: {forward: [{}]}",
    MINIMAL + "sidecar: {forward: [{proxy: apache}]}",
    MINIMAL + "sidecar: {forward: {listen: '127.0.0.1:1'}}",
    MINIMAL + "sidecar: {control: {name: 'a/b'}}",
    MINIMAL + "sidecar: {control: {open_metrics: 1}}",
    MINIMAL + "sidecar: {ext_authz_grpc: {seconds: 61}}",
    MINIMAL + "tokens: {issuer: https://sts.example, audience: docs}",
    MINIMAL + "credentials: {dpop: {remembered: 0}}",
    MINIMAL.replace("issuers: []", "issuers: {}"),
])
def test_both_refuse(text: str, validator: Draft202012Validator) -> None:
    assert not is_taken(text)
    assert not validator.is_valid(yaml.safe_load(text))


@pytest.mark.parametrize("text", [
    ISSUER + ", secret: in-the-file}",
    ISSUER + ", secret: {environment: A}}",
    ISSUER + ", algorithm: [RS256]}",
    MINIMAL + "credentials: {introspection: {url: https://a.example, issuer: https://a.example, client_secret: s}}",
])
def test_what_is_read_part_by_part_is_refused_in_an_editor_already(text: str, validator: Draft202012Validator) -> None:
    assert not validator.is_valid(yaml.safe_load(text))


def _objects(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "the file", schema
    yield from schema["$defs"].items()


#: Their docstrings refer to the class that they become.
_TOLD_ELSEWHERE = {"ClaimSettings", "MappingSettings", "IssuerSettings", "PeerSettings"}


@pytest.mark.parametrize(("name", "schema"), [
    pytest.param(name, schema, id=name) for name, schema in _objects(settings_schema()) if name not in _TOLD_ELSEWHERE])
def test_every_setting_is_described(name: str, schema: dict[str, Any]) -> None:
    assert schema["description"]
    assert [one for one, told in schema["properties"].items() if not told.get("description")] == []


def test_no_setting_is_left_open_that_could_take_anything() -> None:
    """An empty schema is one for keys of an issuer, facts about resources, or an oversight."""
    schema = settings_schema()
    found = {(name, member) for name, one in _objects(schema) for member, told in one["properties"].items()
             if not set(told) - {"description", "default"}}
    assert found == set()
