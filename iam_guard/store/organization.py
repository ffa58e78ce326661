"""``organization.yaml``: the tree of accounts, and the control policies over each of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from iam_guard.engine.attachments import Guardrails, Policy
from iam_guard.policy.document import Effect, PolicyDocument, PolicyKind, Statement
from iam_guard.policy.source import pointer
from iam_guard.store import quotas as quota
from iam_guard.store.accounts import Accounts
from iam_guard.store.entities import AccountNode, ControlPolicyFile, OrganizationFile, UnitNode
from iam_guard.store.parts import Part, PartReader
from iam_guard.store.quotas import Quotas
from iam_guard.store.typed import nearest

#: What AWS attaches to every new node: allows everything, so that only denials matter.
FULL_ACCESS = Policy("scp/FullAWSAccess", PolicyDocument((Statement(Effect.ALLOW, ("*",), resources=("*",)),)))
#: AWS implies this one everywhere; naming it is allowed and changes nothing.
FULL_RCP_ACCESS = "RCPFullAWSAccess"

#: Deepest nesting of organizational units below the root (language specification, section 1.10).
MAX_UNIT_DEPTH = 5
_ORGANIZATION_ID = re.compile(r"o-[a-z0-9-]+\Z")
_NODE_ID = re.compile(r"[A-Za-z0-9_-]+\Z")

_Controls = dict[str, Policy | None]


@dataclass(frozen=True, slots=True)
class _Level:
    """What an account inherits at one node of the tree.

    Attributes:
        scps: Levels from the root down to the node.
        rcps: The same.
        path: ``o-.../r-.../``.
    """

    scps: tuple[tuple[Policy, ...], ...] = ()
    rcps: tuple[tuple[Policy, ...], ...] = ()
    path: str = ""


class OrganizationReader:
    """Works out the guardrails of every account.

    Args:
        accounts: Tells names from ids.
        reader: Reads texts.
        quotas: Looks at sizes and counts.
    """

    def __init__(self, accounts: Accounts, reader: PartReader, quotas: Quotas) -> None:
        self._accounts, self._reader, self._quotas = accounts, reader, quotas
        self._report = reader.report
        self._found: dict[str, Guardrails] = {}
        self._scps: _Controls = {}
        self._rcps: _Controls = {}

    def guardrails(self, tree: Part | None, scps: Iterable[Part], rcps: Iterable[Part],
                   in_use: Iterable[str]) -> dict[str, Guardrails]:
        """Read the tree and the documents it names.

        Args:
            tree: ``organization.yaml``; ``None`` when there is none.
            scps: The files under ``scps/``.
            rcps: The files under ``rcps/``.
            in_use: Ids of accounts that have files; each needs its place in the tree.
        """
        self._scps = {"FullAWSAccess": FULL_ACCESS, **self._documents(scps, PolicyKind.SCP, quota.SCP)}
        self._rcps = {FULL_RCP_ACCESS: None, **self._documents(rcps, PolicyKind.RCP, quota.RCP)}
        if tree is None:
            self._refuse_orphans([*scps, *rcps])
            return {}
        file = self._reader.typed_file(tree, OrganizationFile)
        if file is None:
            return {}
        organization, root = file.id or "", file.root or UnitNode()
        self._check_id(tree, "/id", organization, _ORGANIZATION_ID)
        self._refuse_loose(tree, file)
        self._unit(tree, "/root", "root", root, _Level(path=f"{organization}/"), 0)
        self._place_everybody(tree, file, in_use)
        has_scps = _speaks_of_scps(root)
        return {account: replace(found, organization_id=organization, scps=found.scps if has_scps else None,
                                 organization_path=found.organization_path if organization else "")
                for account, found in self._found.items()}

    def _documents(self, parts: Iterable[Part], kind: PolicyKind, most: int) -> _Controls:
        found: _Controls = {}
        for part in parts:
            self._quotas.file_size(part, f"{kind.value.upper()}", most)
            document = self._reader.wrapped_document(part, kind, ControlPolicyFile)
            found[part.place.name] = Policy(f"{kind.value}/{part.place.name}", document) if document else None
        return found

    def _refuse_orphans(self, parts: Iterable[Part]) -> None:
        for part in parts:
            self._report.fault(part, "", f"'{part.place.name}' limits nobody: there is no 'organization.yaml'",
                               "write one that attaches it, or remove the file")

    def _refuse_loose(self, part: Part, file: OrganizationFile) -> None:
        """Accounts in a unit outside the tree would go without the limits above them."""
        for index in range(len(file.loose)):
            self._report.fault(part, f"/loose/{index}", "a unit outside the tree limits nobody",
                               "give it its place under 'root'")

    def _unit(self, part: Part, at: str, name: str, node: UnitNode, above: _Level, depth: int) -> None:
        if depth > MAX_UNIT_DEPTH:
            self._report.fault(part, at, f"units are nested deeper than {MAX_UNIT_DEPTH}", "flatten the tree")
            return
        self._check_id(part, f"{at}/id", node.id or name, _NODE_ID)
        here = self._below(part, at, node, above, f"{node.id or name}/")
        for name, attached in node.accounts.items():
            self._account(part, pointer(f"{at}/accounts", name), name, attached or AccountNode(), here)
        for name, unit in node.units.items():
            self._unit(part, pointer(f"{at}/units", name), name, unit, here, depth + 1)

    def _below(self, part: Part, at: str, node: UnitNode | AccountNode, above: _Level, step: str) -> _Level:
        scps = self._attached(part, f"{at}/scps", node.scps, self._scps, "scps")
        if node.scps == ():
            self._report.fault(part, f"{at}/scps", "no control policy is attached, which allows nothing",
                               "write '[FullAWSAccess]', or leave the key out")
        self._quotas.count(part, f"{at}/scps", "SCPs", len(scps), quota.SCPS_OF_A_NODE)
        rcps = self._attached(part, f"{at}/rcps", node.rcps, self._rcps, "rcps")
        self._quotas.count(part, f"{at}/rcps", "RCPs", len(rcps), quota.RCPS_OF_A_NODE)
        return _Level((*above.scps, scps), (*above.rcps, rcps), above.path + step)

    def _attached(self, part: Part, at: str, names: tuple[str, ...] | None, known: _Controls,
                  folder: str) -> tuple[Policy, ...]:
        if names is None:
            return (FULL_ACCESS,)
        for index, name in enumerate(names):
            if name not in known:
                mend = nearest(name, known) or f"create '{folder}/{name}.yaml', or remove the name"
                self._report.fault(part, f"{at}/{index}", f"there is no control policy '{name}'", mend)
        policies = (known.get(name) for name in names)
        return tuple(policy for policy in policies if policy)

    def _account(self, part: Part, at: str, name: str, node: AccountNode, above: _Level) -> None:
        account = self._known_account(part, at, name)
        if account in self._found:
            self._report.fault(part, at, f"the account '{name}' is in the tree already", "keep one place", key=True)
        if account:
            level = self._below(part, at, node, above, "")
            self._found[account] = Guardrails(level.scps, level.rcps, organization_path=above.path)

    def _known_account(self, part: Part, at: str, name: str) -> str | None:
        account = self._accounts.id_of(name)
        if not account or not name:
            mend = nearest(name, self._accounts.others) or f"add '{name}: \"...\"' to 'accounts' in folder.yaml"
            self._report.fault(part, at, f"there is no account '{name}'", mend, key=at != "/management")
        return account

    def _place_everybody(self, part: Part, file: OrganizationFile, in_use: Iterable[str]) -> None:
        names = {account: name for name, account in self._accounts.others.items()}
        for account in sorted({*in_use, *names} - self._found.keys()):
            self._report.fault(part, "/root", f"the account '{names.get(account, account)}' has no place in the tree",
                               "add it under 'accounts' of the root or of a unit")
        management = self._known_account(part, "/management", file.management) if file.management else None
        if management and management not in self._found:
            self._report.fault(part, "/management", f"the account '{file.management}' has no place in the tree",
                               "add it under 'accounts' of the root")
        elif management:
            self._found[management] = replace(self._found[management], is_management=True)

    def _check_id(self, part: Part, at: str, text: str, form: re.Pattern[str]) -> None:
        if text and not form.match(text):
            self._report.fault(part, at, f"'{text}' is not an id", "use lower-case letters, digits and '-'")


def _speaks_of_scps(node: UnitNode) -> bool:
    """Whether any node of the tree names SCPs; an organization that never does has not turned them on."""
    attached = [node.scps, *(account.scps for account in node.accounts.values() if account)]
    return any(scps is not None for scps in attached) or any(_speaks_of_scps(unit) for unit in node.units.values())
