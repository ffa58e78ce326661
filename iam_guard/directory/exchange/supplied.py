"""Documents of policies that an export speaks of and does not hold, in the forms in which people have them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from iam_guard.directory.attaching import key_of
from iam_guard.directory.entities import Kind, ManagedPolicy, PolicyVersion
from iam_guard.directory.exchange.text import document_text, read_json
from iam_guard.errors import DocumentError, Fault

# What documents come wrapped in: get-policy-version, Terraform and CloudFormation, describe-policy, put-*-policy.
_WRAPPERS = ("PolicyVersion", "Document", "PolicyDocument", "Policy", "Content")


def read_policies(text: str | bytes, *, file: str = "") -> dict[str, ManagedPolicy]:
    """Read documents of managed policies: an object of them by ARN.

    Each is the document, as an object or as text, or what ``aws iam get-policy-version`` answers.

    Args:
        text: JSON.
        file: What faults call it.

    Raises:
        DocumentError: it holds something else.
    """
    place = file or "policies"
    found = read_json(text, place)
    if not isinstance(found, dict):
        raise DocumentError(Fault("this has to be an object of documents by ARN", file=place))
    return {arn: _policy(arn, value, place) for arn, value in found.items()}


def _policy(arn: str, value: Any, place: str) -> ManagedPolicy:
    key = key_of(arn)
    if key is None or key.kind is not Kind.POLICY:
        raise DocumentError(Fault(f"'{arn}' is not the ARN of a managed policy", file=place))
    folders, _, name = arn.partition(":policy/")[2].rpartition("/")
    version = PolicyVersion(id="v1", document=document_in(value, f"{place}/{arn}"))
    return ManagedPolicy(account=key.account, name=name, arn=arn, path=f"/{folders}/" if folders else "/",
                         versions=(version,))


def document_in(value: Any, place: str) -> str:
    """The text of a document, whatever it comes wrapped in.

    Raises:
        DocumentError: there is none.
    """
    return document_text(next(iter(_unwrapped(value)), value), place)


def _unwrapped(value: Any) -> Iterator[Any]:
    """The innermost value; a document of its own has a Statement."""
    if not isinstance(value, dict) or "Statement" in value:
        return
    for name in _WRAPPERS:
        if name in value:
            yield from _unwrapped(value[name])
            yield value[name]
