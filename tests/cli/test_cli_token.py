"""``iam-guard token``: issued by the policies, inspected without secrets, revoked the IAM way; keys."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.credentials import ProcessProvider

from iam_guard.directory.hiding import KEY_VARIABLE, KeyRing, new_key
from iam_guard.directory.session_secrets import SessionSecrets
from iam_guard.errors import AuthenticationError, UnavailableError
from iam_guard.guard import Guard
from iam_guard.identity.jwt import JWTAuthenticator
from iam_guard.identity.presets import token_service
from iam_guard.identity.session_keys import SessionKeys
from iam_guard.model import Principal
from iam_guard.store.following import DirectoryPolicyStore
from iam_guard.store.refresh import PolicyRefresher
from iam_guard.store.urls import open_store
from iam_guard.sts.key_file import SigningKeyFile

ANN, ROLE = "arn:app:iam::000000000000:user/ann", "arn:app:iam::000000000000:role/Publisher"
TRUST = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": ANN},
                                                "Action": ["sts:AssumeRole", "sts:TagSession"]}}
MAY = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "docs:*", "Resource": "*"}}
DOCUMENT = "arn:app:docs::000000000000:document/1"


class Place:
    """A folder with a directory and signing keys."""

    def __init__(self, folder: Path, run: Callable[..., Any]) -> None:
        self.store, self.keys, self.run = f"sqlite:///{folder}/iam.db", folder / "keys.json", run
        self.public = folder / "keys.jwks.json"
        self.directory("create-user", "--user-name", "ann")
        self.directory("create-role", "--role-name", "Publisher", "--assume-role-policy-document", json.dumps(TRUST))
        self.directory("put-role-policy", "--role-name", "Publisher", "--policy-name", "own",
                       "--policy-document", json.dumps(MAY))
        assert run("token", "keys", "--keys", self.keys, "--new").exit_code == 0

    def directory(self, *arguments: str) -> None:
        result = self.run("directory", *arguments, "--store", self.store)
        assert result.exit_code == 0, result.stderr

    def issue(self, *arguments: str, as_: str = ANN) -> Any:
        return self.run("token", "issue", "--store", self.store, "--keys", self.keys, "--issuer", "https://sts.example",
                        "--audience", "docs", "--as", as_, *arguments)

    def session(self, *arguments: str) -> str:
        result = self.issue("--role", ROLE, "--session-name", "ann", *arguments)
        assert result.exit_code == 0, result.stderr
        return str(result.stdout.strip())

    def enter(self, token: str) -> Principal:
        issuer = token_service("https://sts.example", audience="docs", jwks_file=str(self.public))
        return asyncio.run(JWTAuthenticator([issuer]).read(token.encode())).principal

    def may(self, who: Principal) -> bool:
        store = open_store(self.store)
        try:
            refresher = PolicyRefresher(DirectoryPolicyStore(lambda: store))
            refresher.load()
            return bool(Guard(refresher).authorize(who, "docs:Read", DOCUMENT))
        finally:
            store.close()


@pytest.fixture
def place(tmp_path: Path, run: Callable[..., Any]) -> Place:
    return Place(tmp_path, run)


# --- issue ----------------------------------------------------------------------------------------------


def test_a_session_of_a_role(place: Place) -> None:
    who = place.enter(place.session("--duration", "900", "--tag", "team=red", "--transitive", "team"))
    assert (who.role_arn, who.name, who.tags) == (ROLE, "ann", {"team": "red"})
    assert place.may(who)


def test_a_session_policy_from_a_file(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "session.json"
    file.write_text(json.dumps(MAY).replace("docs:*", "docs:Write"))
    assert not place.may(place.enter(place.session("--policy", str(file))))


def test_a_session_of_the_user(place: Place) -> None:
    result = place.issue("--format", "json")
    answer = json.loads(result.stdout)
    assert (answer["arn"], answer["expires_in"], answer["token_type"]) == (ANN, 43200, "Bearer")
    assert place.enter(answer["access_token"]).arn == ANN


def test_a_session_that_signs_is_what_aws_tools_read(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore runs a program for its credentials, and is content with what it prints."""
    monkeypatch.setenv(KEY_VARIABLE, new_key())
    printed = place.issue("--role", ROLE, "--session-name", "ann", "--signing").stdout
    provider = ProcessProvider("default", lambda: {"profiles": {"default": {"credential_process": "iam-guard"}}},
                               popen=lambda *_, **__: Printed(printed))
    found = provider.load().get_frozen_credentials()
    ring = SessionSecrets(KeyRing.from_environment)
    issuer = token_service("https://sts.example", audience="docs", jwks_file=str(place.public))
    known = asyncio.run(SessionKeys(JWTAuthenticator([issuer]), ring).find(found.access_key, found.token))
    assert known is not None
    assert known.secret == found.secret_key
    assert (known.principal.role_arn, known.principal.name) == (ROLE, "ann")


