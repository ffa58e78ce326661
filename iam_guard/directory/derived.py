"""What is made of entities, remembered as long as those entities stay what they are.

Whoever makes something looks entities up in a :class:`Lookup`, which writes down what was looked at. What was made
is good for every image in which just that is still the same object; nobody has to work out what a change touches.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Generic, NamedTuple, TypeVar

from iam_guard.directory.entities import AnyEntity, Key, from_json
from iam_guard.directory.image import Image
from iam_guard.engine.memo import Memo

Name = TypeVar("Name", bound=Hashable)
Value = TypeVar("Value")


class Lookup:
    """Reads entities of an image, and writes down which.

    Args:
        image: The image.

    Attributes:
        seen: The bytes of every entity that was asked for; ``None`` where there was none.
    """

    __slots__ = ("image", "seen")

    def __init__(self, image: Image) -> None:
        self.image = image
        self.seen: dict[Key, bytes | None] = {}

    def get(self, key: Key) -> AnyEntity | None:
        """The entity with this key."""
        written = self.seen[key] = self.image.entities.get(key)
        return None if written is None else from_json(written)


class _Made(NamedTuple, Generic[Value]):
    value: Value
    seen: tuple[tuple[Key, bytes | None], ...]


class Derived(Generic[Name, Value]):
    """Makes things by name, and remembers those lately asked for.

    Args:
        make: Makes one out of what it looks up, and of nothing else.
        limit: How many are remembered.
    """

    def __init__(self, make: Callable[[Lookup, Name], Value], limit: int) -> None:
        self._make = make
        self._memo: Memo[Name, _Made[Value]] = Memo(limit)

    def of(self, image: Image, name: Name) -> Value:
        """The thing of this name as an image would have it.

        Raises:
            Exception: whatever *make* raises; that is not remembered.
        """
        made = self._memo.get(name) or self._memo.recall(name)
        entities = image.entities
        if made is not None and all(entities.get(key) is written for key, written in made.seen):
            return made.value
        lookup = Lookup(image)
        value = self._make(lookup, name)
        self._memo.keep(name, _Made(value, tuple(lookup.seen.items())))
        return value


class DerivedMapping(Mapping[str, Value], Generic[Name, Value]):
    """The things of one image by name, each made when it is asked for.

    Args:
        image: The image.
        derived: Makes them; ``None`` stands for there being none of that name.
        size: How many there are, or at least whether there are any.
        names: Lists the names; costs a look at everything.
        known_as: What *derived* calls a name; ``None`` when it has none for it.
    """

    __slots__ = ("_derived", "_image", "_known_as", "_names", "_size")

    def __init__(self, image: Image, derived: Derived[Name, Value | None], size: int,
                 names: Callable[[], Iterator[str]], known_as: Callable[[str], Name | None]) -> None:
        self._image, self._derived, self._size = image, derived, size
        self._names, self._known_as = names, known_as

    def __getitem__(self, name: str) -> Value:
        if (known := self._known_as(name)) is None or (found := self._derived.of(self._image, known)) is None:
            raise KeyError(name)
        return found

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[str]:
        return self._names()
