"""A good folder becomes the right attachments."""

from __future__ import annotations

from pathlib import Path

import pytest

from iam_guard.engine.attachments import Guardrails, Holder
from iam_guard.engine.policy_set import PolicySet
from iam_guard.errors import ConfigurationError, UnavailableError
from iam_guard.model import AuthorizationRequest, Principal
from iam_guard.store.base import Snapshot
from iam_guard.store.file import FilePolicyStore

HOME, ACME = "000000000000", "222233334444"


def document(action: str, effect: str = "Allow") -> str:
    return (f'{{"Version": "2012-10-17", "Statement": '
            f'{{"Effect": "{effect}", "Action": "{action}", "Resource": "*"}}}}')


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return folder


def load(folder: Path, files: dict[str, str]) -> Snapshot:
    return FilePolicyStore(write(folder, files)).load()


def is_allowed(snapshot: Snapshot, who: Principal, action: str, resource: str = "*") -> bool:
    return PolicySet(snapshot.attachments).evaluate(AuthorizationRequest(who, action, resource)).allowed


def test_the_first_step_is_one_document_for_everybody(tmp_path: Path) -> None:
    snapshot = load(tmp_path, {"everyone/read.json": document("docs:Read")})
    assert [policy.id for policy in snapshot.attachments.everyone] == ["everyone/read"]
    assert is_allowed(snapshot, Principal.user("ada"), "docs:Read")
    assert not is_allowed(snapshot, Principal.user("ada"), "docs:Write")


def test_the_second_step_is_a_document_named_after_a_group(tmp_path: Path) -> None:
    snapshot = load(tmp_path, {"groups/editors.json": document("docs:Write")})
    editors = f"arn:app:iam::{HOME}:group/editors"
    assert [policy.id for policy in snapshot.attachments.groups[editors]] == ["group/editors"]
    assert is_allowed(snapshot, Principal.user("ada", groups=(editors,)), "docs:Write")
    assert not is_allowed(snapshot, Principal.user("ada"), "docs:Write")


USER = """\
groups: [editors]
policies: [Read]
boundary: Ceiling
tags: {team: blue, cost: 42}
id: AIDAEXAMPLE
inline:
  Extra:
    Version: 2012-10-17
    Statement: {Effect: Allow, Action: "docs:Extra", Resource: "*"}
"""


def test_a_user_has_policies_groups_boundary_tags_and_an_id(tmp_path: Path) -> None:
    snapshot = load(tmp_path, {
        "users/staff/ann.yaml": USER, "groups/editors.yaml": "policies: [Read]",
        "policies/team/Read.json": document("docs:Read"), "policies/Ceiling.yml": document("docs:*")})
    ann = snapshot.attachments.holders[f"arn:app:iam::{HOME}:user/staff/ann"]
    read = f"arn:app:iam::{HOME}:policy/team/Read"
    assert [policy.id for policy in ann.policies] == [read, "user/ann/inline/Extra"]
    assert ann.boundary is not None
    assert ann.boundary.id == f"arn:app:iam::{HOME}:policy/Ceiling"
    assert ann.groups == (f"arn:app:iam::{HOME}:group/editors",)
    assert (ann.tags, ann.unique_id) == ({"team": "blue", "cost": "42"}, "AIDAEXAMPLE")
    assert [policy.id for policy in snapshot.attachments.groups[ann.groups[0]]] == [read]


def test_decisions_name_file_and_line_also_inside_a_users_file(tmp_path: Path) -> None:
    snapshot = load(tmp_path, {"users/ann.yaml": USER.partition("boundary: Ceiling\n")[2]})
    extra = snapshot.attachments.holders[f"arn:app:iam::{HOME}:user/ann"].policies[0].document
    assert (extra.file, extra.line_of(0)) == (str(tmp_path / "users/ann.yaml"), 6)


def test_a_managed_policy_is_named_by_name_or_arn(tmp_path: Path) -> None:
    arn = f"arn:app:iam::{HOME}:policy/team/Read"
    snapshot = load(tmp_path, {"policies/team/Read.json": document("docs:Read"),
                               "groups/a.yaml": "policies: [Read]", "groups/b.yaml": f"policies: ['{arn}']"})
    assert [[policy.id for policy in policies] for policies in snapshot.attachments.groups.values()] == [[arn], [arn]]


