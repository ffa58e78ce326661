"""Everything that can be wrong with a folder is refused, with its place and a mend."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from iam_guard.errors import ConfigurationError, DocumentError, UnavailableError
from iam_guard.store.file import FilePolicyStore

HOME = "000000000000"
READ = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "docs:Read", "Resource": "*"}}'
DENY = READ.replace("Allow", "Deny").replace('"Action"', '"Principal": "*", "Action"')


def faults_of(folder: Path, files: Mapping[str, str | bytes]) -> list[str]:
    for name, text in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DocumentError) as refused:
        FilePolicyStore(folder).load()
    return [str(fault).removeprefix(f"{folder}/") for fault in refused.value.faults]


UNKNOWN = [
    pytest.param("notes.txt", "notes.txt: 'notes.txt' is not a kind of file that is read here; "
                 "end the name in .yaml, .yml, .json, or remove the file", id="suffix"),
    pytest.param("user/ann.yaml", "user/ann.yaml: 'user/' is not a folder that is read here; did you mean 'users'?",
                 id="folder"),
    pytest.param("organisation.yaml", "organisation.yaml: 'organisation.yaml' is not a file that is read here; "
                 "did you mean 'organization'?", id="file"),
    pytest.param("read.json", "read.json: 'read.json' is not a file that is read here; call it 'everyone/read.json' "
                 "when it is a policy for everybody, 'policies/read.json' when it is to be attached", id="loose"),
    pytest.param("accounts/acme/everyone/read.json", "accounts/acme/everyone/read.json: "
                 "'accounts/acme/everyone/read.json' is not a place that is read; write "
                 "accounts/ACCOUNT/KIND/read.json, KIND being one of groups, policies, resources, roles, users",
                 id="account"),
    pytest.param("users/ann lee.yaml", "users/ann lee.yaml: 'ann lee' is not a name; call it 'ann%20lee'", id="name"),
    pytest.param("policies/my policy.json", "policies/my policy.json: 'my policy' is not a name; "
                 "use letters, digits and any of _+=,.@-", id="policy name"),
    pytest.param(f"users/{'a' * 65}.json", f"users/{'a' * 65}.json: '{'a' * 65}' is longer than 64 characters; "
                 "shorten it", id="long name"),
    pytest.param("users/the staff/ann.json", "users/the staff/ann.json: 'the staff' cannot be part of a path; "
                 "use letters, digits and any of .,+@=_-", id="path"),
    pytest.param("scps/old/Fence.json", "scps/old/Fence.json: 'scps/' has no folders inside; "
                 "move the file into 'scps/'", id="folder in scps"),
]


@pytest.mark.parametrize(("name", "fault"), UNKNOWN)
def test_a_file_without_a_place_is_refused(tmp_path: Path, name: str, fault: str) -> None:
    assert faults_of(tmp_path, {"everyone/read.json": READ, name: "{}"}) == [fault]


ENTITIES = [
    pytest.param("users/ann.yaml", "polices: [Read]", "1:1: /polices: 'polices' is not a setting here; "
                 "did you mean 'policies'?", id="key"),
    pytest.param("users/ann.yaml", "policies: Read", "1:11: /policies: expected a list, not text; write '[...]'",
                 id="scalar for list"),
    pytest.param("users/ann.yaml", "tags: {a: true}", "1:11: /tags/a: expected text, not 'true'; put it in quotes",
                 id="boolean for text"),
    pytest.param("users/ann.yaml", "groups: []\ngroups: []", "2:1: /groups: 'groups' is given twice; "
                 "keep one of the two", id="twice"),
    pytest.param("users/ann.yaml", "", "1:1: expected an object of keys and values, not nothing; "
                 "write '{}' for one without any", id="empty file"),
    pytest.param("users/ann.yaml", "groups:\n- editors\n- edtors", "3:3: /groups/1: there is no group 'edtors'; "
                 "did you mean 'editors'?", id="misspelt group"),
    pytest.param("users/ann.yaml", "groups: [Editors]", "1:10: /groups/0: there is no group 'Editors'; "
                 "did you mean 'editors'?", id="case of group"),
    pytest.param("users/ann.yaml", "policies: [Read, Nothing]", "1:18: /policies/1: there is no policy 'Nothing'; "
                 "create 'policies/Nothing.yaml', or remove the name", id="dangling policy"),
    pytest.param("users/ann.yaml", "policies: [Read, Read]", "1:18: /policies/1: 'Read' is listed twice; remove one",
                 id="listed twice"),
    pytest.param("users/ann.yaml", "boundary: Gone", "1:11: /boundary: there is no policy 'Gone'; "
                 "create 'policies/Gone.yaml', or remove the name", id="E21.1 dangling boundary"),
    pytest.param("users/ann.yaml", "id: ann", "1:5: /id: 'ann' is not a unique id; "
                 "write it as in 'AIDA1234EXAMPLE'", id="id"),
    pytest.param("users/ann.yaml", "tags: {'aws:team': a}", "1:8: /tags/aws:team: the tag 'aws:team' starts with "
                 "'aws:'; that prefix is reserved: choose another key", id="tag"),
    pytest.param("users/ann.yaml", "tags: {team: a, Team: b}", "1:17: /tags/Team: the tag 'Team' is given twice "
                 "but for its case; keep one: keys ignore case", id="tag case"),
    pytest.param("users/ann.yaml", "inline: {a b: " + READ + "}", "1:10: /inline/a b: 'a b' is not a name; "
                 "use letters, digits and any of _+=,.@-", id="inline name"),
    pytest.param("users/ann.yaml", "inline: {Extra: Read}", "1:17: /inline/Extra: a policy document is expected "
                 "here; write 'Version' and 'Statement'", id="inline is a name"),
    pytest.param("users/ann.json", READ[:-1] + ', "groups": []}', "1:101: /groups: a policy document has no 'groups'; "
                 "move the document under 'inline: {NAME: ...}'", id="document and entity"),
    pytest.param("users/ann.yaml", "inline:\n  Extra:\n    Version: 2012-10-71\n    Statement: []",
                 "3:14: /inline/Extra/Version: there is no policy version '2012-10-71'; write \"2012-10-17\"",
                 id="version"),
    pytest.param("groups/readers.yaml", "boundary: Read", "1:1: /boundary: 'boundary' is not a setting here; "
                 "write one of account, arn, created, extra, id, inline, name, path, policies",
                 id="group with boundary"),
    pytest.param("roles/App.yaml", "trust: {Version: 2012-10-17, Statement: {Effect: Allow, Action: 'sts:AssumeRole', "
                 "Principal: {AWS: 'arn:app:iam::000000000000:user/bob'}}}", "1:41: /trust/Statement/0: invalid "
                 "principal in policy: there is no user 'arn:app:iam::000000000000:user/bob'; create 'users/bob.yaml' "
                 "('{}' will do), or correct the name", id="unknown principal"),
    pytest.param("resources/a.json", DENY, "1:1: the file does not say whose policy it is; write 'resource: ARN' "
                 "and move the document under 'policy:'", id="resource without arn"),
    pytest.param("resources/a.json", '{"resource": "arn:app:docs::000000000000:*", "policy": {}}',
                 "1:14: /resource: 'arn:app:docs::000000000000:*' is not the ARN of one resource; write "
                 "arn:PARTITION:SERVICE:REGION:ACCOUNT:NAME, without wildcards or variables", id="wildcard"),
    pytest.param("resources/a.json", '{"resource": "arn:app:docs::111122223333:d/1", "policy": {}}',
                 "1:14: /resource: the resource belongs to the account '111122223333'; move the file to that "
                 "account's folder, or write '000000000000'", id="foreign resource"),
    pytest.param("resources/a.json", '{"resource": "arn:app:iam::000000000000:role/App", "policy": {}}',
                 "1:14: /resource: the policy of a role is its trust policy; write it as 'trust:' in the role's file",
                 id="trust in the wrong place"),
    pytest.param("scps/Fence.json", READ, "1:1: 'Fence' limits nobody: there is no 'organization.yaml'; "
                 "write one that attaches it, or remove the file", id="orphan"),
    pytest.param("folder.yaml", "mode: lax", "1:7: /mode: 'lax' is not one of strict, import; "
                 "write one of import, strict", id="mode"),
    pytest.param("folder.yaml", "account: 12", "1:10: /account: '12' is not an account id; "
                 "write twelve digits in quotes, or a name", id="account id"),
    pytest.param("folder.yaml", "accounts: {a: '111122223333', b: '111122223333'}", "1:34: /accounts/b: "
                 "'111122223333' is already the account 'a'; give every account its own id", id="shared id"),
    pytest.param("accounts/12/users/bob.json", "{}", "1:1: 'accounts/12/' has no account id; "
                 "add '12: \"...\"' to 'accounts' in folder.yaml", id="account without id"),
    pytest.param(f"accounts/{HOME}/users/bob.json", "{}", f"1:1: 'accounts/{HOME}/' is the folder's own account; "
                 "move its files to the top of the folder", id="own account"),
    pytest.param("users/ann.yaml", "path: /staff/", "1:1: /path: 'path' is what the file's place says; remove it, or "
                 "read the folder as 'file:' and its path", id="path"),
    pytest.param("everyone/all.json", f'{{"account": "t", "document": {READ}}}', "1:2: /account: 'account' is what the "
                 "file's place says; remove it, or read the folder as 'file:' and its path", id="account of another"),
    pytest.param("account.yaml", "scps: [Fence]", "1:1: /scps: 'scps' is not read here; "
                 "give the account its place in 'organization.yaml'", id="limit beside the tree"),
    pytest.param("policies/P.json", f'{{"default": "v2", "versions": {{"v1": {{"document": {READ}}}}}}}',
                 "1:13: /default: there is no version 'v2'; write the id of another", id="default"),
    pytest.param("policies/P.json", json.dumps({"document": READ.replace("Allow", "Alow")}), "1:14: /document: "
                 'Effect is "Allow" or "Deny", not "Alow"', id="document as text"),
]


@pytest.mark.parametrize(("name", "text", "fault"), ENTITIES)
def test_a_fault_has_file_line_column_pointer_and_mend(tmp_path: Path, name: str, text: str, fault: str) -> None:
    good = {"everyone/read.json": READ, "groups/editors.json": READ, "policies/Read.json": READ}
    found = faults_of(tmp_path, {**good, name: text})
    assert f"{name}:{fault}" in found
    assert len(found) == (2 if "Statement: []" in text else 1)


TREES = [
    pytest.param("root: {scps: [Fense]}", "1:15: /root/scps/0: there is no control policy 'Fense'; "
                 "did you mean 'Fence'?", id="dangling"),
    pytest.param("root: {scps: []}", "1:14: /root/scps: no control policy is attached, which allows nothing; "
                 "write '[FullAWSAccess]', or leave the key out", id="nothing"),
    pytest.param("root: {accounts: {acme: }}", "1:19: /root/accounts/acme: there is no account 'acme'; "
                 "add 'acme: \"...\"' to 'accounts' in folder.yaml", id="account"),
    pytest.param(f"root: {{accounts: {{'{HOME}': }}, units: {{a: {{accounts: {{'{HOME}': }}}}}}}}",
                 f"1:61: /root/units/a/accounts/{HOME}: the account '{HOME}' is in the tree already; keep one place",
                 id="twice"),
    pytest.param("root: {units: {}}", f"1:7: /root: the account '{HOME}' has no place in the tree; "
                 "add it under 'accounts' of the root or of a unit", id="left out"),
    pytest.param("management: acme\nroot: {}", "1:13: /management: there is no account 'acme'; "
                 "add 'acme: \"...\"' to 'accounts' in folder.yaml", id="management"),
    pytest.param("id: Example\nroot: {}", "1:5: /id: 'Example' is not an id; "
                 "use lower-case letters, digits and '-'", id="id"),
    pytest.param("root: {}\nloose: [{id: ou-1}]", "2:9: /loose/0: a unit outside the tree limits nobody; "
                 "give it its place under 'root'", id="loose"),
    pytest.param("id: o-example", "1:1: 'root' is missing; add 'root: ...'", id="no root"),
    pytest.param("root: " + "{units: {u: " * 6 + "{}" + "}}" * 6, "1:79: " + "/root" + "/units/u" * 6 +
                 ": units are nested deeper than 5; flatten the tree", id="depth"),
]


@pytest.mark.parametrize(("text", "fault"), TREES)
def test_a_fault_in_the_organization(tmp_path: Path, text: str, fault: str) -> None:
    files = {"folder.yaml": "accounts: {other: '444455556666'}", "users/ann.json": "{}",
             "organization.yaml": text, "scps/Fence.json": READ}
    assert f"organization.yaml:{fault}" in faults_of(tmp_path, files)


def test_control_policies_are_read_as_what_they_are(tmp_path: Path) -> None:
    """Rows G18 and G20: an RCP only denies, an SCP has no principal."""
    found = faults_of(tmp_path, {"users/ann.json": "{}", "organization.yaml": f"root: {{accounts: {{'{HOME}': }}}}",
                                 "scps/S.json": DENY, "rcps/R.json": DENY.replace("Deny", "Allow")})
    assert [fault.partition(":")[0] for fault in found] == ["rcps/R.json", "scps/S.json"]


SAME = [("users/ann.yaml", "users/ann.json"), ("users/ann.json", "users/Ann.json"),
        ("users/ann.json", "users/staff/ann.json"), ("policies/Read.json", "policies/team/READ.yml")]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_two_files_for_one_thing_are_refused(tmp_path: Path, one: str, other: str) -> None:
    text = READ if one.startswith("policies") else "{}"
    first, second = sorted([one, other])
    assert faults_of(tmp_path, {one: text, other: text}) == [
        f"{second}: '{second}' and '{tmp_path}/{first}' are the same thing to the guard; "
        "keep one: names are unique whatever their case, suffix and folder"]


def test_users_roles_and_groups_are_separate_name_spaces(tmp_path: Path) -> None:
    for name in ("users/x.json", "roles/x.json", "groups/x.json", "policies/x.json"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(READ)
    FilePolicyStore(tmp_path).load()


def test_all_faults_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    found = faults_of(tmp_path, {"users/ann.yaml": "groups: [gone]\npolicies: [gone]\ncolour: blue",
                                 "everyone/half.json": READ[:-1],
                                 "everyone/effect.json": READ.replace("Allow", "Alow")})
    assert [fault.split(" ")[0] for fault in found] == [
        "everyone/effect.json:1:51:", "everyone/half.json:1:99:", "users/ann.yaml:3:1:"]


def test_a_broken_policy_is_not_also_a_missing_one(tmp_path: Path) -> None:
    found = faults_of(tmp_path, {"policies/Read.json": READ[:-1], "users/ann.yaml": "policies: [Read]"})
    assert [fault.partition(":")[0] for fault in found] == ["policies/Read.json"]


def test_a_list_of_accounts_is_complete(tmp_path: Path) -> None:
    found = faults_of(tmp_path, {"folder.yaml": "accounts: {acme: '222233334444'}",
                                 "accounts/acne/users/bob.json": "{}"})
    assert found == ["accounts/acne/users/bob.json:1:1: 'accounts/acne/' has no account id; "
                     "add 'acne: \"...\"' to 'accounts' in folder.yaml"]


def test_a_policy_of_another_account_is_not_found(tmp_path: Path) -> None:
    found = faults_of(tmp_path, {"folder.yaml": "accounts: {acme: '222233334444'}", "policies/Read.json": READ,
                                 "accounts/acme/users/bob.yaml": "policies: [Read]"})
    assert found == ["accounts/acme/users/bob.yaml:1:12: /policies/0: there is no policy 'Read'; "
                     "create 'accounts/acme/policies/Read.yaml', or remove the name"]


def test_text_has_to_be_utf_8(tmp_path: Path) -> None:
    assert faults_of(tmp_path, {"users/ann.yaml": b"tags:\n  team: bl\xfc"}) == [
        "users/ann.yaml:2: the text is not UTF-8; save it as UTF-8"]


def test_s18_a_file_with_documents_is_bounded(tmp_path: Path) -> None:
    assert faults_of(tmp_path, {"users/ann.yaml": "{}" + " " * 65_536}) == [
        "users/ann.yaml:1:1: the file is longer than 65536 bytes; move documents into files of their own "
        "under 'policies/'"]


def test_s18_a_file_is_bounded(tmp_path: Path) -> None:
    assert faults_of(tmp_path, {"users/ann.yaml": " " * 1_048_577}) == [
        "users/ann.yaml: the file is larger than 1048576 bytes; split it"]


def test_quotas_of_aws_hold_when_asked_for(tmp_path: Path) -> None:
    long = READ.replace("docs:Read", "docs:" + "R" * 2_000)
    files: dict[str, str | bytes] = {"users/ann.yaml": f"inline: {{A: {long}}}", "policies/P.json": READ,
                                     "groups/g.json": READ}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(text.encode() if isinstance(text, str) else text)
    FilePolicyStore(tmp_path).load()
    assert faults_of(tmp_path, {"folder.yaml": "quotas: aws"}) == [
        "users/ann.yaml:1:9: /inline: inline policies of 2087 characters; AWS takes 2048; shorten or split"]


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text(READ)
    folder = tmp_path / "iam"
    (folder / "everyone").mkdir(parents=True)
    os.symlink(tmp_path / "secret.json", folder / "everyone/read.json")
    os.symlink(tmp_path, folder / "users")
    assert faults_of(folder, {}) == [
        "everyone/read.json: the link leads out of the folder; put the file itself here",
        "users: the link leads out of the folder; put the file itself here"]


def test_a_folder_of_links_as_kubernetes_mounts_it_is_read(tmp_path: Path) -> None:
    version = tmp_path / "..2026_01_01"
    (version / "everyone").mkdir(parents=True)
    (version / "everyone/read.json").write_text(READ)
    os.symlink("..2026_01_01", tmp_path / "..data")
    os.symlink("..data/everyone", tmp_path / "everyone")
    assert [policy.id for policy in FilePolicyStore(tmp_path).load().attachments.everyone] == ["everyone/read"]


def test_a_link_in_a_circle_or_to_nowhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "users").mkdir()
    os.symlink(tmp_path / "users", tmp_path / "users/again")
    os.symlink(tmp_path / "gone.json", tmp_path / "users/gone.json")
    assert faults_of(tmp_path, {}) == [
        "users/again: folders are nested too deeply, or a link leads up; remove it",
        "users/gone.json: the link leads nowhere, or the file went away; put the file itself here"]


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "users").mkdir()
    os.mkfifo(tmp_path / "users/ann.json")
    assert faults_of(tmp_path, {}) == ["users/ann.json: neither a file nor a folder; remove it"]


def test_a_fault_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("")
    with pytest.raises(ConfigurationError):
        FilePolicyStore(tmp_path).load()


def test_the_folder_and_the_guard_agree_on_partition_and_account(tmp_path: Path) -> None:
    (tmp_path / "folder.yaml").write_text("partition: aws\naccount: '111122223333'")
    (tmp_path / "users").mkdir()
    (tmp_path / "users/ann.json").write_text("{}")
    with pytest.raises(ConfigurationError) as refused:
        FilePolicyStore(tmp_path, partition="app", account="444455556666").load()
    assert [(fault.line, fault.message) for fault in refused.value.faults] == [
        (1, "the partition is 'aws' here and 'app' in the settings of the guard"),
        (2, "the account is '111122223333' here and '444455556666' in the settings of the guard")]
    FilePolicyStore(tmp_path, partition="aws", account="111122223333").load()


def test_s18_a_folder_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iam_guard.store.folder.MAX_FILES", 1)
    (found,) = faults_of(tmp_path, {"users/ann.json": "{}", "users/bob.json": "{}"})
    assert found.endswith("the folder holds more than 1 files or 134217728 bytes; is it the right folder?")


def test_c08_a_folder_that_does_not_hold_still_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is read twice and is not the same might be half of an edit."""
    readings = iter(range(10))
    (tmp_path / "users").mkdir()
    (tmp_path / "users/ann.json").write_text("{}")
    monkeypatch.setattr("iam_guard.store.folder._read_once", lambda folder: (next(readings),))
    with pytest.raises(UnavailableError, match="changes while it is read"):
        FilePolicyStore(tmp_path).load()
