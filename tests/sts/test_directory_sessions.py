"""Which sessions work on the directory, whatever policies say (language specification, 6.1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from tokens import NOW
from world import A, World, allow, doc, trust

from iam_guard.directory.authorization import Authorization
from iam_guard.directory.directory import Directory
from iam_guard.directory.operations.users import GetUser
from iam_guard.errors import OperationDeniedError
from iam_guard.model import Principal
from iam_guard.sts.grant import Grant
from iam_guard.sts.parameters import GetFederationToken, GetSessionToken


class NoSecrets:
    """Hides nothing, since nothing is hidden here."""

    def __getattr__(self, name: str) -> None:
        raise AssertionError(name)


@pytest.mark.parametrize(("who", "may"), [
    ("user", True), ("user session", False), ("user session with a second factor", True), ("role session", True),
    ("federated user", False)])
def test_who_works_on_the_directory(world: World, enter: Callable[[Grant], Principal], who: str, may: bool) -> None:
    ann = world.user("ann", allow("*"))
    world.role("T", trust({"AWS": ann.arn}), policy=(allow("*"),))
    session = enter(world.service.get_session_token(ann, GetSessionToken()))
    callers = {
        "user": ann, "user session": session, "user session with a second factor": replace(session, mfa_at=NOW),
        "role session": enter(world.assume(ann)),
        "federated user": enter(world.service.get_federation_token(ann, GetFederationToken(
            name="bob", policy=doc(allow("*"))))),
    }
    directory = Directory(world.store, referee=Authorization(), secrets=NoSecrets())  # type: ignore[arg-type]
    try:
        found = bool(directory.perform(GetUser(user_name="ann"), by=callers[who], account=A))
    except OperationDeniedError:
        found = False
    assert found is may
