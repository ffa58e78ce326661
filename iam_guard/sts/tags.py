"""Session tags: what is passed, what comes from the session before, and what goes on (language specification, 6.5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from iam_guard.identity.sessions import TRANSITIVE_KEY
from iam_guard.model import Principal, ascii_lower
from iam_guard.sts.parameters import MAX_TAGS, check_transitive, invalid


class SessionTags(NamedTuple):
    """Tags of a session to be.

    Attributes:
        passed: Those that the request brings.
        inherited: Transitive ones of the caller's session.
        transitive: Keys of those that go on to the next session.
    """

    passed: Mapping[str, str]
    inherited: Mapping[str, str]
    transitive: tuple[str, ...]

    @property
    def all(self) -> dict[str, str]:
        """Every tag of the session."""
        return {**self.inherited, **self.passed}

    def on_resource(self, tags: Mapping[str, str]) -> dict[str, str]:
        """The tags of a role as its trust policy sees them: an inherited one takes the place of the role's own."""
        known = {ascii_lower(key) for key in self.inherited}
        return {**{key: value for key, value in tags.items() if ascii_lower(key) not in known}, **self.inherited}


def session_tags(caller: Principal, passed: Mapping[str, str], transitive: Iterable[str]) -> SessionTags:
    """Put the tags of a session together.

    Raises:
        TokenServiceError: a tag is passed that the caller's session hands on, a key that is no tag is said to be
            transitive, or there are too many.
    """
    inherited = inherited_tags(caller)
    if {ascii_lower(key) for key in inherited} & {ascii_lower(key) for key in passed}:
        raise invalid("A tag that the session before hands on cannot be passed again.")
    tags = SessionTags(passed, inherited, ())
    if len(tags.all) > MAX_TAGS:
        raise invalid(f"There are at most {MAX_TAGS} session tags.")
    wanted = tuple(transitive)
    check_transitive(wanted, tags.all)
    known = {ascii_lower(key) for key in inherited}
    return tags._replace(transitive=(*inherited, *(key for key in wanted if ascii_lower(key) not in known)))


def inherited_tags(caller: Principal) -> dict[str, str]:
    """The tags that the caller's session hands on."""
    keys = caller.attributes.get(TRANSITIVE_KEY, ())
    names = {ascii_lower(key) for key in keys if isinstance(key, str)} if isinstance(keys, tuple) else set()
    return {key: value for key, value in caller.tags.items() if ascii_lower(key) in names}
