"""Reading policies: what is refused, where, and what is said (language specification, section 1)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from iam_guard.errors import PolicyDocumentError
from iam_guard.policy.document import Effect, Mode, PolicyKind
from iam_guard.policy.parse import MAX_STRICT_BYTES, parse_policy

GOOD = {"Effect": "Allow", "Action": "orders:Get", "Resource": "arn:app:orders:::order/*"}


def document(*statements: dict[str, Any], **more: Any) -> str:
    return json.dumps({"Version": "2012-10-17", **more, "Statement": list(statements)})


def statement(**changes: Any) -> str:
    return document({key: value for key, value in {**GOOD, **changes}.items() if value is not ...})


def faults(text: str | bytes, kind: PolicyKind = PolicyKind.IDENTITY, mode: Mode = Mode.STRICT,
           **more: Any) -> list[tuple[str, str]]:
    with pytest.raises(PolicyDocumentError) as caught:
        parse_policy(text, kind=kind, mode=mode, **more)
    return [(fault.pointer, fault.code) for fault in caught.value.faults]


def summary(text: str, kind: PolicyKind = PolicyKind.IDENTITY) -> str:
    with pytest.raises(PolicyDocumentError) as caught:
        parse_policy(text, kind=kind)
    return caught.value.summary


def test_a_good_document() -> None:
    read = parse_policy(statement(Sid="Read", Condition={"StringEquals": {"aws:username": ["ann", "bob"]}}))
    (one,) = read.statements
    assert (one.effect, one.sid, one.actions, one.resources) == (
        Effect.ALLOW, "Read", ("orders:Get",), ("arn:app:orders:::order/*",))
    assert one.conditions == (("StringEquals", "aws:username", ("ann", "bob")),)
    assert read.line_of(0) == 1


# Section 1.8: live CreatePolicy names the first problem in this order.
@pytest.mark.parametrize(("text", "says"), [
    ("[]", "Syntax errors in policy."),
    (statement(Effect=...), "Syntax errors in policy."),
    (statement(NotAction=[]), "Syntax errors in policy."),
    (json.dumps({"Statement": GOOD}), "Policy document must be version 2012-10-17 or greater."),
    (statement(Effect="allow"), "The policy failed legacy parsing"),
    (statement(Condition={"DateLessThan": {"aws:CurrentTime": "soon"}}), "The policy failed legacy parsing"),
    (document({**GOOD, "Sid": "X"}, {**GOOD, "Sid": "X"}),
     "Statement IDs (SID) in a single policy must be unique."),
    (statement(Action=...), "Policy statement must contain actions."),
    (statement(Action=[]), "Policy statement must contain actions."),
    (statement(Resource=[]), "Policy statement must contain resources."),
    (statement(Resource="order/1"), 'Resource order/1 must be in ARN format or "*".'),
    (statement(Resource="arn:app:ord*:::x"), "Resource vendor must be fully qualified and cannot contain regexes."),
    (statement(Action="Get"), "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."),
    (statement(Action="a:b:c"), "Actions/Condition can contain only one colon."),
    (statement(Action="*:Get"), "Action vendors (e.g., aws, ec2, etc.) must not contain wildcards"),
    (statement(Action="a a:Get"), "Vendor a a is not valid"),
    (statement(Principal="*"), "Policy document should not specify a principal."),
])
def test_what_create_policy_says(text: str, says: str) -> None:
    assert summary(text) == says


def test_a_trust_policy_with_a_resource() -> None:
    text = statement(Principal={"AWS": "111122223333"}, Action="sts:AssumeRole")
    assert summary(text, PolicyKind.TRUST) == "Has prohibited field Resource"


@pytest.mark.parametrize(("change", "pointer", "code"), [
    ({"Resources": "*"}, "/Statement/0/Resources", "INVALID_POLICY_ELEMENT"),
    ({"effect": "Allow"}, "/Statement/0/effect", "INVALID_POLICY_ELEMENT"),
    ({"Effect": "Permit"}, "/Statement/0/Effect", "INVALID_EFFECT"),
    ({"Effect": None}, "/Statement/0/Effect", "INVALID_EFFECT"),
    ({"Action": [["a:b"]]}, "/Statement/0/Action/0", "DATA_TYPE_MISMATCH"),
    ({"Action": 7}, "/Statement/0/Action", "DATA_TYPE_MISMATCH"),
    ({"Sid": "my sid"}, "/Statement/0/Sid", "UNSUPPORTED_SID"),
    ({"Sid": 1}, "/Statement/0/Sid", "DATA_TYPE_MISMATCH"),
    ({"Resource": "arn:app:orders"}, "/Statement/0/Resource", "MISSING_ARN_FIELD"),
    ({"Resource": "arn:app:orders:::${a"}, "/Statement/0/Resource", "MISSING_BRACE_IN_VARIABLE"),
    ({"Resource": "arn:app:orders:::${}"}, "/Statement/0/Resource", "EMPTY_VARIABLE"),
    ({"Resource": "arn:app:orders:::${a b}"}, "/Statement/0/Resource", "UNSUPPORTED_SPACE_IN_VARIABLE"),
    ({"Resource": "arn:app:orders:::${a:b, 'x}"}, "/Statement/0/Resource", "MISSING_QUOTE_IN_VARIABLE"),
    ({"Resource": "arn:app:${a:b}:::x"}, "/Statement/0/Resource", "VARIABLE_UNSUPPORTED_IN_ELEMENT"),
    ({"Condition": []}, "/Statement/0/Condition", "DATA_TYPE_MISMATCH"),
    ({"Condition": {"StringEqualz": {"a:b": "c"}}}, "/Statement/0/Condition/StringEqualz",
     "INVALID_CONDITION_OPERATOR"),
    ({"Condition": {"stringequals": {"a:b": "c"}}}, "/Statement/0/Condition/stringequals",
     "INVALID_CONDITION_OPERATOR"),
    ({"Condition": {"ForAnyValue::StringEquals": {"a:b": "c"}}},
     "/Statement/0/Condition/ForAnyValue::StringEquals", "INVALID_CONDITION_OPERATOR"),
    ({"Condition": {"Foo": {}}}, "/Statement/0/Condition/Foo", "INVALID_CONDITION_OPERATOR"),
    ({"Condition": {"NullIfExists": {"a:b": "true"}}}, "/Statement/0/Condition/NullIfExists", "NULL_WITH_IF_EXISTS"),
    ({"Condition": {"StringEquals": {"username": "x"}}}, "/Statement/0/Condition/StringEquals/username",
     "INVALID_CONDITION_KEY_FORMAT"),
    ({"Condition": {"StringEquals": {"aws:PrincipalTag/": "x"}}},
     "/Statement/0/Condition/StringEquals/aws:PrincipalTag~1",
     "MISSING_TAG_KEY_IN_CONDITION"),
    ({"Condition": {"StringEquals": {"app:Tier": "x", "app:tier": "y"}}},
     "/Statement/0/Condition/StringEquals/app:tier",
     "DUPLICATE_KEYS_WITH_DIFFERENT_CASE"),
    ({"Condition": {"StringEquals": {"aws:TagKeys": "x"}}}, "/Statement/0/Condition/StringEquals/aws:TagKeys",
     "MISSING_QUALIFIER"),
    ({"Condition": {"StringEquals": {"a:b": []}}}, "/Statement/0/Condition/StringEquals/a:b", "EMPTY_ARRAY_CONDITION"),
    ({"Condition": {"StringEquals": {"a:b": None}}}, "/Statement/0/Condition/StringEquals/a:b",
     "INVALID_CONDITION_DATA_TYPE"),
    ({"Condition": {"StringEquals": {"a:b": [["c"]]}}}, "/Statement/0/Condition/StringEquals/a:b/0",
     "INVALID_CONDITION_DATA_TYPE"),
    ({"Condition": {"NumericEquals": {"a:b": "ten"}}}, "/Statement/0/Condition/NumericEquals/a:b",
     "TYPE_MISMATCH_NUMBER"),
    ({"Condition": {"DateLessThan": {"a:b": "2026-02-30"}}}, "/Statement/0/Condition/DateLessThan/a:b",
     "TYPE_MISMATCH_DATE"),
    ({"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/33"}}}, "/Statement/0/Condition/IpAddress/aws:SourceIp",
     "TYPE_MISMATCH_IP_RANGE"),
    ({"Condition": {"Bool": {"a:b": "yes"}}}, "/Statement/0/Condition/Bool/a:b", "TYPE_MISMATCH_BOOLEAN"),
    ({"Condition": {"BinaryEquals": {"a:b": "QQ"}}}, "/Statement/0/Condition/BinaryEquals/a:b", "TYPE_MISMATCH"),
    ({"Condition": {"NumericEquals": {"a:b": "${a:c}"}}}, "/Statement/0/Condition/NumericEquals/a:b",
     "INVALID_VARIABLE_FOR_OPERATOR"),
])
def test_strict_mode_refuses(change: dict[str, Any], pointer: str, code: str) -> None:
    assert (pointer, code) in faults(statement(**change))


def test_several_faults_are_reported_at_once_with_line_and_mend() -> None:
    text = ('{\n "Version": "2012-10-17",\n "Statement": [\n'
            '  {"Effect": "allow", "Actions": "a:b", "Action": "a:b",\n   "Resource": "b"}\n ]\n}')
    with pytest.raises(PolicyDocumentError) as caught:
        parse_policy(text, file="p.json")
    places = {(fault.line, fault.column, fault.pointer) for fault in caught.value.faults}
    assert places == {(4, 14, "/Statement/0/Effect"), (4, 34, "/Statement/0/Actions"), (5, 16, "/Statement/0/Resource")}
    assert all(fault.file == "p.json" and fault.mend for fault in caught.value.faults)
    assert "did you mean 'Action'?" in str(caught.value)


@pytest.mark.parametrize(("text", "code"), [
    ('{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Effect": "Allow", "Action": "*", "Resource": "*"}]}',
     "DUPLICATE_KEYS"),
    ('{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": '
     '{"Bool": {"a:b": "true"}, "Bool": {"a:c": "true"}}}}', "DUPLICATE_KEYS"),
])
def test_duplicate_keys_are_refused_in_strict_mode(text: str, code: str) -> None:
    assert code in [found for _, found in faults(text)]


def test_duplicate_keys_in_import_mode_keep_everything() -> None:
    read = parse_policy(
        '{"Statement": {"Effect": "Allow", "Effect": "Deny", "Action": "a:b", "Action": ["a:c"], "Resource": "*",'
        ' "Condition": {"Bool": {"a:b": "true", "A:B": "false"}, "Bool": {"a:c": "true"}}}}', mode=Mode.IMPORT)
    (one,) = read.statements
    assert one.effect is Effect.DENY
    assert one.actions == ("a:b", "a:c")
    assert [condition.key for condition in one.conditions] == ["a:b", "A:B", "a:c"]
    assert {note.code for note in read.notes} >= {"DUPLICATE_KEYS", "DUPLICATE_KEYS_WITH_DIFFERENT_CASE"}


# The table of section 1.4: which element in which kind of policy.
PRINCIPAL = {"Principal": {"AWS": "111122223333"}}


@pytest.mark.parametrize(("kind", "change", "code"), [
    (PolicyKind.RESOURCE, {}, "MISSING_PRINCIPAL"),
    (PolicyKind.RESOURCE, {"Principal": ["x"]}, "INVALID_PRINCIPAL_FORMAT"),
    (PolicyKind.RESOURCE, {"Principal": "arn:aws:iam::111122223333:user/ann"}, "INVALID_PRINCIPAL_FORMAT"),
    (PolicyKind.RESOURCE, {"Principal": {"User": "x"}}, "INVALID_POLICY_ELEMENT"),
    (PolicyKind.RESOURCE, {"Principal": {"AWS": "arn:aws:iam::111122223333:user/*"}},
     "UNSUPPORTED_WILDCARD_IN_PRINCIPAL"),
    (PolicyKind.RESOURCE, {"Principal": {}}, "EMPTY_OBJECT_PRINCIPAL"),
    (PolicyKind.RESOURCE, {"Principal": {"AWS": []}}, "EMPTY_ARRAY_PRINCIPAL"),
    (PolicyKind.RESOURCE, {"NotPrincipal": {"AWS": "111122223333"}}, "ALLOW_WITH_NOT_PRINCIPAL"),
    (PolicyKind.RESOURCE, {**PRINCIPAL, "NotPrincipal": "*"}, "UNSUPPORTED_ELEMENT_COMBINATION"),
    (PolicyKind.RESOURCE, {**PRINCIPAL, "Resource": ...}, "MISSING_RESOURCE"),
    (PolicyKind.TRUST, {"Principal": "*", "Resource": ...}, "ROLE_TRUST_POLICY_UNSUPPORTED_WILDCARD_IN_PRINCIPAL"),
    (PolicyKind.TRUST, {"NotPrincipal": {"AWS": "111122223333"}, "Resource": ...},
     "ROLE_TRUST_POLICY_SYNTAX_ERROR_NOTPRINCIPAL"),
    (PolicyKind.BOUNDARY, PRINCIPAL, "UNSUPPORTED_PRINCIPAL"),
    (PolicyKind.SESSION, PRINCIPAL, "UNSUPPORTED_PRINCIPAL"),
    (PolicyKind.SCP, PRINCIPAL, "UNSUPPORTED_PRINCIPAL"),
    (PolicyKind.RCP, {"Principal": "*"}, "RCP_SYNTAX_ERROR_ALLOW"),
    (PolicyKind.RCP, {"Effect": "Deny", "Principal": "*", "Action": "*"}, "RCP_SYNTAX_ERROR_ACTION"),
    (PolicyKind.RCP, {"Effect": "Deny", "Principal": "*", "Action": ..., "NotAction": "a:b"},
     "RCP_SYNTAX_ERROR_NOTACTION"),
    (PolicyKind.RCP, {"Effect": "Deny", **PRINCIPAL}, "RCP_SYNTAX_ERROR_PRINCIPAL"),
])
def test_the_kind_decides_what_is_allowed(kind: PolicyKind, change: dict[str, Any], code: str) -> None:
    assert code in [found for _, found in faults(statement(**change), kind)]


@pytest.mark.parametrize(("kind", "change"), [
    (PolicyKind.IDENTITY, {}),
    (PolicyKind.BOUNDARY, {}),
    (PolicyKind.SESSION, {}),
    (PolicyKind.SCP, {"Action": ..., "NotAction": "a:b", "Resource": ..., "NotResource": "*"}),
    (PolicyKind.RCP, {"Effect": "Deny", "Principal": "*"}),
    (PolicyKind.RESOURCE, {"Principal": "*", "Sid": "with spaces - and more"}),
    (PolicyKind.RESOURCE, {"Effect": "Deny", "NotPrincipal": {"AWS": "111122223333"}}),
    (PolicyKind.ENDPOINT, {"Principal": "*"}),
    (PolicyKind.TRUST, {**PRINCIPAL, "Resource": ...}),
])
def test_every_kind_has_a_good_form(kind: PolicyKind, change: dict[str, Any]) -> None:
    assert parse_policy(statement(**change), kind=kind).notes == ()


def test_resource_policies_of_types_without_resource_elements() -> None:
    text = statement(**PRINCIPAL, Resource=...)
    assert parse_policy(text, kind=PolicyKind.RESOURCE, resource_required=False).statements[0].resources is None


@pytest.mark.parametrize("kind", [PolicyKind.RESOURCE, PolicyKind.TRUST])
def test_old_versions_stay_with_resource_and_trust_policies(kind: PolicyKind) -> None:
    body = {"Effect": "Allow", "Action": "a:b", **PRINCIPAL, **({} if kind is PolicyKind.TRUST else {"Resource": "*"})}
    assert not parse_policy(json.dumps({"Statement": body}), kind=kind).statements[0].variables


def test_yaml_is_read_by_the_name_of_the_file() -> None:
    text = "Version: 2012-10-17\nStatement:\n- Effect: Allow\n  Action: a:b\n  Resource: '*'\n"
    read = parse_policy(text, file="p.yaml")
    assert read.version == "2012-10-17"
    assert read.line_of(0) == 3


@pytest.mark.parametrize("text", [
    "[" * 10_000,
    '{"a":' * 10_000,
    b"\xff\xfe{",
    " " * 10_000_000,
    '{"Version": "2012-10-17", "Statement": ' + "[" * 9 + "]" * 9 + "}",
    "Statement: [" * 5_000,
])
@pytest.mark.parametrize("file", ["p.json", "p.yaml"])
@pytest.mark.parametrize("mode", list(Mode))
def test_hostile_texts_are_refused(text: str | bytes, file: str, mode: Mode) -> None:
    assert faults(text, mode=mode, file=file)


def test_the_size_limit_of_new_documents() -> None:
    padding = MAX_STRICT_BYTES - len(statement())
    assert parse_policy(statement() + " " * padding).statements
    assert faults(statement() + " " * (padding + 1))
    assert parse_policy(statement() + " " * (padding + 1), mode=Mode.IMPORT).statements


def test_foreign_characters_need_an_escape() -> None:
    assert faults(statement().replace("order/*", "order/\u212a"))
    assert parse_policy(statement(Resource="arn:app:orders:::order/\u212a")).statements
