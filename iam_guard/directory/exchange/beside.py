"""What AWS's answer has no place for, in files beside it: control policies over the account, policies of resources.

    scps.json, rcps.json      documents by name; or a list of such objects, one for each level from the root of the
                              organization down to the account, and ``null`` for a level that nothing was said of
    resource-policies.json    documents by the ARN of the resource
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any, Literal, NamedTuple

from msgspec.structs import replace

from iam_guard.directory.entities import Account, AnyEntity, ControlPolicy, Key, Organization, ResourcePolicy, Unit
from iam_guard.directory.exchange.naming import check_documents
from iam_guard.directory.exchange.supplied import document_in
from iam_guard.directory.exchange.text import read_json
from iam_guard.engine.arn import account_of
from iam_guard.errors import DocumentError, Fault

#: Id of the root of an organization that an import made: what the real one is called nobody said.
ROOT = "r-imported"
#: Names of the files.
SCPS, RCPS, RESOURCES = "scps.json", "rcps.json", "resource-policies.json"
#: What is attached to every node of which nothing else is said.
FULL_ACCESS = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
#: At each level the documents there by name; ``None`` where nothing was said.
Levels = tuple[Mapping[str, str] | None, ...]
_WITHOUT_POLICIES = frozenset({"iam", "sts", "organizations"})


class Beside(NamedTuple):
    """What the files say.

    Attributes:
        scps: Service control policies by level.
        rcps: Resource control policies by level.
        resources: Documents by ARN.
        strict: Every document would be accepted as a new one.
    """

    scps: Levels = ()
    rcps: Levels = ()
    resources: Mapping[str, str] = {}
    strict: bool = True


def read_beside(texts: Mapping[str, str | bytes]) -> Beside:
    """Read the files.

    Args:
        texts: Their texts, by their names; each may be missing.

    Raises:
        DocumentError: one cannot be read, or has another name.
    """
    if strange := sorted(texts.keys() - {SCPS, RCPS, RESOURCES}):
        raise DocumentError(Fault("nothing is known of a file of this name", file=strange[0]))
    scps, rcps = (_levels(texts[name], name) if name in texts else () for name in (SCPS, RCPS))
    resources = _documents(read_json(texts[RESOURCES], RESOURCES), RESOURCES) if RESOURCES in texts else {}
    found = Beside(scps, rcps, resources)
    return found._replace(strict=check_documents([*_controls(found), *_resources(found, "")]))


def _levels(text: str | bytes, file: str) -> Levels:
    found = read_json(text, file)
    levels = found if isinstance(found, list) else [found]
    return tuple(None if one is None else _documents(one, file) for one in levels)


def _documents(found: Any, file: str) -> dict[str, str]:
    if not isinstance(found, dict):
        raise DocumentError(Fault("this has to be an object of documents", file=file))
    return {name: document_in(value, f"{file}/{name}") for name, value in found.items()}


# --- as entities ----------------------------------------------------------------------------------------


def entities_of(beside: Beside, account: Account, organization: Organization | None, home: str) -> list[AnyEntity]:
    """What the files say, as entities; the account comes with its place among them.

    Args:
        beside: What they say.
        account: The account, as it is to be.
        organization: The organization that there is.
        home: The account that resources without one belong to.

    Raises:
        DocumentError: the account's place in the organization is another, or a resource is not its own.
    """
    placed = [account] if not (beside.scps or beside.rcps) else _tree(beside, account, organization)
    return [*placed, *_controls(beside), *_resources(beside, home, account.account)]


def _tree(beside: Beside, account: Account, organization: Organization | None) -> list[AnyEntity]:
    own, *above = _nodes(beside)
    if organization is not None and organization.root != ROOT:
        if above or not account.parent:
            raise DocumentError(Fault("the directory has an organization of its own, in which this account has "
                                      "another place", "say only what is attached to the account itself"))
        return [replace(account, **own)]
    units = [Unit(id=_unit_id(account, place), name=f"Level {place} above {account.account}",
                  parent=_unit_id(account, place - 1), **limits) for place, limits in enumerate(above[::-1], 1)]
    return [Organization(id="", root=ROOT), Unit(id=ROOT, name="Root"), *units,
            replace(account, parent=_unit_id(account, len(units)), **own)]


def _unit_id(account: Account, place: int) -> str:
    """Each account has units of its own, below one root that limits nobody: nothing says whether they are the same."""
    return f"ou-imported-{account.account}-{place}" if place else ROOT


def _nodes(beside: Beside) -> list[dict[str, Any]]:
    """What is attached to the account, and to each unit above it on the way to the root."""
    pairs = zip_longest(reversed(beside.scps), reversed(beside.rcps))
    return [{"scps": None if scps is None else tuple(scps), "rcps": tuple(rcps or ())} for scps, rcps in pairs]


def _controls(beside: Beside) -> list[ControlPolicy]:
    both: tuple[tuple[Literal["scp", "rcp"], Levels], ...] = (("scp", beside.scps), ("rcp", beside.rcps))
    found: dict[Key, ControlPolicy] = {}
    for type, levels in both:  # noqa: A001
        for name, text in ((name, text) for level in levels for name, text in (level or {}).items()):
            one = ControlPolicy(type=type, name=name, document=text)
            if found.setdefault(one.key, one) != one:
                raise DocumentError(Fault(f"two documents are called '{name}'", file=f"{type}s.json"))
    return list(found.values())


def _resources(beside: Beside, home: str, account: str = "") -> Iterator[ResourcePolicy]:
    for arn, text in beside.resources.items():
        fields = arn.split(":", 5)
        whose = account_of(arn) or home
        if len(fields) < 6 or fields[0] != "arn" or fields[2] in _WITHOUT_POLICIES or whose != (account or whose):
            raise DocumentError(Fault(f"'{arn}' is not the ARN of a resource of this account's that has a policy",
                                      file=RESOURCES))
        yield ResourcePolicy(account=whose, arn=arn, document=text)


# --- and back -------------------------------------------------------------------------------------------


def texts_of_files(beside: Beside) -> dict[str, str]:
    """The files that say this; those that would say nothing are not there."""
    found = {SCPS: [_objects(one) for one in beside.scps], RCPS: [_objects(one) for one in beside.rcps],
             RESOURCES: _objects(beside.resources)}
    return {name: json.dumps(value, indent=2) + "\n" for name, value in found.items() if value}


def _objects(documents: Mapping[str, str] | None) -> dict[str, Any] | None:
    return None if documents is None else {name: json.loads(text) for name, text in documents.items()}
