"""The pages of an answer: AWS hands out an account in parts, which belong together list by list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from iam_guard.directory.exchange.text import from_objects, read_json
from iam_guard.errors import DocumentError, Fault

LISTS = ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies")
#: What says that there are further pages, and where: of use to nobody once they are here.
TRUNCATED = "IsTruncated"
_OF_ONE_PAGE = (TRUNCATED, "Marker", "NextToken", "ResponseMetadata")

#: JSON text, or what an SDK made of it.
Page = str | bytes | Mapping[str, Any]


def joined(pages: Iterable[Page], place: str) -> dict[str, Any]:
    """One answer out of its pages; what each says of itself alone is the last one's.

    Args:
        pages: In order. A text may also be a list of pages.
        place: What faults call them.

    Raises:
        DocumentError: one is no page, or two say different things about the whole.
    """
    answer: dict[str, Any] = {}
    for page in _each(pages, place):
        for name in _OF_ONE_PAGE:
            answer.pop(name, None)
        for name, value in page.items():
            answer[name] = _both(answer[name], value, name, place) if name in answer else value
    return answer


def _each(pages: Iterable[Page], place: str) -> Iterator[dict[str, Any]]:
    for page in pages:
        found = read_json(page, place) if isinstance(page, str | bytes) else from_objects(page, place)
        for one in found if isinstance(found, list) else [found]:
            if not isinstance(one, dict):
                raise DocumentError(Fault("a page has to be an object", file=place))
            yield one


def _both(before: Any, value: Any, name: str, place: str) -> Any:
    if name in LISTS:
        return [*_listed(before), *_listed(value)]
    if before != value:
        raise DocumentError(Fault(f"two pages differ in '{name}'", file=place))
    return value


def _listed(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]
