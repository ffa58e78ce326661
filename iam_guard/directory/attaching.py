"""What is attached to whom, out of an image: read and put together only for those somebody asks about.

Whatever did not change from one image to the next is the same object in both, so a policy set and its successor
compile it once.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from typing import Protocol

from iam_guard.directory.derived import Derived, DerivedMapping, Lookup
from iam_guard.directory.documents import Documents, Text, managed_as, naming, texts_of, trust_of
from iam_guard.directory.entities import (
    Account,
    AnyEntity,
    ControlPolicy,
    Group,
    Key,
    Kind,
    ManagedPolicy,
    ResourcePolicy,
    Role,
    Settings,
    StandingPolicy,
    Unit,
    User,
)
from iam_guard.directory.guardrails import ORGANIZATION, check_node, guardrails_of
from iam_guard.directory.image import Image, Successor
from iam_guard.engine.attachments import DECISIVE_SERVICES, Attachments, Guardrails, Holder, Policy
from iam_guard.errors import ConfigurationError, DocumentError, Fault
from iam_guard.model import ascii_lower
from iam_guard.policy.document import Mode, PolicyKind
from iam_guard.policy.parse import parse_policy

_log = logging.getLogger("iam_guard.directory")
SETTINGS = Key(Kind.SETTINGS, "", "")
_ARN = re.compile(r"arn:[^:]*:iam::([^:]*):(user|role|group|policy)/(?:.*/)?([^/]+)")
_OF_THE_TREE = frozenset({Kind.ORGANIZATION, Kind.UNIT, Kind.CONTROL_POLICY})

#: All that a user or role holds that is not there, where only known ones are served.
_NOBODY = Policy("not-in-the-directory", parse_policy(
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}'))

#: How many documents, and how many things made of them, are remembered; the rest is read again when asked for.
MAX_DOCUMENTS = 65_536
MAX_HOLDERS = 65_536
MAX_OTHERS = 8_192


class Attaching:
    """Makes attachments of images, one after the other.

    Args:
        documents: How many documents are remembered.
        holders: How many users and roles are.
        known_only: Whether users and roles that an image does not have are denied everything, whatever their token
            and the policies of resources say. Without it they have what is granted to everyone and to their name.
    """

    def __init__(self, *, documents: int = MAX_DOCUMENTS, holders: int = MAX_HOLDERS,
                 known_only: bool = False) -> None:
        self._known_only = known_only
        self._documents = Documents(documents)
        self._holders: Derived[str, Holder | None] = Derived(self._holder, holders)
        self._groups: Derived[str, tuple[Policy, ...] | None] = Derived(self._group, MAX_OTHERS)
        self._resources: Derived[Key, Policy | None] = Derived(self._resource, MAX_OTHERS)
        self._guardrails: Derived[str, Guardrails | None] = Derived(self._rails, MAX_OTHERS)

    def attachments(self, image: Image) -> Attachments:
        """What is attached to whom in an image.

        Raises:
            DocumentError: what concerns everybody cannot be read.
        """
        counts, lookup = image.counts, Lookup(image)
        settings = settings_of(lookup)
        standing = [one for key in image.keys(Kind.STANDING_POLICY)
                    if isinstance(one := lookup.get(key), StandingPolicy)]
        everyone, endpoint = (tuple(self._read(lookup, *texts_of(one)) for one in standing if one.reach == reach)
                              for reach in ("everyone", "endpoint"))
        return Attachments(
            everyone, DerivedMapping(image, self._holders, counts[Kind.USER] + counts[Kind.ROLE],
                                     lambda: _arns(image, Kind.USER, Kind.ROLE), str),
            DerivedMapping(image, self._groups, counts[Kind.GROUP], lambda: _arns(image, Kind.GROUP), str),
            DerivedMapping(image, self._resources, counts[Kind.RESOURCE_POLICY] + counts[Kind.ROLE],
                           lambda: _arns(image, Kind.RESOURCE_POLICY, Kind.ROLE),
                           lambda arn: image.resources.get(arn) or key_of(arn)),
            DerivedMapping(image, self._guardrails, counts[Kind.ACCOUNT] if ORGANIZATION in image.entities else 0,
                           lambda: (key.account for key in image.entities if key.kind is Kind.ACCOUNT), str),
            endpoint or None, DECISIVE_SERVICES | set(settings.decisive))

    def check(self, found: Successor) -> None:
        """Read every document that is new in an image, and the organization's tree when that is.

        Raises:
            ConfigurationError: with everything that cannot be read.
        """
        lookup, changed = Lookup(found.image), found.changed
        faults: list[Fault] = []
        # A directory that is read otherwise from now on has to be read whole.
        for key in found.image.entities if SETTINGS in changed else changed:
            if (entity := lookup.get(key)) is not None:
                self._check(lookup, entity, faults)
        if any(key.kind in _OF_THE_TREE for key in changed):
            for key in found.image.keys(Kind.UNIT):
                self._check_node(lookup, lookup.get(key), faults)
        if faults:
            raise ConfigurationError(sorted(set(faults), key=lambda fault: (fault.file, fault.line, fault.column)))

    def _check(self, lookup: Lookup, entity: AnyEntity, faults: list[Fault]) -> None:
        for text in texts_of(entity):
            _attempt(lambda text=text: self._read(lookup, text), faults)  # type: ignore[misc]
        if isinstance(entity, Account):
            self._check_node(lookup, entity, faults)

    def _check_node(self, lookup: Lookup, node: AnyEntity | None, faults: list[Fault]) -> None:
        if isinstance(node, Account | Unit):
            _attempt(lambda: check_node(lookup, node, self._control), faults)

    # --- making ---------------------------------------------------------------------------------------------

    def _read(self, lookup: Lookup, text: Text) -> Policy:
        return self._documents.read(text, Mode.IMPORT if settings_of(lookup).imported else Mode.STRICT)

    def _control(self, lookup: Lookup, policy: ControlPolicy) -> Policy:
        return self._read(lookup, *texts_of(policy))

    def _holder(self, lookup: Lookup, arn: str) -> Holder | None:
        """A user or role; one with a document that is missing or cannot be read is broken, and says why."""
        key = key_of(arn)
        found = lookup.get(key) if key is not None else None
        if not isinstance(found, User | Role) or found.arn != arn:
            return Holder(arn, (_NOBODY,)) if self._known_only and key is not None else None
        try:
            boundary = self._managed(lookup, found.boundary, PolicyKind.BOUNDARY) if found.boundary else None
            groups = self._groups_of(lookup, found) if isinstance(found, User) else ()
            return Holder(arn, self._identity(lookup, found), boundary, groups, found.id, found.tags)
        except DocumentError as problem:
            _log.error("'%s' is denied everything, because of its policies:\n%s", arn, problem)
            return Holder(arn, unique_id=found.id, broken=str(problem))

    def _identity(self, lookup: Lookup, holder: User | Role | Group) -> tuple[Policy, ...]:
        own = [self._read(lookup, text) for text in texts_of(holder) if text.kind is PolicyKind.IDENTITY]
        return (*(self._managed(lookup, arn, PolicyKind.IDENTITY) for arn in holder.policies), *own)

    def _managed(self, lookup: Lookup, arn: str, kind: PolicyKind) -> Policy:
        key = key_of(arn)
        found = lookup.get(key) if key is not None else None
        if not isinstance(found, ManagedPolicy) or found.arn != arn or found.version() is None:
            raise ConfigurationError(Fault(f"there is no policy '{arn}'"))
        return self._read(lookup, managed_as(found, kind))

    def _groups_of(self, lookup: Lookup, user: User) -> tuple[str, ...]:
        """ARNs of a user's groups, all of which can be read."""
        arns = []
        for name in user.groups:
            found = lookup.get(Key(Kind.GROUP, user.account, ascii_lower(name)))
            if not isinstance(found, Group):
                raise ConfigurationError(Fault(f"there is no group '{name}'", file=user.arn))
            self._identity(lookup, found)
            arns.append(found.arn)
        return tuple(arns)

    def _group(self, lookup: Lookup, arn: str) -> tuple[Policy, ...] | None:
        key = key_of(arn)
        found = lookup.get(key) if key is not None else None
        return self._identity(lookup, found) if isinstance(found, Group) and found.arn == arn else None

    def _resource(self, lookup: Lookup, key: Key) -> Policy | None:
        match lookup.get(key):
            case ResourcePolicy(document=text, named_ids=ids) as found if text:
                return naming(self._read(lookup, *texts_of(found)), _names_now(lookup, ids))
            case Role(trust=text, trusted_ids=ids) as found if text:
                return naming(self._read(lookup, trust_of(found)), _names_now(lookup, ids))
        return None

    def _rails(self, lookup: Lookup, account: str) -> Guardrails | None:
        return guardrails_of(lookup, account, self._control)


