"""Takes objects of an export apart, so that what nobody asked for is left over and can be kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from iam_guard.directory.exchange.text import date_text
from iam_guard.errors import DocumentError, Fault

T = TypeVar("T")
_REQUIRED: Any = object()


class Members:
    """The members of one object; each is handed out once.

    Args:
        value: The object.
        place: What faults call it.

    Raises:
        DocumentError: it is not an object.
    """

    def __init__(self, value: Any, place: str) -> None:
        if not isinstance(value, dict):
            raise DocumentError(Fault("this has to be an object", file=place))
        self.place = place
        self.left: dict[str, Any] = dict(value)

    def take(self, name: str, type: type[T], default: T = _REQUIRED) -> T:
        """Hand out a member.

        Raises:
            DocumentError: it is missing and there is no default, or it is of another type.
        """
        if name not in self.left:
            if default is _REQUIRED:
                raise DocumentError(Fault(f"'{name}' is missing", file=self.place))
            return default
        found = self.left.pop(name)
        if not isinstance(found, type) or (type is int and isinstance(found, bool)):
            raise DocumentError(Fault(f"'{name}' is not of the right type", file=self.place))
        return found

    def text(self, name: str, default: str = _REQUIRED) -> str:
        """Hand out a text; where there is a default, ``null`` is the same as nothing."""
        if default is not _REQUIRED and self.left.get(name, "") is None:
            del self.left[name]
        return self.take(name, str, default)

    def date(self, name: str) -> str:
        """Hand out a date as text; empty when it is not there."""
        found = self.left.pop(name, None)
        return "" if found is None else date_text(found, f"{self.place}/{name}")

    def several(self, name: str) -> list[Any]:
        """Hand out a list; old examples write one object where a list of one is meant."""
        found = self.left.pop(name, None)
        if found is None:
            return []
        return found if isinstance(found, list) else [found]

    def inner(self, name: str) -> Members | None:
        """Hand out an object; put what is left of it back with :meth:`keep`."""
        found = self.left.pop(name, None)
        return None if found is None else Members(found, f"{self.place}/{name}")

    def keep(self, name: str, rest: dict[str, Any]) -> None:
        """Keep what is left of a member, if anything is."""
        if rest:
            self.left[name] = rest


def by_name(members: Members, name: str, key: str, read: Callable[[Members], T]) -> dict[str, T]:
    """Read a list of objects that have names; what is left of them is kept by their names.

    Args:
        members: The object that has the list.
        name: Of the list.
        key: The member that names each.
        read: Reads one.

    Raises:
        DocumentError: one cannot be read, or two have one name.
    """
    found: dict[str, T] = {}
    rest: dict[str, Any] = {}
    for place, value in enumerate(members.several(name)):
        one = Members(value, f"{members.place}/{name}/{place}")
        own = one.text(key)
        if own in found:
            raise DocumentError(Fault(f"'{own}' stands twice in '{name}'", file=members.place))
        found[own] = read(one)
        if one.left:
            rest[own] = one.left
    members.keep(name, rest)
    return found


def listed(found: Iterable[tuple[str, dict[str, Any]]], key: str, rest: Any) -> list[dict[str, Any]]:
    """The way back: objects with their names, and what was left of each."""
    rest = rest if isinstance(rest, dict) else {}
    return [{key: name, **members, **rest.get(name, {})} for name, members in found]