def test_a_roles_trust_policy_is_its_resource_policy(tmp_path: Path) -> None:
    trust = ('{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", '
             f'"Principal": {{"AWS": "arn:app:iam::{HOME}:user/ann"}}}}}}')
    snapshot = load(tmp_path, {"roles/App.json": f'{{"trust": {trust}, "inline": {{"Read": {document("docs:Read")}}}}}',
                               "users/ann.json": "{}"})
    role = f"arn:app:iam::{HOME}:role/App"
    assert snapshot.attachments.resources[role].id == "role/App/trust"
    assert [policy.id for policy in snapshot.attachments.holders[role].policies] == ["role/App/inline/Read"]


def test_a_resource_has_a_policy(tmp_path: Path) -> None:
    arn = f"arn:app:docs::{HOME}:document/42"
    snapshot = load(tmp_path, {"resources/shared.yaml": f"""\
resource: {arn}
policy:
  Version: 2012-10-17
  Statement: {{Effect: Allow, Principal: "*", Action: "docs:Read", Resource: "{arn}"}}
"""})
    assert is_allowed(snapshot, Principal.user("ada"), "docs:Read", arn)
    assert snapshot.attachments.resources[arn].id == "resources/shared"


def test_a_subject_of_an_identity_provider_is_a_percent_encoded_name(tmp_path: Path) -> None:
    snapshot = load(tmp_path, {"users/auth0%7C507f.json": document("docs:Read")})
    assert is_allowed(snapshot, Principal.user("auth0|507f"), "docs:Read")


TREE = """\
id: o-example
management: "000000000000"
root:
  id: r-ab12
  scps: [FullAWSAccess]
  accounts: {"000000000000": }
  units:
    production:
      id: ou-ab12-prod
      scps: [OnlyDocs]
      rcps: [Fence]
      accounts:
        acme: {scps: [FullAWSAccess]}
"""
FENCE = ('{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Principal": "*", "Action": "docs:Shred", '
         '"Resource": "*"}}')


def test_accounts_and_the_organization_over_them(tmp_path: Path) -> None:
    snapshot = load(tmp_path, {
        "folder.yaml": f"accounts: {{acme: '{ACME}'}}", "organization.yaml": TREE,
        "scps/OnlyDocs.json": document("docs:*"), "rcps/Fence.json": FENCE,
        "accounts/acme/users/bob.json": document("*")})
    rails = snapshot.attachments.guardrails[ACME]
    assert rails.scps is not None
    assert [[policy.id for policy in level] for level in rails.scps] == [
        ["scp/FullAWSAccess"], ["scp/OnlyDocs"], ["scp/FullAWSAccess"]]
    assert [[policy.id for policy in level] for level in rails.rcps] == [[], ["rcp/Fence"], []]
    assert (rails.organization_id, rails.organization_path) == ("o-example", "o-example/r-ab12/ou-ab12-prod/")
    assert snapshot.attachments.guardrails[HOME].is_management
    bob = Principal.user("bob", account=ACME)
    resource = f"arn:app:docs::{ACME}:document/1"
    assert is_allowed(snapshot, bob, "docs:Read", resource)
    assert not is_allowed(snapshot, bob, "mail:Send", f"arn:app:mail::{ACME}:box/1")
    assert not is_allowed(snapshot, bob, "docs:Shred", resource)


def test_without_a_list_of_accounts_a_folder_is_called_by_its_id(tmp_path: Path) -> None:
    snapshot = load(tmp_path, {"accounts/acme/users/bob.json": document("*"), "users/ann.json": document("*"),
                               f"accounts/{ACME}/roles/App.json": document("*")})
    assert sorted(snapshot.attachments.holders) == [f"arn:app:iam::{HOME}:user/ann", f"arn:app:iam::{ACME}:role/App",
                                                    "arn:app:iam::acme:user/bob"]
    assert snapshot.attachments.holders["arn:app:iam::acme:user/bob"].policies[0].id == "acme/user/bob"


