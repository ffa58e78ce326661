"""The first start: an empty directory gets one administrator, whose credentials are shown once.

Whoever can write to the store could do all this by hand; nobody else can, and nothing happens to a directory that
anything was ever written to.
"""

from __future__ import annotations

import secrets as randomness
import string
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from iam_guard.directory.directory import new_unique_id
from iam_guard.directory.entities import Settings
from iam_guard.directory.operation import Operation, Work
from iam_guard.directory.operations.access_keys import CreateAccessKey
from iam_guard.directory.operations.inline import PutUserPolicy
from iam_guard.directory.operations.passwords import CreateLoginProfile
from iam_guard.directory.operations.users import CreateUser
from iam_guard.directory.port import DirectoryStore, Note
from iam_guard.directory.quotas import Quotas
from iam_guard.directory.secrets import Secrets
from iam_guard.model import DEFAULT_ACCOUNT, DEFAULT_PARTITION, Principal

#: What the first administrator may do. It is a policy like any other, and may be replaced.
EVERYTHING = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'
_KINDS = (string.ascii_uppercase, string.ascii_lowercase, string.digits, "-_=+")
_PASSWORD_LENGTH = 24


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the first administrator signs in with.

    Attributes:
        account: The account.
        user_name: The name.
        password: To be changed at the first sign-in.
        access_key_id: For programs.
        secret_access_key: Its secret.
    """

    account: str
    user_name: str
    password: str = field(repr=False)
    access_key_id: str
    secret_access_key: str = field(repr=False)

    def lines(self) -> list[str]:
        """What to print, once."""
        return ["This directory is new. Its first administrator is made; this is shown only now:",
                f"  account            {self.account}",
                f"  user name          {self.user_name}",
                f"  password           {self.password}",
                f"  access key id      {self.access_key_id}",
                f"  secret access key  {self.secret_access_key}",
                "The password has to be changed at the first sign-in."]


def bootstrap(store: DirectoryStore, secrets: Secrets, *, show: Callable[[Credentials], None],
              user_name: str = "administrator", partition: str = DEFAULT_PARTITION, account: str = DEFAULT_ACCOUNT,
              clock: Callable[[], datetime] = lambda: datetime.now(UTC),
              new_id: Callable[[str], str] = new_unique_id) -> bool:
    """Make the first administrator of a directory that nothing was ever written to.

    All is written at once, and only after *show* has returned: when the credentials cannot be shown there is no
    administrator, and the next start makes one. Of several nodes that start together, one does it.

    Args:
        store: Where the directory is kept.
        secrets: Hashes the password and encrypts the secret access key.
        show: Shows the credentials, for instance on the terminal; never in a log.
        user_name: What to call the administrator.
        partition: Second field of every ARN of this directory.
        account: The account that names without one belong to.
        clock: Tells the time, in UTC.
        new_id: Makes unique ids.

    Returns:
        Whether one was made.

    Raises:
        DirectoryError: the name is not acceptable.
        UnavailableError: the store cannot be reached or written to.
    """
    if store.revision() > 0:
        return False
    now = clock()
    root = Principal.root(account=account, partition=partition)
    with store.write(Note(root.arn, "Bootstrap", now.strftime("%Y-%m-%dT%H:%M:%SZ"))) as tx:
        if tx.revision > 0:  # another node was first
            return False
        if (partition, account) != (DEFAULT_PARTITION, DEFAULT_ACCOUNT):
            tx.put(Settings(partition=partition, default_account=account))
        show(_make(Work(tx, account, root, Quotas(), now, new_id, secrets), user_name))
        return bool(tx.entries())


def _make(work: Work, name: str) -> Credentials:
    password = new_password()
    operations: list[Operation] = [
        CreateUser(user_name=name),
        PutUserPolicy(user_name=name, policy_name="AdministratorAccess", policy_document=EVERYTHING),
        CreateLoginProfile(user_name=name, password=password, password_reset_required=True)]
    for operation in operations:
        operation.run(work)
    key = CreateAccessKey(user_name=name).run(work)["AccessKey"]
    return Credentials(work.account, name, password, key["AccessKeyId"], key["SecretAccessKey"])


def new_password() -> str:
    """A password that nobody guesses, with characters of every kind."""
    letters = "".join(_KINDS)
    while True:
        password = "".join(randomness.choice(letters) for _ in range(_PASSWORD_LENGTH))
        if all(set(kind) & set(password) for kind in _KINDS):
            return password