class Printed:
    """A program that has run."""

    returncode = 0

    def __init__(self, output: str) -> None:
        self.output = output

    def communicate(self) -> tuple[bytes, bytes]:
        return self.output.encode(), b""


@pytest.mark.parametrize(("arguments", "code", "told"), [
    (("--role", f"{ROLE}2", "--session-name", "ann"), 1, "AccessDenied"),
    (("--role", ROLE, "--session-name", "a"), 1, "ValidationError"),
    (("--role", ROLE, "--session-name", "ann", "--duration", "7200"), 1, "ValidationError"),
    (("--role", ROLE, "--session-name", "ann", "--source-identity", "ada"), 1, "sts:SetSourceIdentity"),
    (("--role", ROLE, "--session-name", "ann", "--tag", "team"), 2, "KEY=VALUE"),
    (("--session-name", "ann"), 2, "--role"),
    (("--tag", "a=b"), 2, "--role"),
])
def test_what_is_not_given(place: Place, arguments: tuple[str, ...], code: int, told: str) -> None:
    result = place.issue(*arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert told in result.stderr


def test_nobody_is_no_caller(place: Place) -> None:
    assert place.issue(as_=f"{ANN}e").exit_code == 2


# --- inspect --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [(), ("--format", "json")])
def test_what_a_token_says(place: Place, run: Callable[..., Any], more: tuple[str, ...]) -> None:
    token = place.session()
    result = run("token", "inspect", "--jwks", place.public, *more, input=token)
    assert result.exit_code == 0
    assert "assumed-role/Publisher/ann" in result.stdout
    assert "right" in result.stdout
    header, claims, signature = token.split(".")
    assert not any(part in result.output for part in (token, header, claims, signature))


def test_what_is_not_checked_is_said_not_to_be(place: Place, run: Callable[..., Any]) -> None:
    assert "not checked" in run("token", "inspect", input=place.session()).stdout
    refused = run("token", "inspect", token := place.session())
    assert (refused.exit_code, "standard input" in " ".join(refused.output.split())) == (2, True)
    assert token[:20] not in refused.output


@pytest.mark.parametrize("change", [lambda token: token[:-2] + ("AA" if token[-2:] != "AA" else "BB"),
                                    lambda token: token.rsplit(".", 1)[0], lambda token: "", lambda token: "a.b.c"])
def test_a_token_that_is_none(place: Place, run: Callable[..., Any], change: Callable[[str], str]) -> None:
    result = run("token", "inspect", "--jwks", place.public, input=change(place.session()))
    assert (result.exit_code, result.stdout) == (1, "")


# --- revoke ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("whose", ["role", "user"])
def test_older_sessions_are_over(place: Place, run: Callable[..., Any], whose: str) -> None:
    place.directory("put-user-policy", "--user-name", "ann", "--policy-name", "own", "--policy-document",
                    json.dumps(MAY))
    token = place.session() if whose == "role" else place.issue().stdout.strip()
    who = place.enter(token)
    assert place.may(who)
    name = "Publisher" if whose == "role" else "ann"
    result = run("token", "revoke", "--store", place.store, f"--{whose}", name)
    assert result.exit_code == 0
    assert not place.may(who)
    later = {**who.attributes, "aws:TokenIssueTime": datetime.now(UTC) + timedelta(seconds=5)}
    assert place.may(replace(who, attributes=later))
    if whose == "user":
        assert place.may(Principal.user("ann"))  # a long-term key began at no moment


@pytest.mark.parametrize("arguments", [(), ("--role", "Publisher", "--user", "ann")])
def test_one_at_a_time(place: Place, run: Callable[..., Any], arguments: tuple[str, ...]) -> None:
    assert run("token", "revoke", "--store", place.store, *arguments).exit_code == 2


def test_who_may_revoke_is_said_by_policies(place: Place, run: Callable[..., Any]) -> None:
    result = run("token", "revoke", "--store", place.store, "--role", "Publisher", "--as", ANN)
    assert result.exit_code == 1
    assert "AccessDenied" in result.stderr


# --- keys -----------------------------------------------------------------------------------------------


def shown(place: Place, *arguments: str) -> list[dict[str, str]]:
    result = place.run("token", "keys", "--keys", place.keys, "--format", "json", *arguments)
    assert result.exit_code == 0, result.stderr
    return list(json.loads(result.stdout))


def test_sessions_go_on_over_a_rotation(place: Place) -> None:
    before = place.session()
    assert [key["state"] for key in shown(place, "--rotate", "--lead", "0")] == ["verifies", "signs"]
    after = place.session()
    assert {place.enter(token).name for token in (before, after)} == {"ann"}


def test_a_key_is_published_before_it_signs(place: Place) -> None:
    assert [key["state"] for key in shown(place, "--rotate", "--lead", "600")] == ["signs", "published"]
    assert len(json.loads(place.public.read_text("utf-8"))["keys"]) == 2


def test_a_stolen_key_is_taken_away(place: Place) -> None:
    before = place.session()
    old, new = shown(place, "--rotate", "--lead", "0")
    assert shown(place, "--drop", old["id"]) == [new]
    with pytest.raises(AuthenticationError):
        place.enter(before)
    assert place.enter(place.session()).name == "ann"
    assert place.run("token", "keys", "--keys", place.keys, "--drop", new["id"]).exit_code == 1


def test_keys_are_not_replaced_by_new_ones(place: Place) -> None:
    assert place.run("token", "keys", "--keys", place.keys, "--new").exit_code == 1


def test_only_the_owner_reads_the_keys(place: Place) -> None:
    assert stat.S_IMODE(place.keys.stat().st_mode) == 0o600
    result = place.run("token", "keys", "--keys", place.keys)
    [entry] = json.loads(place.keys.read_text("utf-8"))["keys"]
    assert entry["d"] not in result.output
    assert "d" not in json.loads(place.public.read_text("utf-8"))["keys"][0]


@pytest.mark.skipif(os.name != "posix", reason="rights of files are others there")
def test_keys_open_to_others_sign_nothing(place: Place) -> None:
    place.keys.chmod(0o644)
    with pytest.raises(UnavailableError, match="chmod"):
        SigningKeyFile(place.keys).current.signing(0)
    assert place.issue("--role", ROLE, "--session-name", "ann").exit_code == 1


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"keys":[]}', '{"keys":[1]}', '{"keys":[{"kid":"k"}]}',
                                  '{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","d":"x","signs_from":1}]}'])
def test_a_file_that_holds_no_keys(place: Place, text: str) -> None:
    place.keys.write_text(text)
    with pytest.raises(UnavailableError):
        _ = SigningKeyFile(place.keys).current


def test_another_process_sees_the_new_key(place: Place) -> None:
    reader = SigningKeyFile(place.keys)
    before = reader.current
    assert reader.current is before
    shown(place, "--rotate")
    assert len(reader.current.keys) == 2