class Finds(Protocol):
    """Whatever finds an entity by its key."""

    def get(self, key: Key) -> AnyEntity | None:
        """The entity, if it is there."""
        ...


def settings_of(entities: Finds) -> Settings:
    """What holds for the whole directory."""
    found = entities.get(SETTINGS)
    return found if isinstance(found, Settings) else Settings()


def key_of(arn: str) -> Key | None:
    """What a user, role, group or managed policy is found by; whether it has this very ARN is yet to be seen."""
    found = _ARN.fullmatch(arn)
    return None if found is None else Key(Kind(found[2]), found[1], ascii_lower(found[3]))


def _names_now(lookup: Lookup, ids: dict[str, str]) -> dict[str, str]:
    """Other names for principals that a document named when it was saved, and that are others by now.

    A name that was used again is another principal: the old one is then known by its id alone, as everywhere in
    IAM (language specification, section 2.5 rule 5). One that got another name is still meant.
    """
    names = {}
    for arn, unique in ids.items():
        now = _principal(lookup, key_of(arn), unique) or _principal(lookup, lookup.image.key_of_id(unique), unique)
        if now is None or now.arn != arn:
            names[arn] = unique if now is None else now.arn
    return names


def _principal(lookup: Lookup, key: Key | None, id: str) -> User | Role | None:
    found = None if key is None else lookup.get(key)
    return found if isinstance(found, User | Role) and found.id == id else None


def _arns(image: Image, *kinds: Kind) -> Iterator[str]:
    for key in image.entities:
        if key.kind in kinds and (arn := getattr(image.get(key), "arn", "")):
            yield arn


def _attempt(look: Callable[[], object], faults: list[Fault]) -> None:
    try:
        look()
    except DocumentError as refused:
        faults.extend(refused.faults)
