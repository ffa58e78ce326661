"""What an operation is: a request in IAM's words that knows whom to ask and what to do.

Each operation of IAM's API is one immutable struct, called and parametrised as there (``UserName`` on the wire,
``user_name`` here), so that a wire API, a command line and a program use the same thing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar

import msgspec

from iam_guard.directory.entities import AnyEntity, Entity, Key, Kind, Settings
from iam_guard.directory.port import Writing
from iam_guard.directory.quotas import Quotas
from iam_guard.errors import InvalidInputError, NoSuchEntityError
from iam_guard.model import EMPTY, ContextValue, Principal, ascii_lower

if TYPE_CHECKING:
    from iam_guard.directory.secrets import Secrets

#: An answer in IAM's shape: ``{"User": {"UserName": ...}}``.
Answer = dict[str, Any]
Found = TypeVar("Found", bound=Entity)

_NOUNS = {Kind.USER: "user", Kind.GROUP: "group", Kind.ROLE: "role", Kind.POLICY: "policy"}


@dataclass(frozen=True, slots=True)
class Work:
    """What an operation works with, once.

    Attributes:
        tx: The directory. What an operation that changes nothing writes is thrown away.
        account: The account that is worked in.
        caller: Who asks.
        quotas: How much of everything there may be.
        now: The time.
        new_id: Makes a unique id with a prefix such as ``AIDA``.
        secrets: Hashes passwords and keeps secret access keys.
        request: What else is known of the request: the caller's address, when its token was issued.
    """

    tx: Writing
    account: str
    caller: Principal
    quotas: Quotas
    now: datetime
    new_id: Callable[[str], str]
    secrets: Secrets
    request: Mapping[str, ContextValue] = EMPTY

    @property
    def settings(self) -> Settings:
        """What holds for the whole directory."""
        found = self.tx.get(Key(Kind.SETTINGS, "", ""))
        return found if isinstance(found, Settings) else Settings()

    @property
    def timestamp(self) -> str:
        """The time as entities keep it."""
        return self.now.strftime("%Y-%m-%dT%H:%M:%SZ")

    def arn(self, noun: str, path: str, name: str) -> str:
        """The ARN of an entity of this account: ``arn("user", "/staff/", "ann")``."""
        return f"arn:{self.settings.partition}:iam::{self.account}:{noun}{path}{name}"

    def named(self, kind: Kind, name: str) -> Key:
        """The key of an entity of this account."""
        return Key(kind, self.account, ascii_lower(name))

    def find(self, type: type[Found], kind: Kind, name: str) -> Found:
        """The entity of this account with a name.

        Raises:
            NoSuchEntityError: there is none.
        """
        found = self.tx.get(self.named(kind, name))
        if not isinstance(found, type):
            raise NoSuchEntityError(f"The {_NOUNS.get(kind, kind)} with name {name} cannot be found.")
        return found

    def arn_of(self, kind: Kind, name: str, path: str = "/") -> str:
        """The ARN of an entity, as it is or as it would be: what its operations are decided on."""
        found = self.tx.get(self.named(kind, name))
        return getattr(found, "arn", "") or self.arn(_NOUNS[kind], path, name)


class Operation(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", forbid_unknown_fields=True):
    """One operation. Its class name is IAM's name of it, and of the action it needs.

    Attributes:
        changes: Whether it changes anything.
        grants: Whether it may give somebody more than they have; then the outcome is held against what the
            caller has (promise S19).
        secret: Names of parameters and answers that no record may repeat.
    """

    changes: ClassVar[bool] = True
    grants: ClassVar[bool] = False
    secret: ClassVar[frozenset[str]] = frozenset()

    @property
    def action(self) -> str:
        """``iam:CreateUser``."""
        return f"iam:{type(self).__name__}"

    def resource(self, work: Work) -> str:
        """The ARN that the operation is decided on; ``*`` for those about no entity."""
        return "*"

    def context(self, work: Work) -> Mapping[str, ContextValue]:
        """Condition keys of the operation: ``iam:PolicyARN``, ``aws:RequestTag/...`` and so on."""
        return EMPTY

    def run(self, work: Work) -> Answer:
        """Do it.

        Raises:
            DirectoryError: it cannot be done; nothing is kept of it.
        """
        raise NotImplementedError


# --- parameters that many have --------------------------------------------------------------------------

MaxItems = Annotated[int, msgspec.Meta(ge=1, le=1000)]


class Listing(Operation, frozen=True, kw_only=True):
    """An operation that answers in pages.

    Attributes:
        max_items: How many at once.
        marker: Where the page before ended, as its answer said.
    """

    changes: ClassVar[bool] = False

    max_items: MaxItems = 100
    marker: str = ""


def page_of(listing: Listing, kind: Kind, work: Work, path: str = "/") -> tuple[list[AnyEntity], Answer]:
    """One page of entities, and what the answer says about the rest.

    The marker names the last entity of the page, so entities that come and go meanwhile neither repeat nor
    hide others.
    """
    found = work.tx.page(kind, work.account, path=path, after=read_marker(listing.marker), limit=listing.max_items + 1)
    if len(found) <= listing.max_items:
        return found, {"IsTruncated": False}
    found = found[: listing.max_items]
    return found, {"IsTruncated": True, "Marker": write_marker(found[-1].key.name)}


def slice_of(listing: Listing, rows: Iterable[tuple[str, Any]]) -> tuple[list[Any], Answer]:
    """One page of rows that are at hand, each with what it is sorted by."""
    after = read_marker(listing.marker)
    left = sorted((row for row in rows if row[0] > after), key=lambda row: row[0])
    rest: Answer = {"IsTruncated": len(left) > listing.max_items}
    if rest["IsTruncated"]:
        rest["Marker"] = write_marker(left[listing.max_items - 1][0])
    return [row for _, row in left[: listing.max_items]], rest


def write_marker(name: str) -> str:
    """Where to go on, as opaque text."""
    return name.encode().hex()


def read_marker(marker: str) -> str:
    """The name in a marker.

    Raises:
        InvalidInputError: it is not one of ours.
    """
    try:
        return bytes.fromhex(marker).decode()
    except ValueError:
        raise InvalidInputError("Invalid Marker.") from None
