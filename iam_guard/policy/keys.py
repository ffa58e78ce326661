"""The global condition keys that are known to hold sets of values (language specification, section 4)."""

from __future__ import annotations

from iam_guard.model import ascii_lower

#: Keys that always hold a set: a plain operator on one of them is a mistake.
MULTIVALUED_KEYS = frozenset({
    "aws:calledvia",
    "aws:principalorgpaths",
    "aws:principalservicenameslist",
    "aws:resourceorgpaths",
    "aws:sourceorgpaths",
    "aws:tagkeys",
    "aws:vpceorgpaths",
    "sts:transitivetagkeys",
})

#: Prefixes whose keys hold a set: a header or a query member may be sent more than once.
MULTIVALUED_PREFIXES = ("http:header/", "http:query/")


def is_multivalued(key: str) -> bool:
    """Whether *key* holds a set of values wherever it appears."""
    lower = ascii_lower(key)
    return lower in MULTIVALUED_KEYS or lower.startswith(MULTIVALUED_PREFIXES)
