"""Service and resource control policies: made, changed, and attached to nodes of the organization's tree.

Organizations and IAM both have a ``CreatePolicy``; these are called otherwise, so that a name says which is meant.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

from msgspec.structs import replace

from iam_guard.directory.checks import (
    DocumentParameter,
    check_description,
    check_document,
    check_name,
    check_room,
    check_size,
)
from iam_guard.directory.entities import Account, ControlPolicy, Key, Kind, Relation, Unit
from iam_guard.directory.management import Managing, arn_in_organization, find_node, find_organization, node_arn
from iam_guard.directory.operation import Answer, Listing, Operation, Work, slice_of
from iam_guard.directory.paging import walk
from iam_guard.directory.shapes import Shape
from iam_guard.errors import (
    DeleteConflictError,
    EntityAlreadyExistsError,
    LimitExceededError,
    NoSuchEntityError,
    UnmodifiableEntityError,
)
from iam_guard.model import ascii_lower
from iam_guard.policy.document import PolicyKind

#: As AWS Organizations writes the type of a control policy.
Type = Literal["SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"]
_SHORT: dict[str, Literal["scp", "rcp"]] = {"SERVICE_CONTROL_POLICY": "scp", "RESOURCE_CONTROL_POLICY": "rcp"}
_LONG: dict[str, Type] = {"scp": "SERVICE_CONTROL_POLICY", "rcp": "RESOURCE_CONTROL_POLICY"}
_KINDS = {"scp": PolicyKind.SCP, "rcp": PolicyKind.RCP}
#: What comes with the platform: it allows everything, and is attached wherever nothing else was said.
FULL_ACCESS = {"scp": "FullAWSAccess", "rcp": "RCPFullAWSAccess"}


class ControlPolicyOperation(Managing, Operation, frozen=True, kw_only=True):
    """An operation on one control policy.

    Attributes:
        type: Which kind it is of.
        name: Its name.
    """

    type: Type
    name: str

    @property
    def short(self) -> Literal["scp", "rcp"]:
        """The kind as entities write it."""
        return _SHORT[self.type]

    @property
    def is_builtin(self) -> bool:
        """Whether it comes with the platform."""
        return ascii_lower(self.name) == ascii_lower(FULL_ACCESS[self.short])

    def resource(self, work: Work) -> str:
        """The policy."""
        return arn_in_organization(work, f"policy/{self.type.lower()}", self.name)

    def found(self, work: Work) -> ControlPolicy | None:
        """The policy, where there is one."""
        found = work.tx.get(Key(Kind.CONTROL_POLICY, "", f"{self.short}/{ascii_lower(self.name)}"))
        return found if isinstance(found, ControlPolicy) else None

    def own(self, work: Work) -> ControlPolicy:
        """The policy, which may be changed.

        Raises:
            UnmodifiableEntityError: it comes with the platform.
            NoSuchEntityError: there is none.
        """
        if self.is_builtin:
            raise UnmodifiableEntityError(f"{FULL_ACCESS[self.short]} comes with the platform and cannot be changed.")
        found = self.found(work)
        if found is None:
            raise NoSuchEntityError("There is no control policy of this type and name.")
        return found


def control_shape(work: Work, policy: ControlPolicy) -> Shape:
    """How answers write a control policy without its document."""
    kind = _LONG[policy.type]
    shape = {"Id": policy.id, "Arn": arn_in_organization(work, f"policy/{kind.lower()}", policy.name),
             "Name": policy.name, "Description": policy.description, "Type": kind}
    return {name: value for name, value in shape.items() if value}


def _checked(document: DocumentParameter, short: Literal["scp", "rcp"], work: Work) -> str:
    text, _ = check_document(document, _KINDS[short])
    most = work.quotas.scp_size if short == "scp" else work.quotas.rcp_size
    check_size([text], most, f"a control policy of type {short}")
    return text


# --- the policies ---------------------------------------------------------------------------------------


class CreateControlPolicy(ControlPolicyOperation, frozen=True, kw_only=True):
    """Make a control policy, which is attached nowhere yet.

    Attributes:
        content: Its document.
        description: In words.
    """

    content: DocumentParameter
    description: str = ""

    def manage(self, work: Work) -> Answer:
        """Make it."""
        find_organization(work)
        check_name(self.name, "name", 128)
        check_description(self.description)
        if self.is_builtin or self.found(work) is not None:
            raise EntityAlreadyExistsError("There is a control policy of this type and name already.")
        policy = ControlPolicy(type=self.short, name=self.name, document=_checked(self.content, self.short, work),
                               id=ascii_lower(work.new_id("p-")), description=self.description, created=work.timestamp)
        work.tx.put(policy)
        return {"Policy": {"PolicySummary": control_shape(work, policy), "Content": policy.document}}


class DescribeControlPolicy(ControlPolicyOperation, frozen=True, kw_only=True):
    """Look at a control policy, with its document as it was given."""

    changes: ClassVar[bool] = False

    def manage(self, work: Work) -> Answer:
        """Look."""
        policy = self.own(work)
        return {"Policy": {"PolicySummary": control_shape(work, policy), "Content": policy.document}}


class UpdateControlPolicy(ControlPolicyOperation, frozen=True, kw_only=True):
    """Change a control policy wherever it is attached.

    Attributes:
        content: Its new document; as before when left out.
        description: In words; as before when left out.
    """

    grants: ClassVar[bool] = True

    content: DocumentParameter | None = None
    description: str | None = None

    def manage(self, work: Work) -> Answer:
        """Change it."""
        policy = self.own(work)
        if self.description is not None:
            check_description(self.description)
            policy = replace(policy, description=self.description)
        if self.content is not None:
            policy = replace(policy, document=_checked(self.content, self.short, work))
        work.tx.put(policy)
        return {"Policy": {"PolicySummary": control_shape(work, policy), "Content": policy.document}}


class DeleteControlPolicy(ControlPolicyOperation, frozen=True, kw_only=True):
    """Delete a control policy that is attached nowhere."""

    def manage(self, work: Work) -> Answer:
        """Delete it."""
        policy = self.own(work)
        if work.tx.linking(Relation.CONTROL, policy.key.name):
            raise DeleteConflictError("Cannot delete a control policy that is attached.")
        work.tx.delete(policy.key)
        return {}


class ListControlPolicies(Managing, Listing, frozen=True, kw_only=True):
    """List the control policies of one type.

    Attributes:
        filter: Which type.
    """

    filter: Type

    def manage(self, work: Work) -> Answer:
        """List them."""
        rows = [(policy.key.name, policy) for policy in walk(work.tx, Kind.CONTROL_POLICY, "")
                if isinstance(policy, ControlPolicy) and policy.type == _SHORT[self.filter]]
        page, rest = slice_of(self, rows)
        return {"Policies": [control_shape(work, policy) for policy in page], **rest}


# --- where they are attached ----------------------------------------------------------------------------


def attached_names(node: Account | Unit, short: Literal["scp", "rcp"]) -> tuple[str, ...]:
    """Names of the control policies at a node; a node that nothing was said of has the platform's."""
    if short == "rcp":
        return node.rcps
    return (FULL_ACCESS["scp"],) if node.scps is None else node.scps