def test_an_organization_that_names_no_scp_has_not_turned_them_on(tmp_path: Path) -> None:
    snapshot = load(tmp_path, {"everyone/read.json": document("docs:Read"),
                               "organization.yaml": f"root: {{accounts: {{'{HOME}': }}}}"})
    assert snapshot.attachments.guardrails == {HOME: Guardrails(rcps=((), ()))}


def test_an_endpoint_policy_is_a_ceiling(tmp_path: Path) -> None:
    ceiling = ('{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "docs:Read", '
               '"Resource": "*"}}')
    snapshot = load(tmp_path, {"everyone/all.json": document("*"), "endpoint.json": ceiling})
    assert is_allowed(snapshot, Principal.user("ada"), "docs:Read")
    assert not is_allowed(snapshot, Principal.user("ada"), "docs:Write")


def test_folder_settings_name_partition_account_and_decisive_services(tmp_path: Path) -> None:
    snapshot = load(tmp_path, {"folder.yaml": f"partition: aws\naccount: '{ACME}'\ndecisive: [vault]",
                               "users/ann.json": "{}"})
    assert (snapshot.partition, snapshot.account) == ("aws", ACME)
    assert snapshot.attachments.holders == {f"arn:aws:iam::{ACME}:user/ann": Holder(f"arn:aws:iam::{ACME}:user/ann")}
    assert snapshot.attachments.decisive == {"sts", "kms", "vault"}


def test_import_mode_takes_and_notes_what_strict_mode_refuses(tmp_path: Path) -> None:
    old = '{"Statement": [{"Effect": "Allow", "Action": "docs:Read", "Resource": "*"}]}'
    with pytest.raises(ConfigurationError, match="the document has no Version"):
        load(tmp_path, {"everyone/old.json": old})
    snapshot = load(tmp_path, {"folder.yaml": "mode: import"})
    assert [note.message for note in snapshot.notes] == ["the document has no Version"]


def test_a_policy_attached_to_nobody_is_noted(tmp_path: Path) -> None:
    snapshot = load(tmp_path, {"policies/Read.json": document("docs:Read"), "users/ann.json": "{}"})
    assert [(note.file, note.message) for note in snapshot.notes] == [
        (str(tmp_path / "policies/Read.json"), "the policy 'Read' is attached to nobody")]


def test_the_revision_follows_names_and_contents_alone(tmp_path: Path) -> None:
    files = {"everyone/read.json": document("docs:Read")}
    first = load(tmp_path / "a", files).revision
    assert load(tmp_path / "b", files).revision == first
    assert FilePolicyStore(tmp_path / "a").revision() == first
    assert load(tmp_path / "c", {"everyone/list.json": document("docs:Read")}).revision != first
    assert load(tmp_path / "a", {"everyone/read.json": document("docs:List")}).revision != first


def test_hidden_files_backups_and_prose_do_not_count(tmp_path: Path) -> None:
    files = {"everyone/read.json": document("docs:Read")}
    first = load(tmp_path, files).revision
    odd = {".git/HEAD": "x", "README.md": "# Policies", "everyone/read.json~": "{", "users/.ann.yaml.swp": "x"}
    assert load(tmp_path, odd).revision == first


def test_c07_2_an_empty_folder_is_a_failed_load(tmp_path: Path) -> None:
    store = FilePolicyStore(write(tmp_path, {"folder.yaml": "partition: app"}))
    with pytest.raises(ConfigurationError, match=r"the folder holds no policies; add 'everyone/NAME.yaml'"):
        store.load()
    with pytest.raises(UnavailableError, match="has become empty"):
        store.revision()


def test_c07_2_a_marker_says_that_the_folder_is_meant_to_be_empty(tmp_path: Path) -> None:
    snapshot = load(tmp_path, {"EMPTY": ""})
    assert not is_allowed(snapshot, Principal.user("ada"), "docs:Read")
    with pytest.raises(ConfigurationError, match="the folder is marked as empty and is not"):
        load(tmp_path, {"everyone/read.json": document("docs:Read")})


def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    store = FilePolicyStore(tmp_path / "nowhere")
    for ask in (store.load, store.revision):
        with pytest.raises(UnavailableError, match="nowhere' cannot be read: No such file or directory"):
            ask()
