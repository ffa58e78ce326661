"""The layout of a policy folder: which file is what.

    folder.yaml                    partition, accounts, how strictly documents are read   (optional)
    everyone/NAME.yaml             a document that holds for every user and every session
    policies/NAME.yaml             a managed policy, to be attached by name
    groups/NAME.yaml               policies of a group
    users/NAME.yaml                policies, groups, boundary and tags of a user
    roles/NAME.yaml                the same of a role, and who may assume it
    resources/ANY.yaml             the policy of one resource
    account.yaml                   what people call the folder's own account, and its tags
    accounts/ACCOUNT/...           the same, and policies, groups, users, roles and resources, of a further account
    organization.yaml              the tree of accounts and what limits them
    scps/NAME.yaml  rcps/NAME.yaml the limits: service and resource control policies
    endpoint.yaml                  a ceiling over every request; more of them as endpoint/NAME.yaml

``.yml`` and ``.json`` do as well. Folders inside ``policies``, ``users``, ``groups`` and ``roles`` are
the IAM path: ``users/staff/ann.yaml`` is ``user/staff/ann``. A name that begins with ``~`` was chosen by a store
for something whose own name cannot be a file's; the file says what that is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from iam_guard.store.names import name_problem, path_problem
from iam_guard.store.typed import did_you_mean, nearest

SUFFIXES = (".yaml", ".yml", ".json")
#: The file that says: this folder is empty on purpose.
EMPTY_MARKER = "EMPTY"

#: Begins the names of files that say themselves what they are called.
ODD = "~"

SINGLE_FILES = frozenset({"folder", "organization", "endpoint", "account"})
ACCOUNT_FOLDERS = frozenset({"policies", "users", "groups", "roles", "resources"})
TOP_FOLDERS = ACCOUNT_FOLDERS | {"everyone", "endpoint", "scps", "rcps"}
#: Folders whose file names are names of IAM entities, and whose subfolders are IAM paths.
ENTITY_FOLDERS = frozenset({"policies", "users", "groups", "roles"})


class MisplacedError(Exception):
    """A file that has no place in the layout.

    Args:
        message: What is wrong.
        mend: Where it belongs or what to call it.
    """

    def __init__(self, message: str, mend: str) -> None:
        super().__init__(message)
        self.message, self.mend = message, mend


@dataclass(frozen=True, slots=True)
class Place:
    """What a file is, by where it stands.

    Attributes:
        kind: Its folder (``users``), or its own name for a single file (``organization``).
        name: The file's name without suffix.
        steps: Folders between ``kind`` and the file.
        account: The folder under ``accounts/``; empty for the folder's own account.
    """

    kind: str
    name: str
    steps: tuple[str, ...] = ()
    account: str = ""

    @property
    def path(self) -> str:
        """The IAM path, such as ``/`` or ``/staff/``."""
        return "/" + "".join(f"{step}/" for step in self.steps)

    @property
    def label(self) -> str:
        """``staff/ann``: the name below the folder."""
        return "/".join((*self.steps, self.name))


def place_of(path: PurePosixPath) -> Place:
    """Tell what the file at *path* is.

    Raises:
        MisplacedError: nothing that is known.
    """
    if path.suffix not in SUFFIXES:
        raise MisplacedError(f"'{path.name}' is not a kind of file that is read here",
                             f"end the name in {', '.join(SUFFIXES)}, or remove the file")
    folders, name = path.parts[:-1], path.stem
    if not folders:
        return _single_file(path, name)
    if folders[0] == "accounts":
        return _account_file(path, folders, name)
    if folders[0] not in TOP_FOLDERS:
        raise MisplacedError(f"'{folders[0]}/' is not a folder that is read here",
                             did_you_mean(folders[0], TOP_FOLDERS | {"accounts"}))
    return _checked(Place(folders[0], name, folders[1:]))


def _single_file(path: PurePosixPath, name: str) -> Place:
    if name not in SINGLE_FILES:
        raise MisplacedError(f"'{path.name}' is not a file that is read here",
                             nearest(name, SINGLE_FILES) or f"call it 'everyone/{path.name}' when it is a "
                             f"policy for everybody, 'policies/{path.name}' when it is to be attached")
    return Place(name, name)


def _account_file(path: PurePosixPath, folders: tuple[str, ...], name: str) -> Place:
    if len(folders) == 2 and name == "account":
        return Place("account", name, (), folders[1])
    if len(folders) < 3 or folders[2] not in ACCOUNT_FOLDERS:
        raise MisplacedError(f"'{path}' is not a place that is read",
                             f"write accounts/ACCOUNT/KIND/{path.name}, KIND being one of "
                             f"{', '.join(sorted(ACCOUNT_FOLDERS))}")
    return _checked(Place(folders[2], name, folders[3:], folders[1]))


def _checked(place: Place) -> Place:
    problem = None
    if place.name.startswith(ODD):
        problem = path_problem(place.steps)
    elif place.kind in ENTITY_FOLDERS:
        problem = name_problem(place.name, place.kind) or path_problem(place.steps)
    elif place.kind in ("scps", "rcps"):
        problem = name_problem(place.name, "policies")
        if place.steps:
            problem = f"'{place.kind}/' has no folders inside", f"move the file into '{place.kind}/'"
    if problem:
        raise MisplacedError(*problem)
    return place
