"""A directory, the guard that follows it, and the token service on both; time passes when the test says so."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tokens import NOW, FakeClock

from iam_guard.directory.entities import Group, ManagedPolicy, PolicyVersion, Role, Settings, User
from iam_guard.directory.port import Note
from iam_guard.guard import Guard
from iam_guard.identity.jwt import JWTAuthenticator
from iam_guard.identity.presets import token_service
from iam_guard.model import Principal, PrincipalKind
from iam_guard.store.following import DirectoryPolicyStore
from iam_guard.store.memory_directory import MemoryDirectoryStore
from iam_guard.store.refresh import PolicyRefresher
from iam_guard.sts.grant import Grant
from iam_guard.sts.parameters import AssumeRole
from iam_guard.sts.service import TokenService
from iam_guard.sts.signing import FixedKeys, SigningKeys

A, B = "111122223333", "444455556666"
ISSUER, AUDIENCE = "https://sts.example", "orders"
NOTE = Note(f"arn:aws:iam::{A}:root", "Import", "2027-01-15T08:00:00Z")


def doc(*statements: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: str | list[str], resource: str = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: str | list[str], resource: str = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def trust(principal: Any, action: str | list[str] = "sts:AssumeRole", condition: Any = None,
          effect: str = "Allow") -> dict[str, Any]:
    more = {} if condition is None else {"Condition": condition}
    return {"Effect": effect, "Principal": principal, "Action": action, **more}


def arn(kind: str, name: str, account: str = A, path: str = "/") -> str:
    return f"arn:aws:iam::{account}:{kind}{path}{name}"


def part(token: str, number: int) -> dict[str, Any]:
    """The header or the payload of a token, unchecked."""
    text = token.split(".")[number]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


ANN, BOB = arn("user", "ann"), arn("user", "bob")


class World:
    """Everything around a token service, in one process."""

    def __init__(self, **service: Any) -> None:
        self.clock = FakeClock()
        self.store = MemoryDirectoryStore()
        self.keys = SigningKeys.make(NOW - 1000)
        self.refresher = PolicyRefresher(DirectoryPolicyStore(lambda: self.store))
        self.guard = Guard(self.refresher, clock=lambda: datetime.fromtimestamp(self.clock(), UTC))
        self.service = TokenService(self.guard, self.store, issuer=ISSUER, audience=AUDIENCE,
                                    keys=FixedKeys(self.keys), clock=self.clock, **service)
        self.put(Settings(partition="aws", default_account=A, imported=True))

    def put(self, *entities: Any) -> None:
        """Put entities into the directory, and let the guard see them."""
        with self.store.write(NOTE) as tx:
            for one in entities:
                tx.put(one)
        self.refresher.load()

    def delete(self, entity: Any) -> None:
        with self.store.write(NOTE) as tx:
            tx.delete(entity.key)
        self.refresher.load()

    def user(self, name: str = "ann", *statements: Mapping[str, Any], account: str = A, **more: Any) -> Principal:
        """Put a user, and give it as a caller with a long-term key."""
        inline = {"own": doc(*statements)} if statements else {}
        found = User(account=account, name=name, arn=arn("user", name, account),
                     **{"id": f"AIDA{name.upper()}", "inline": inline, **more})
        self.put(found)
        return Principal(PrincipalKind.USER, found.arn, account, unique_id=found.id, tags=found.tags)

    def role(self, name: str = "T", *trusts: Mapping[str, Any], account: str = A, path: str = "/",
             policy: tuple[Mapping[str, Any], ...] = (), **more: Any) -> Role:
        """Put a role that trusts as told."""
        found = Role(account=account, name=name, path=path, arn=arn("role", name, account, path),
                     **{"id": f"AROA{name.upper()}", "trust": doc(*trusts) if trusts else "",
                        "inline": {"own": doc(*policy)} if policy else {}, **more})
        self.put(found)
        return found

    def managed(self, name: str, *statements: Mapping[str, Any], account: str = A) -> str:
        """Put a managed policy, and give its ARN."""
        found = ManagedPolicy(account=account, name=name, arn=arn("policy", name, account), id=f"ANPA{name.upper()}",
                              versions=(PolicyVersion(id="v1", document=doc(*statements)),))
        self.put(found)
        return found.arn

    def group(self, name: str, *statements: Mapping[str, Any]) -> None:
        self.put(Group(account=A, name=name, arn=arn("group", name), id=f"AGPA{name.upper()}",
                       inline={"own": doc(*statements)}))

    def assume(self, caller: Principal, role: str | Role = "T", *, account: str = A, **wanted: Any) -> Grant:
        """Assume a role."""
        role_arn = role.arn if isinstance(role, Role) else arn("role", role, account)
        return self.service.assume_role(caller, AssumeRole(
            role_arn=role_arn, **{"role_session_name": "s1", **wanted}))

    def turn_keys(self) -> None:
        """Sign with a new key from now on."""
        self.keys = self.keys.rotated(int(self.clock()))
        self.service.keys = self.service._mint._keys = FixedKeys(self.keys)

    def authenticator(self) -> JWTAuthenticator:
        """A guard's, which knows nothing of this service but its public keys."""
        issuer = token_service(ISSUER, audience=AUDIENCE, keys=self.keys.jwks(self.clock()))
        return JWTAuthenticator([issuer], clock=self.clock)

    async def enter(self, grant: Grant | str) -> Principal:
        """Whom the guard takes the bearer of a session for."""
        token = grant if isinstance(grant, str) else grant.token
        return (await self.authenticator().read(token.encode())).principal
