"""Checks of the texts inside a statement: actions, resources, principals, Sids (language specification, 1.3-1.8)."""

from __future__ import annotations

import re
from typing import Any

from iam_guard.policy.document import PolicyKind
from iam_guard.policy.findings import Findings, Stage
from iam_guard.policy.source import pointer
from iam_guard.policy.variables import Variable, VariableSyntaxError, split_variables

#: Longest pattern that is accepted in strict mode, in characters.
MAX_PATTERN = 2048
MAX_SID = 128

_ACTION = re.compile(r"[A-Za-z0-9.-]+:[A-Za-z0-9*?]+\Z")
_ARN_HEAD = re.compile(r"arn:[^:*?${}]+:[^:*?${}]+:[^:]*:[^:]*:.", re.DOTALL)
_PLAIN_SID = re.compile(r"[0-9A-Za-z]*\Z")
_RESOURCE_SID = re.compile(r"[ -~]*\Z")
_ARN_PARTS = ("arn", "partition", "service", "region", "account")

PRINCIPAL_KEYS = ("AWS", "Service", "Federated", "CanonicalUser")
_AWS_PRINCIPAL = re.compile(
    r"\*\Z|[0-9]{12}\Z|A[A-Z0-9]{15,}\Z"
    r"|arn:[^:*?]+:iam::[^:*?]+:(?:root|user/[^*?]+|role/[^*?]+)\Z"
    r"|arn:[^:*?]+:sts::[^:*?]+:(?:assumed-role/[^*?/]+/[^*?/]+|federated-user/[^*?]+)\Z"
)


def is_plain_action(text: str) -> bool:
    """Whether nothing is wrong with an entry of Action or NotAction."""
    return text == "*" or _ACTION.match(text) is not None