def _with_names(node: Account | Unit, short: Literal["scp", "rcp"], names: tuple[str, ...]) -> Account | Unit:
    return replace(node, scps=names) if short == "scp" else replace(node, rcps=names)


class TargetOperation(ControlPolicyOperation, frozen=True, kw_only=True):
    """An operation on a control policy at a place.

    Attributes:
        target_id: Id of the root, unit or account.
    """

    target_id: str

    def resource(self, work: Work) -> str:
        """The root, unit or account: what is limited matters more than by which policy."""
        return node_arn(work, self.target_id)

    def index(self, names: tuple[str, ...]) -> int:
        """Where among some names its own is; -1 when it is not."""
        return next((at for at, name in enumerate(names) if ascii_lower(name) == ascii_lower(self.name)), -1)


class AttachControlPolicy(TargetOperation, frozen=True, kw_only=True):
    """Attach a control policy; nothing happens when it is attached already."""

    # One that allows adds to what the others at this place let through.
    grants: ClassVar[bool] = True

    def manage(self, work: Work) -> Answer:
        """Attach it."""
        find_organization(work)
        name = FULL_ACCESS[self.short] if self.is_builtin else self.own(work).name
        node = find_node(work, self.target_id)
        names = attached_names(node, self.short)
        if self.index(names) >= 0:
            return {}
        most = work.quotas.scps_attached if self.short == "scp" else work.quotas.rcps_attached
        check_room(len(names), most, "control policies of one type attached to one target")
        work.tx.put(_with_names(node, self.short, (*names, name)))
        return {}


class DetachControlPolicy(TargetOperation, frozen=True, kw_only=True):
    """Detach a control policy. One service control policy stays: without any, nothing would be allowed."""

    grants: ClassVar[bool] = True

    def manage(self, work: Work) -> Answer:
        """Detach it."""
        node = find_node(work, self.target_id)
        names = attached_names(node, self.short)
        at = self.index(names)
        if at < 0:
            raise NoSuchEntityError("The control policy is not attached to this target.")
        if self.short == "scp" and len(names) == 1:
            raise LimitExceededError("The last service control policy of a target cannot be detached.")
        work.tx.put(_with_names(node, self.short, names[:at] + names[at + 1:]))
        return {}


class ListControlPoliciesForTarget(Managing, Listing, frozen=True, kw_only=True):
    """List the control policies of one type that are attached right at a root, unit or account.

    Attributes:
        target_id: Its id.
        filter: Which type.
    """

    target_id: str
    filter: Type

    def resource(self, work: Work) -> str:
        """The root, unit or account."""
        return node_arn(work, self.target_id)

    def manage(self, work: Work) -> Answer:
        """List them."""
        names = attached_names(find_node(work, self.target_id), _SHORT[self.filter])
        page, rest = slice_of(self, [(ascii_lower(name), {"Name": name, "Type": self.filter}) for name in names])
        return {"Policies": page, **rest}


class ListTargetsForControlPolicy(Managing, Listing, frozen=True, kw_only=True):
    """List the roots, units and accounts that a control policy is attached to.

    Attributes:
        type: Which kind it is of.
        name: Its name.
    """

    type: Type
    name: str

    def resource(self, work: Work) -> str:
        """The policy."""
        return arn_in_organization(work, f"policy/{self.type.lower()}", self.name)

    def manage(self, work: Work) -> Answer:
        """List them."""
        name = ControlPolicyOperation(type=self.type, name=self.name).own(work).key.name
        page, rest = slice_of(self, [(key.name, shape) for key, shape in _targets(work, name)])
        return {"Targets": page, **rest}


def _targets(work: Work, name: str) -> Iterator[tuple[Key, Shape]]:
    for key in work.tx.linking(Relation.CONTROL, name):
        node = work.tx.get(key)
        if isinstance(node, Account):
            yield key, {"TargetId": node.account, "Name": node.name, "Type": "ACCOUNT"}
        elif isinstance(node, Unit):
            kind = "ORGANIZATIONAL_UNIT" if node.parent else "ROOT"
            yield key, {"TargetId": node.id, "Name": node.name, "Type": kind}
