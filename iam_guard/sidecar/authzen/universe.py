"""Universe: everybody and everything that searches know, in one order.

Patterns in policies mean more than any list holds. So an answer says whether it is the whole one.
"""

from __future__ import annotations

from collections.abc import Iterator

from iam_guard.answers.holdings import holdings
from iam_guard.engine.attachments import Attachments
from iam_guard.model import Principal, PrincipalKind, ascii_lower
from iam_guard.policy.document import Statement
from iam_guard.sidecar.authzen.settings import AuthzenDoor
from iam_guard.sidecar.authzen.vocabulary import Vocabulary

_WILD = ("*", "?", "${")


class Universe:
    """Lists what there is.

    Args:
        door: Names actions and resources.
        vocabulary: Makes ids of ARNs.
    """

    def __init__(self, door: AuthzenDoor, vocabulary: Vocabulary) -> None:
        self._door = door
        self._vocabulary = vocabulary

    def subjects(self, type_: str, attachments: Attachments) -> list[str]:
        """Ids of the users, roles and so on of a type."""
        head = self._vocabulary.subject_head(type_)
        if not head:
            return []
        return sorted({self._vocabulary.subject_id(type_, arn) for arn in attachments.holders if arn.startswith(head)})

    def resources(self, type_: str, attachments: Attachments) -> list[str]:
        """Ids of the resources of a type: those that are registered, and those that have a policy of their own."""
        head = self._vocabulary.resource_head(type_)
        if not head:
            return []
        own = {arn[len(head):] for arn in attachments.resources if arn.startswith(head)}
        return sorted((own | set(self._door.known.get(type_, ()))) - {""})

    def actions(self, type_: str) -> list[str]:
        """Names of the actions on resources of a type."""
        return sorted(set(self._door.actions.get(type_, ())))

    # Whether the lists hold everything

    def has_all_subjects(self, resource: str, attachments: Attachments) -> bool:
        """Whether nobody else can be allowed anything on a resource: no policy is for everyone, and none is its own."""
        return not attachments.everyone and resource not in attachments.resources

    def unlisted_resources(self, type_: str, action: str, who: Principal, attachments: Attachments) -> list[str]:
        """Patterns by which policies of a caller mean more resources of a type than a list can name."""
        head = self._vocabulary.resource_head(type_)
        found: dict[str, None] = {}
        for statement in _grants(who, attachments):
            if statement.not_resource:
                found["not " + ", ".join(statement.resources or ())] = None
            elif _may_mean(statement, action):
                for pattern in statement.resources or ():
                    if any(sign in pattern for sign in _WILD) and _may_reach(pattern, head):
                        found[pattern] = None
        return sorted([*found, *(["*"] if who.kind is PrincipalKind.ROOT else [])])

    def unlisted_actions(self, type_: str, who: Principal, attachments: Attachments) -> list[str]:
        """Patterns by which policies of a caller mean more actions on a type than a list can name."""
        head = ascii_lower(self._vocabulary.service(type_)) + ":"
        found = {("not " if statement.not_action else "") + action
                 for statement in _grants(who, attachments) for action in statement.actions
                 if statement.not_action or (any(sign in action for sign in _WILD)
                                             and _may_reach(ascii_lower(action), head))}
        return sorted(found | ({"*"} if who.kind is PrincipalKind.ROOT else set()))


def _grants(who: Principal, attachments: Attachments) -> Iterator[Statement]:
    for holding in holdings(attachments, who):
        if holding.kind.value == "identity":
            yield from (one for one in holding.policy.document.statements if not one.is_deny)


def _may_mean(statement: Statement, action: str) -> bool:
    return statement.not_action or any(_may_reach(ascii_lower(one), ascii_lower(action)) for one in statement.actions)


def _may_reach(pattern: str, head: str) -> bool:
    """Whether a pattern could match something that begins with *head*; in doubt it could."""
    fixed = min((place for sign in _WILD if (place := pattern.find(sign)) >= 0), default=len(pattern))
    return head.startswith(pattern[:fixed]) or pattern[:fixed].startswith(head)