def check_action(text: str, at: str, found: Findings) -> None:
    """Report what is wrong with one entry of Action or NotAction that is not plain."""
    colons = text.count(":")
    if colons == 0:
        found.refuse(Stage.ACTION_FORMAT, at, f"the action '{text}' has no service prefix",
                     f"write '*' or 'service:{text}'", code="INVALID_ACTION",
                     summary="Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
    elif colons > 1:
        found.object_to(Stage.ACTION_FORMAT, at, f"the action '{text}' has more than one colon",
                        "write 'service:Name'", code="INVALID_ACTION",
                        summary="Actions/Condition can contain only one colon.")
    else:
        _check_action_parts(text, at, found)


def _check_action_parts(text: str, at: str, found: Findings) -> None:
    vendor = text.partition(":")[0]
    if "*" in vendor or "?" in vendor:
        found.object_to(Stage.ACTION_FORMAT, at, f"the service prefix of '{text}' has a wildcard",
                        "name the service, or write '*' for every action", code="WILDCARD_IN_SERVICE_NAME",
                        summary="Action vendors (e.g., aws, ec2, etc.) must not contain wildcards")
    else:
        found.object_to(Stage.ACTION_FORMAT, at, f"the action '{text}' can match no action",
                        "use letters and digits, '*' and '?' after the colon", code="INVALID_ACTION",
                        summary=f"Vendor {vendor} is not valid")


def is_plain_resource(text: str) -> bool:
    """Whether nothing is wrong with an entry of Resource or NotResource, and it has no variables."""
    return text == "*" or (_ARN_HEAD.match(text) is not None and "${" not in text and len(text) <= MAX_PATTERN)


def check_resource(text: str, at: str, found: Findings, *, variables: bool) -> None:
    """Report what is wrong with one entry of Resource or NotResource that is not plain."""
    if not text.startswith("arn:"):
        if text.lower().startswith("arn:") or text[:1] in "*?$":
            found.object_to(Stage.RESOURCE_FORMAT, at, f"the resource '{text}' does not begin with 'arn:'",
                            code="INVALID_ARN_PREFIX",
                            summary=f'Resource {text} must be in ARN format or "*".')
        else:
            found.refuse(Stage.RESOURCE_FORMAT, at, f"the resource '{text}' is not an ARN",
                         "write '*' or 'arn:partition:service:region:account:name'", code="INVALID_ARN_PREFIX",
                         summary=f'Resource {text} must be in ARN format or "*".')
        return
    if not _ARN_HEAD.match(text):
        _check_arn_head(text, at, found)
    if len(text) > MAX_PATTERN:
        found.object_to(Stage.RESOURCE_FORMAT, at, f"the resource has {len(text)} characters",
                        f"use at most {MAX_PATTERN}")
    if variables and "${" in text:
        _check_variables_in(text, at, found)


def _check_arn_head(text: str, at: str, found: Findings) -> None:
    fields = text.split(":", 5)
    if len(fields) < 6:
        found.object_to(Stage.LEGACY if "::" in text else Stage.RESOURCE_FORMAT, at,
                        f"the ARN '{text}' has {len(fields)} of its six fields",
                        "write 'arn:partition:service:region:account:name'; '*' stands for any field",
                        code="MISSING_ARN_FIELD")
    elif not fields[2]:
        found.object_to(Stage.LEGACY, at, f"the ARN '{text}' names no service", code="MISSING_ARN_FIELD")
    elif "*" in fields[2] or "?" in fields[2]:
        found.object_to(Stage.RESOURCE_FORMAT, at, f"the service of the ARN '{text}' has a wildcard",
                        "name the service", code="INVALID_SERVICE",
                        summary="Resource vendor must be fully qualified and cannot contain regexes.")
    elif not fields[5]:
        found.object_to(Stage.RESOURCE_FORMAT, at, f"the ARN '{text}' names no resource",
                        "write '*' as the last field for every resource", code="INVALID_ARN_RESOURCE")


def _check_variables_in(text: str, at: str, found: Findings) -> None:
    try:
        parts = split_variables(text)
    except VariableSyntaxError as problem:
        found.object_to(Stage.SYNTAX, at, f"{problem} in '{text}'", code=problem.code)
        return
    field = 0
    for part in parts:
        if isinstance(part, Variable) and field < 3:
            found.object_to(Stage.RESOURCE_FORMAT, at,
                            f"a variable stands in the {_ARN_PARTS[field]} of '{text}'",
                            "use variables in the region, the account and the name only",
                            code="VARIABLE_UNSUPPORTED_IN_ELEMENT")
        elif not isinstance(part, Variable):
            field += part.count(":")


def check_sid(text: str, at: str, found: Findings, kind: PolicyKind) -> None:
    """Report what is wrong with a statement's name."""
    wide = kind in (PolicyKind.RESOURCE, PolicyKind.ENDPOINT)
    if not (_RESOURCE_SID if wide else _PLAIN_SID).match(text):
        found.object_to(Stage.SYNTAX, at, f"the Sid '{text}' has characters that are not allowed",
                        "use printable ASCII" if wide else "use letters and digits only", code="UNSUPPORTED_SID",
                        summary="Statement IDs (SID) must be alpha-numeric.")
    if len(text) > MAX_SID:
        found.object_to(Stage.SYNTAX, at, f"the Sid has {len(text)} characters", f"use at most {MAX_SID}",
                        code="UNSUPPORTED_SID")


def check_principal(key: str, value: Any, at: str, found: Findings, kind: PolicyKind) -> None:
    """Report what is wrong with one entry of a Principal map."""
    if key == "AWS" and not _AWS_PRINCIPAL.match(value):
        partial = "*" in value or "?" in value
        found.object_to(Stage.SYNTAX, at,
                        f"the principal '{value}' has a wildcard in it" if partial else
                        f"'{value}' is not a principal",
                        "use '*' with a condition on aws:PrincipalArn" if partial else
                        "write an account id, or the ARN of a user, role, session or account root",
                        code="UNSUPPORTED_WILDCARD_IN_PRINCIPAL" if partial else "INVALID_PRINCIPAL_FORMAT")
    if value == "*" and kind is PolicyKind.TRUST:
        found.object_to(Stage.SYNTAX, at, "a trust policy may not trust everybody", "name who may assume the role",
                        code="ROLE_TRUST_POLICY_UNSUPPORTED_WILDCARD_IN_PRINCIPAL")


def check_text(text: str, found: Findings) -> None:
    """Report characters that IAM takes in no policy text (section 1.1)."""
    foreign = next((char for char in text if not (char in "\t\n\r" or " " <= char <= "\xff")), None)
    if foreign is not None:
        found.object_to(Stage.SYNTAX, pointer(""), f"the text holds the character U+{ord(foreign):04X}",
                        "write it as a \\u escape", code="JSON_SYNTAX_ERROR")
