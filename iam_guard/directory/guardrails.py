"""The organization's policies over an account, gathered on the way from the account up to the root."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from iam_guard.directory.derived import Lookup
from iam_guard.directory.entities import Account, ControlPolicy, Key, Kind, Organization, Unit
from iam_guard.directory.port import Reading
from iam_guard.engine.attachments import Guardrails, Policy
from iam_guard.errors import ConfigurationError, Fault
from iam_guard.model import ascii_lower
from iam_guard.policy.document import Effect, PolicyDocument, Statement

ORGANIZATION = Key(Kind.ORGANIZATION, "", "")
#: What is attached to every node that names no service control policy; the directory need not hold it.
_FULL_ACCESS = Policy("scp/FullAWSAccess",
                      PolicyDocument((Statement(Effect.ALLOW, ("*",), resources=("*",)),)))
_FULL_RCP_ACCESS = "rcpfullawsaccess"
#: Far more than the deepest tree that there may be (language specification, section 1.10).
_MOST_LEVELS = 16

Read = Callable[[Lookup, ControlPolicy], Policy]


def guardrails_of(lookup: Lookup, account: str, read: Read) -> Guardrails | None:
    """The guardrails over an account; ``None`` for one outside the organization, and where there is none.

    Args:
        lookup: Finds entities.
        account: Its id.
        read: Reads a control policy.

    Raises:
        DocumentError: a node, or a policy that one names, is not there or cannot be read.
    """
    organization = lookup.get(ORGANIZATION)
    if not isinstance(organization, Organization):
        return None
    own = lookup.get(Key(Kind.ACCOUNT, account, account))
    if not isinstance(own, Account) or not own.parent:
        return None
    nodes = list(nodes_above(lookup, own))[::-1]
    steps = "".join(f"{node.id}/" for node in nodes if isinstance(node, Unit))
    return Guardrails(tuple(_scps(lookup, node, read) for node in nodes),
                      tuple(_rcps(lookup, node, read) for node in nodes),
                      is_management=account == organization.management, organization_id=organization.id,
                      organization_path=f"{organization.id}/{steps}" if organization.id else "")


def nodes_above(lookup: Lookup | Reading, node: Account | Unit) -> Iterator[Account | Unit]:
    """An account or unit, and all units above it.

    Raises:
        ConfigurationError: one of them is not there, or is above itself.
    """
    yield node
    for _ in range(_MOST_LEVELS):
        if not node.parent:
            return
        above = lookup.get(Key(Kind.UNIT, "", node.parent))
        if not isinstance(above, Unit):
            raise ConfigurationError(Fault(f"there is no unit '{node.parent}'", file=node.key.name))
        node = above
        yield node
    raise ConfigurationError(Fault("the units above it lead nowhere", file=node.key.name))


def check_node(lookup: Lookup, node: Account | Unit, read: Read) -> None:
    """Check that everything a node names is there.

    Raises:
        DocumentError: something is not, or cannot be read.
    """
    for one in nodes_above(lookup, node):
        _scps(lookup, one, read)
        _rcps(lookup, one, read)


def _scps(lookup: Lookup, node: Account | Unit, read: Read) -> tuple[Policy, ...]:
    if node.scps is None:
        return (_FULL_ACCESS,)
    return tuple(_control(lookup, node, "scp", name, read) for name in node.scps)


def _rcps(lookup: Lookup, node: Account | Unit, read: Read) -> tuple[Policy, ...]:
    return tuple(_control(lookup, node, "rcp", name, read) for name in node.rcps
                 if ascii_lower(name) != _FULL_RCP_ACCESS)


def _control(lookup: Lookup, node: Account | Unit, type: str, name: str, read: Read) -> Policy:
    found = lookup.get(Key(Kind.CONTROL_POLICY, "", f"{type}/{ascii_lower(name)}"))
    if isinstance(found, ControlPolicy):
        return read(lookup, found)
    if type == "scp" and ascii_lower(name) == "fullawsaccess":
        return _FULL_ACCESS
    raise ConfigurationError(Fault(f"there is no control policy '{type}/{name}'", file=node.key.name))
