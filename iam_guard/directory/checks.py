"""What operations ask of their parameters, and what decisions about them are told (language specification, 1.10, 7.1).

Messages do not repeat parameters that have not been found good: those may be long, and hold anything.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

from iam_guard.directory.entities import Group, Key, Kind, ManagedPolicy, Role, User
from iam_guard.directory.operation import Work
from iam_guard.directory.quotas import Quotas
from iam_guard.directory.shapes import Tag
from iam_guard.errors import (
    EntityAlreadyExistsError,
    InvalidInputError,
    LimitExceededError,
    MalformedPolicyDocumentError,
    NoSuchEntityError,
    PolicyDocumentError,
    PolicyNotAttachableError,
    UnmodifiableEntityError,
)
from iam_guard.model import ContextValue, ascii_lower, entity_name
from iam_guard.policy.document import PolicyDocument, PolicyKind
from iam_guard.policy.parse import parse_policy

#: A policy document as a parameter: JSON text, or what such a text says.
DocumentParameter = str | dict[str, Any]
#: Where roles stand that belong to the platform; nobody makes or changes one through operations.
PROTECTED_PATH = "/aws-service-role/"
#: The owner of policies that come with the platform.
PLATFORM = "aws"

_NAME = re.compile(r"[A-Za-z0-9_+=,.@-]+")
_PATH = re.compile(r"/|/[\x21-\x7e]+/")
_PATH_PREFIX = re.compile(r"/[\x21-\x7e]*")
_ARN = re.compile(r"arn:[^:]+:iam::([^:]+):policy/(?:[^:]*/)?([^/:]+)")
_LONGEST_PATH, _LONGEST_SUBJECT, _LONGEST_DESCRIPTION = 512, 255, 1000
_TAG_KEY, _TAG_VALUE = 128, 256
_NOUNS = {Kind.USER: "User", Kind.GROUP: "Group", Kind.ROLE: "Role", Kind.POLICY: "Policy"}
_QUOTAS = {Kind.USER: "UsersPerAccount", Kind.GROUP: "GroupsPerAccount", Kind.ROLE: "RolesPerAccount",
           Kind.POLICY: "PoliciesPerAccount"}


# --- names, paths, descriptions -------------------------------------------------------------------------


def check_name(name: str, parameter: str, longest: int, *, subject: bool = False) -> None:
    """Check a name.

    Args:
        name: The name.
        parameter: What IAM calls the parameter, for the message.
        longest: How long it may be.
        subject: Whether it may also be a subject of an identity provider with its foreign characters
            percent-encoded, as :func:`iam_guard.model.entity_name` writes it. Other spellings of the same
            subject are refused, so that nobody has two names.

    Raises:
        InvalidInputError: it is too long, empty, or holds what names do not.
    """
    if subject and "%" in name and _is_subject(name):
        return
    if not _NAME.fullmatch(name):
        raise InvalidInputError(f"The specified value for {parameter} is invalid. It must contain only alphanumeric "
                                "characters and/or the following: +=,.@_-")
    if len(name) > longest:
        raise InvalidInputError(f"The specified value for {parameter} is invalid. It must have a length of at most "
                                f"{longest}.")


def _is_subject(name: str) -> bool:
    try:
        plain = unquote(name, errors="strict")
        return entity_name(plain) == name and len(plain) <= _LONGEST_SUBJECT
    except UnicodeError:
        return False


def check_path(path: str) -> None:
    """Check the path of an entity to be.

    Raises:
        InvalidInputError: it does not begin and end with a slash, or holds blanks or what is not ASCII.
    """
    if not _PATH.fullmatch(path) or len(path) > _LONGEST_PATH:
        raise InvalidInputError("The specified value for path is invalid. It must begin and end with / and contain "
                                f"only printable ASCII characters, {_LONGEST_PATH} at most.")


def check_path_prefix(prefix: str) -> None:
    """Check what paths should begin with.

    Raises:
        InvalidInputError: no path begins so.
    """
    if not _PATH_PREFIX.fullmatch(prefix) or len(prefix) > _LONGEST_PATH:
        raise InvalidInputError("The specified value for pathPrefix is invalid. It must begin with / and contain only "
                                "printable ASCII characters.")


def check_description(text: str) -> None:
    """Check a description.

    Raises:
        InvalidInputError: it is too long, or holds characters that no text should.
    """
    if len(text) > _LONGEST_DESCRIPTION:
        raise InvalidInputError("The specified value for description is invalid. It must have a length of at most "
                                f"{_LONGEST_DESCRIPTION}.")
    if any(unicodedata.category(char) in ("Cc", "Cs") and char not in "\t\n\r" for char in text):
        raise InvalidInputError("The specified value for description is invalid. It contains control characters.")


# --- what there is already ------------------------------------------------------------------------------


def check_free(work: Work, kind: Kind, name: str) -> None:
    """Check that a new entity may have this name.

    Raises:
        EntityAlreadyExistsError: another has it, be it in other case.
        UnmodifiableEntityError: the account is the platform's own.
    """
    if work.account == PLATFORM:
        raise UnmodifiableEntityError("What belongs to the platform cannot be changed.")
    if work.tx.get(work.named(kind, name)) is not None:
        raise EntityAlreadyExistsError(f"{_NOUNS.get(kind, kind)} with name {name} already exists.")


def check_count(work: Work, kind: Kind, most: int) -> None:
    """Check that the account has room for one more of a kind.

    Raises:
        LimitExceededError: it has not.
    """
    check_room(work.tx.count(kind, work.account), most, _QUOTAS[kind])


def check_room(count: int, most: int, quota: str) -> None:
    """Check that *count* things leave room for one more; *quota* is IAM's name of the limit.

    Raises:
        LimitExceededError: they do not.
    """
    if count >= most:
        raise LimitExceededError(f"Cannot exceed quota for {quota}: {most}")


def check_changeable(role: Role) -> None:
    """Check that a role is not one of the platform's.

    Raises:
        UnmodifiableEntityError: it is.
    """
    if role.path.startswith(PROTECTED_PATH):
        raise UnmodifiableEntityError(f"Cannot perform the operation on the protected role '{role.name}' - this role "
                                      "is only modifiable by the platform.")


# --- managed policies -----------------------------------------------------------------------------------


def policy_key(arn: str) -> Key:
    """The key of the managed policy with an ARN; whether it has just this ARN is for the finder to see.

    Raises:
        InvalidInputError: it is not the ARN of a policy.
    """
    found = _ARN.fullmatch(arn)
    if found is None:
        raise InvalidInputError("The specified value for policyArn is not the ARN of a policy.")
    return Key(Kind.POLICY, found[1], ascii_lower(found[2]))


def find_policy(work: Work, arn: str) -> ManagedPolicy:
    """The managed policy with an ARN: of this account, or of the platform.

    Raises:
        InvalidInputError: it is not the ARN of a policy.
        NoSuchEntityError: there is none, or it is another account's.
    """
    key = policy_key(arn)
    found = work.tx.get(key) if key.account in (work.account, PLATFORM) else None
    if not isinstance(found, ManagedPolicy) or found.arn != arn:
        raise NoSuchEntityError(f"Policy {arn} was not found.")
    return found


def find_attachable(work: Work, arn: str) -> ManagedPolicy:
    """The managed policy with an ARN, which may be attached.

    Raises:
        InvalidInputError: it is not the ARN of a policy.
        NoSuchEntityError: there is none.
        PolicyNotAttachableError: it may not be attached.
    """
    policy = find_policy(work, arn)
    if not policy.attachable:
        raise PolicyNotAttachableError(f"Policy {arn} is not attachable.")
    return policy


def check_boundary(work: Work, arn: str) -> None:
    """Check a permissions boundary to be; the empty text stands for none.

    Raises:
        InvalidInputError, NoSuchEntityError, PolicyNotAttachableError: as of :func:`find_attachable`.
    """
    if arn:
        find_attachable(work, arn)


# --- documents ------------------------------------------------------------------------------------------


def document_text(document: DocumentParameter) -> str:
    """A document as it is kept: text as it was given, values as compact JSON."""
    return document if isinstance(document, str) else json.dumps(document, separators=(",", ":"))


def check_document(document: DocumentParameter, kind: PolicyKind = PolicyKind.IDENTITY) -> tuple[str, PolicyDocument]:
    """Read a document that is about to be kept.

    Returns:
        Its text, and what that says.

    Raises:
        MalformedPolicyDocumentError: it is refused; with every fault.
    """
    try:
        text = document_text(document)
        return text, parse_policy(text, kind=kind)
    except PolicyDocumentError as problem:
        raise MalformedPolicyDocumentError(problem.summary, problem.faults) from None
    except (TypeError, ValueError, RecursionError):  # what a program passed is not JSON at all
        raise MalformedPolicyDocumentError("Syntax errors in policy.") from None


def size_of(text: str) -> int:
    """Characters that are not white space, which is what quotas count."""
    return sum(map(len, text.split()))


def check_size(texts: Iterable[str], most: int, what: str) -> None:
    """Check that documents together are not too large; *what* they belong to completes the message.

    Raises:
        LimitExceededError: they are.
    """
    if sum(map(size_of, texts)) > most:
        raise LimitExceededError(f"Maximum policy size of {most} bytes exceeded for {what}")


# --- tags -----------------------------------------------------------------------------------------------


def tags_from(tags: Iterable[Tag], quotas: Quotas) -> dict[str, str]:
    """Tags of an entity to be.

    Raises:
        InvalidInputError: one is not acceptable, or two have the same key.
        LimitExceededError: there are too many.
    """
    return merge_tags({}, tags, quotas)


def merge_tags(before: Mapping[str, str], tags: Iterable[Tag], quotas: Quotas) -> dict[str, str]:
    """Tags of an entity once more are put on it: keys ignore case, and are kept as they were last written.

    Raises:
        InvalidInputError: one is not acceptable, or two of the new ones have the same key.
        LimitExceededError: there are too many.
    """
    new = list(tags)
    for tag in new:
        _check_tag(tag)
    if len({ascii_lower(tag.key) for tag in new}) < len(new):
        raise InvalidInputError("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    merged = drop_tags(before, (tag.key for tag in new)) | {tag.key: tag.value for tag in new}
    if len(merged) > quotas.tags:
        raise LimitExceededError(f"The number of tags has reached the maximum limit of {quotas.tags}.")
    return merged


def drop_tags(tags: Mapping[str, str], keys: Iterable[str]) -> dict[str, str]:
    """The tags without those of some keys, whatever their case."""
    gone = {ascii_lower(key) for key in keys}
    return {key: value for key, value in tags.items() if ascii_lower(key) not in gone}


def _check_tag(tag: Tag) -> None:
    if ascii_lower(tag.key).startswith("aws:"):
        raise InvalidInputError("Tag keys that begin with aws: belong to the platform.")
    if not 1 <= len(tag.key) <= _TAG_KEY or not _is_tag_text(tag.key):
        raise InvalidInputError(f"The specified value for tagKey is invalid. It must be 1 to {_TAG_KEY} letters, "
                                "digits, blanks or any of _.:/=+-@")
    if len(tag.value) > _TAG_VALUE or not _is_tag_text(tag.value):
        raise InvalidInputError(f"The specified value for tagValue is invalid. It must be at most {_TAG_VALUE} "
                                "letters, digits, blanks or any of _.:/=+-@")


def _is_tag_text(text: str) -> bool:
    return all(char in "_.:/=+-@" or unicodedata.category(char)[0] in "LZN" for char in text)


# --- what decisions are told ----------------------------------------------------------------------------


def boundary_context(arn: str) -> dict[str, ContextValue]:
    """``iam:PermissionsBoundary``, where there is one."""
    return {"iam:PermissionsBoundary": arn} if arn else {}


def policy_context(arn: str) -> dict[str, ContextValue]:
    """``iam:PolicyARN``."""
    return {"iam:PolicyARN": arn}


def tag_context(tags: Iterable[Tag]) -> dict[str, ContextValue]:
    """``aws:RequestTag/...`` and ``aws:TagKeys`` of the tags that are asked for."""
    given = {tag.key: tag.value for tag in tags}
    keys: dict[str, ContextValue] = {f"aws:RequestTag/{key}": value for key, value in given.items()}
    return keys | tag_keys_context(given)


def tag_keys_context(keys: Iterable[str]) -> dict[str, ContextValue]:
    """``aws:TagKeys``; absent where none are given."""
    given = tuple(keys)
    return {"aws:TagKeys": given} if given else {}


def new_tags_context(tags: Iterable[Tag]) -> dict[str, ContextValue]:
    """``aws:ResourceTag/...`` of an entity that is being made with tags (section 4.4)."""
    return {f"aws:ResourceTag/{tag.key}": tag.value for tag in tags}


def tagged_context(tags: Mapping[str, str]) -> dict[str, ContextValue]:
    """``iam:ResourceTag/...`` and ``aws:ResourceTag/...`` of an entity."""
    return {f"{service}:ResourceTag/{key}": value for key, value in tags.items() for service in ("iam", "aws")}


def holder_context(work: Work, kind: Kind, name: str, *, boundary: bool = False) -> dict[str, ContextValue]:
    """What is known of the user, group or role that an operation is about: its tags, and its boundary if asked.

    Nothing is known of one that does not exist, nor has a group either.
    """
    found = work.tx.get(work.named(kind, name))
    if not isinstance(found, User | Role):
        return {}
    return {**tagged_context(found.tags), **(boundary_context(found.boundary) if boundary else {})}


def holder_of(work: Work, kind: Kind, name: str) -> User | Group | Role:
    """The user, group or role with a name.

    Raises:
        NoSuchEntityError: there is none.
    """
    match kind:
        case Kind.USER:
            return work.find(User, kind, name)
        case Kind.GROUP:
            return work.find(Group, kind, name)
    return work.find(Role, Kind.ROLE, name)
