"""Names of accounts, users, groups, roles and policies (language specification, section 1.10)."""

from __future__ import annotations

import re
from urllib.parse import unquote

from iam_guard.model import entity_name

_ACCOUNT_ID = re.compile(r"[0-9]{12}\Z")
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")
_IAM_NAME = re.compile(r"[A-Za-z0-9_+=,.@-]+\Z")
_PATH_STEP = re.compile(r"[A-Za-z0-9.,+@=_-]+\Z")
_UNIQUE_ID = re.compile(r"[A-Z]{4}[A-Z0-9]{2,124}\Z")
_TAG_TEXT = re.compile(r"[\w\s_.:/=+\-@]*\Z")

#: Longest name of each kind; a percent-encoded subject of an identity provider may have 255 characters.
LONGEST = {"users": 64, "roles": 64, "groups": 128, "policies": 128, "inline": 128}
LONGEST_SUBJECT = 255


def is_account_id(text: str) -> bool:
    """Whether *text* can stand in the account field of an ARN: twelve digits as at AWS, or a tenant's name.

    A number of another length is a mistyped id, not a name.
    """
    if text.isdigit():
        return bool(_ACCOUNT_ID.match(text))
    return bool(_TENANT.match(text)) and text.lower() not in ("aws", "anonymous")


def name_problem(name: str, kind: str) -> tuple[str, str] | None:
    """What is wrong with a name, and a mend; ``None`` when nothing is.

    Users and groups that an identity provider names may hold any character: it stands percent-encoded,
    as :func:`iam_guard.model.entity_name` writes it.
    """
    if _IAM_NAME.match(name):
        too_long = len(name) > LONGEST[kind]
        return (f"'{name}' is longer than {LONGEST[kind]} characters", "shorten it") if too_long else None
    proper = entity_name(unquote(name))
    if kind not in ("users", "groups"):
        return f"'{name}' is not a name", "use letters, digits and any of _+=,.@-"
    if proper != name:
        return f"'{name}' is not a name", f"call it '{proper}'"
    return None if len(unquote(name)) <= LONGEST_SUBJECT else (f"'{name}' is too long", "shorten it")


def path_problem(steps: tuple[str, ...]) -> tuple[str, str] | None:
    """What is wrong with the folders that make up an IAM path."""
    for step in steps:
        if not _PATH_STEP.match(step):
            return f"'{step}' cannot be part of a path", "use letters, digits and any of .,+@=_-"
    return None


def tag_problem(key: str, value: str) -> tuple[str, str] | None:
    """What is wrong with a tag, and a mend; ``None`` when nothing is."""
    if key.lower().startswith("aws:"):
        return f"the tag '{key}' starts with 'aws:'", "that prefix is reserved: choose another key"
    if not 1 <= len(key) <= 128 or not _TAG_TEXT.match(key):
        return f"'{key}' is not a tag key", "use up to 128 letters, digits, blanks and any of _.:/=+-@"
    if len(value) > 256 or not _TAG_TEXT.match(value):
        return f"the value of the tag '{key}' cannot be a tag value", \
            "use up to 256 letters, digits, blanks and any of _.:/=+-@"
    return None


def is_unique_id(text: str) -> bool:
    """Whether *text* has the form of ``AIDA...`` and its like (section 2.5)."""
    return bool(_UNIQUE_ID.match(text))
