"""What files need not say of an entity: it stays as it was, or follows from the rest.

Hashes of passwords, access keys and when something was last used are kept out of files, which are there to be
read by many; ids and dates may be left out of files that people write.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from iam_guard.directory.entities import (
    Account,
    AnyEntity,
    Group,
    Key,
    Kind,
    ManagedPolicy,
    Relation,
    ResourcePolicy,
    Role,
    User,
)
from iam_guard.model import ascii_lower
from iam_guard.store.tables import Tables

Named = User | Group | Role | ManagedPolicy
_PREFIXES = {Kind.USER: "AIDA", Kind.GROUP: "AGPA", Kind.ROLE: "AROA", Kind.POLICY: "ANPA"}
#: What files say of an entity of each kind; whatever else it has is kept out of them.
_OF_ALL = frozenset({"account", "name", "path", "arn", "id", "created", "extra"})
SHOWN: Mapping[Kind, frozenset[str]] = {
    Kind.USER: _OF_ALL | {"policies", "inline", "groups", "boundary", "tags"},
    Kind.GROUP: _OF_ALL | {"policies", "inline"},
    Kind.ROLE: _OF_ALL | {"policies", "inline", "boundary", "tags", "trust", "trusted_ids", "description",
                          "max_session_duration"},
    Kind.POLICY: _OF_ALL | {"versions", "default", "next_version", "description", "tags", "updated", "attachable"},
    Kind.ACCOUNT: frozenset({"account", "name", "parent", "scps", "rcps", "tags", "created", "password_policy",
                             "extra"}),
}
_LOCAL = re.compile(r"arn:[^:]*:iam::([^:]+):(user|role)/.+\Z")

After = dict[Key, AnyEntity | None]


def completed(after: Mapping[Key, AnyEntity | None], tables: Tables, at: str, new_id: Callable[[str], str]) -> After:
    """Entities as they are kept, of entities as files say them.

    Args:
        after: What became of which entity.
        tables: What there was before.
        at: The time, for what is new and says none.
        new_id: Makes unique ids.

    A file that is new and says an id was written by a store, which had it say all it knew.
    """
    found: After = {}
    for key, entity in after.items():
        before = tables.get(key)
        if isinstance(entity, Named):
            found[key] = _named(entity, before, at, new_id)
        elif isinstance(entity, Account) and isinstance(before, Account):
            found[key] = msgspec.structs.replace(entity, **_kept(before))
        else:
            found[key] = entity
    said = {key for key, entity in after.items() if getattr(entity, "id", "") and tables.get(key) is None}
    found = {key: entity if key in said else _trusting(entity, tables.get(key), found, tables)
             for key, entity in found.items()}
    return found | _orphans(found, tables)


def _named(entity: Named, before: AnyEntity | None, at: str, new_id: Callable[[str], str]) -> AnyEntity:
    changes: dict[str, Any] = {}
    if isinstance(before, type(entity)) and entity.id in ("", before.id):
        changes = _kept(before)
        changes |= {name: getattr(before, name) for name in ("id", "created") if not getattr(entity, name)}
    elif not entity.id:
        changes = {"id": new_id(_PREFIXES[entity.kind]), "created": entity.created or at}
    return msgspec.structs.replace(entity, **changes)


def _kept(entity: Named | Account) -> dict[str, Any]:
    """What no file says of an entity."""
    return {name: getattr(entity, name) for name in entity.__struct_fields__ if name not in SHOWN[entity.kind]}


def _orphans(after: After, tables: Tables) -> After:
    """Access keys of users who are gone: a later user of that name is somebody else."""
    orphans: After = {}
    for key, entity in after.items():
        before = tables.get(key)
        if isinstance(before, User) and before.id and before.id != getattr(entity, "id", ""):
            orphans |= dict.fromkeys(tables.linking(Relation.OWNER, before.id, Kind.ACCESS_KEY))
    return orphans


# --- whom documents name ----------------------------------------------------------------------------------


def _trusting(entity: AnyEntity | None, before: AnyEntity | None, after: After, tables: Tables) -> AnyEntity | None:
    """Tie the users and roles that a document names to those that there are now."""
    if isinstance(entity, Role):
        ids = _ids(entity.trust, entity.trusted_ids, getattr(before, "trust", ""), getattr(before, "trusted_ids", {}),
                   after, tables)
        return msgspec.structs.replace(entity, trusted_ids=ids)
    if isinstance(entity, ResourcePolicy):
        ids = _ids(entity.document, entity.named_ids, getattr(before, "document", ""),
                   getattr(before, "named_ids", {}), after, tables)
        return msgspec.structs.replace(entity, named_ids=ids)
    return entity


def _ids(text: str, said: dict[str, str], old_text: str, old: dict[str, str], after: After,
         tables: Tables) -> dict[str, str]:
    if said or text == old_text:
        return said or old
    found = {arn: _id_of(key, arn, after, tables) for arn, key in local_principals(text)}
    return {arn: one for arn, one in found.items() if one}


def _id_of(key: Key, arn: str, after: After, tables: Tables) -> str:
    entity = after[key] if key in after else tables.get(key)
    return entity.id if isinstance(entity, User | Role) and entity.arn == arn else ""


def local_principals(text: str) -> Iterator[tuple[str, Key]]:
    """ARNs of users and roles under ``Principal`` and ``NotPrincipal``, and the keys they would have."""
    statements = json.loads(text).get("Statement", []) if text else []
    for statement in statements if isinstance(statements, list) else [statements]:
        for element in ("Principal", "NotPrincipal"):
            named = statement.get(element)
            arns = named.get("AWS", []) if isinstance(named, dict) else []
            for arn in [arns] if isinstance(arns, str) else arns:
                if local := _LOCAL.match(arn):
                    yield arn, Key(Kind(local[2]), local[1], ascii_lower(arn.rpartition("/")[2]))
