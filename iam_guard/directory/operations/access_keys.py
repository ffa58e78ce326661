"""Access keys: two at most for each user, their secrets shown once."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import ClassVar, Literal

from msgspec.structs import replace

from iam_guard.directory.checks import check_room, tagged_context
from iam_guard.directory.entities import AccessKey, Key, Kind, Relation, User
from iam_guard.directory.operation import Answer, Listing, Operation, Work, slice_of
from iam_guard.directory.shapes import Shape
from iam_guard.errors import InvalidInputError, NoSuchEntityError
from iam_guard.model import ContextValue, PrincipalKind

_SECRET_BYTES = 30  # forty characters, as everybody's tools expect
_ID_LENGTH = 20


# --- whose ----------------------------------------------------------------------------------------------


def user_named(work: Work, name: str) -> str:
    """The name that is given, or that of the caller, where the caller is a user of the account.

    Raises:
        InvalidInputError: nobody is meant.
    """
    if name:
        return name
    if work.caller.kind is PrincipalKind.USER and work.caller.account == work.account:
        return work.caller.name
    raise InvalidInputError("Must specify userName when calling with non-User credentials")


def user_context(work: Work, name: str) -> dict[str, ContextValue]:
    """The tags of a user as condition keys."""
    found = work.tx.get(work.named(Kind.USER, name))
    return tagged_context(found.tags) if isinstance(found, User) else {}


def keys_of(work: Work, user: User) -> list[AccessKey]:
    """The access keys of a user. A former user of the same name had another unique id, and other keys."""
    found = (work.tx.get(key) for key in work.tx.linking(Relation.OWNER, user.id, kind=Kind.ACCESS_KEY))
    return [key for key in found if isinstance(key, AccessKey) and key.account == user.account] if user.id else []


def owner_of(work: Work, key: AccessKey) -> User | None:
    """The user whom an access key belongs to, whatever the name is by now."""
    found = (work.tx.get(one) for one in work.tx.linking(Relation.ID, key.user_id, kind=Kind.USER))
    return next((user for user in found if isinstance(user, User) and user.account == key.account), None)


def find_key(work: Work, user: User, id: str) -> AccessKey:
    """The access key of a user with an id.

    Raises:
        NoSuchEntityError: the user has none of this id.
    """
    for key in keys_of(work, user):
        if key.id == id:
            return key
    raise NoSuchEntityError("The Access Key with this id cannot be found.")


def key_shape(key: AccessKey, user: User) -> Shape:
    """How answers write an access key; without its secret."""
    return {"UserName": user.name, "AccessKeyId": key.id, "Status": "Active" if key.active else "Inactive",
            "CreateDate": key.created}


class OwnOperation(Operation, frozen=True, kw_only=True):
    """An operation on what a user owns.

    Attributes:
        user_name: The user; the caller when empty.
    """

    user_name: str = ""

    def resource(self, work: Work) -> str:
        """The user."""
        return work.arn_of(Kind.USER, user_named(work, self.user_name))

    def context(self, work: Work) -> Mapping[str, ContextValue]:
        """The user's tags."""
        return user_context(work, user_named(work, self.user_name))

    def user(self, work: Work) -> User:
        """The user.

        Raises:
            NoSuchEntityError: there is none of this name.
        """
        return work.find(User, Kind.USER, user_named(work, self.user_name))


# --- operations -----------------------------------------------------------------------------------------


class CreateAccessKey(OwnOperation, frozen=True, kw_only=True):
    """Make an access key. Its secret is in this answer, and never in another."""

    grants: ClassVar[bool] = True
    secret: ClassVar[frozenset[str]] = frozenset({"SecretAccessKey"})

    def run(self, work: Work) -> Answer:
        """Make it."""
        user = self.user(work)
        if not user.id:
            raise InvalidInputError("The user has no unique id, by which an access key would know its owner.")
        check_room(len(keys_of(work, user)), work.quotas.access_keys_per_user, "AccessKeysPerUser")
        name, plain = _shortened(work.new_id("AKIA")), secrets.token_urlsafe(_SECRET_BYTES)
        key = AccessKey(account=work.account, id=name, user=user.name, user_id=user.id, created=work.timestamp,
                        secret=work.secrets.encrypt(plain, owner=name))
        work.tx.put(key)
        return {"AccessKey": {**key_shape(key, user), "SecretAccessKey": plain}}


def _shortened(id: str) -> str:
    """Ids of access keys have a character less than others."""
    return id[:4] + id[4:][-(_ID_LENGTH - 4):]


class UpdateAccessKey(OwnOperation, frozen=True, kw_only=True):
    """Switch an access key on or off.

    Attributes:
        access_key_id: Its id.
        status: Which.
    """

    grants: ClassVar[bool] = True

    access_key_id: str
    status: Literal["Active", "Inactive"]

    def run(self, work: Work) -> Answer:
        """Switch it."""
        user = self.user(work)
        key = find_key(work, user, self.access_key_id)
        work.tx.put(replace(key, active=self.status == "Active", user=user.name))
        return {}


class DeleteAccessKey(OwnOperation, frozen=True, kw_only=True):
    """Delete an access key.

    Attributes:
        access_key_id: Its id.
    """

    access_key_id: str

    def run(self, work: Work) -> Answer:
        """Delete it."""
        work.tx.delete(find_key(work, self.user(work), self.access_key_id).key)
        return {}


class ListAccessKeys(Listing, frozen=True, kw_only=True):
    """List the access keys of a user, without secrets.

    Attributes:
        user_name: The user; the caller when empty.
    """

    user_name: str = ""

    def resource(self, work: Work) -> str:
        """The user."""
        return work.arn_of(Kind.USER, user_named(work, self.user_name))

    def context(self, work: Work) -> Mapping[str, ContextValue]:
        """The user's tags."""
        return user_context(work, user_named(work, self.user_name))

    def run(self, work: Work) -> Answer:
        """List them."""
        user = work.find(User, Kind.USER, user_named(work, self.user_name))
        page, rest = slice_of(self, [(key.id, key) for key in keys_of(work, user)])
        return {"AccessKeyMetadata": [key_shape(key, user) for key in page], **rest}


class GetAccessKeyLastUsed(Operation, frozen=True, kw_only=True):
    """Tell whose an access key is and when it was last used.

    Attributes:
        access_key_id: Its id.
    """

    changes: ClassVar[bool] = False

    access_key_id: str

    def resource(self, work: Work) -> str:
        """The user whose key it is."""
        owner = self._owner(work)
        return owner.arn if owner else "*"

    def context(self, work: Work) -> Mapping[str, ContextValue]:
        """The user's tags."""
        owner = self._owner(work)
        return tagged_context(owner.tags) if owner else {}

    def run(self, work: Work) -> Answer:
        """Tell."""
        key, owner = self._key(work), self._owner(work)
        if key is None or owner is None:
            raise NoSuchEntityError("The Access Key with this id cannot be found.")
        used: Shape = {"ServiceName": "N/A", "Region": "N/A"}
        return {"UserName": owner.name,
                "AccessKeyLastUsed": {"LastUsedDate": key.last_used, **used} if key.last_used else used}

    def _key(self, work: Work) -> AccessKey | None:
        found = work.tx.get(Key(Kind.ACCESS_KEY, "", self.access_key_id))
        return found if isinstance(found, AccessKey) and found.account == work.account else None

    def _owner(self, work: Work) -> User | None:
        key = self._key(work)
        return owner_of(work, key) if key else None
