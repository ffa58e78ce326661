"""Search: everybody, everything or every action for which an evaluation would say yes, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from iam_guard.engine.attachments import Attachments
from iam_guard.errors import UnavailableError
from iam_guard.guard import Guard, Question, counts_of_the_service
from iam_guard.identity.caller import Caller
from iam_guard.model import AuthorizationRequest, Principal, normalise_context
from iam_guard.sidecar.authzen.bounds import check_question
from iam_guard.sidecar.authzen.entities import Action, Asked, read_asked
from iam_guard.sidecar.authzen.paging import PageTokens, Place, continued
from iam_guard.sidecar.authzen.questions import Asking, Questions
from iam_guard.sidecar.authzen.reading import invalid
from iam_guard.sidecar.authzen.settings import AuthzenDoor
from iam_guard.sidecar.authzen.universe import Universe
from iam_guard.sidecar.authzen.vocabulary import Vocabulary

#: Seconds of evaluations after which others have their turn.
TURN = 0.01
_MEMBERS = {"subject": ("subject", "action", "resource", "context"),
            "resource": ("subject", "action", "resource", "context"), "action": ("subject", "resource", "context")}


class Search:
    """Answers the three searches.

    Args:
        guard: Decides; searches are not recorded one by one.
        questions: Makes its questions.
        vocabulary: Makes names.
        door: Says what there is, and how much is told at once.
        tokens: Continue searches.
    """

    def __init__(self, guard: Guard, questions: Questions, vocabulary: Vocabulary, door: AuthzenDoor,
                 tokens: PageTokens) -> None:
        self._guard = guard
        self._questions = questions
        self._vocabulary = vocabulary
        self._universe = Universe(door, vocabulary)
        self._size = door.page_size
        self._tokens = tokens

    async def find(self, kind: str, members: Mapping[str, Any], caller: Caller, *, explain: bool) -> dict[str, Any]:
        """Answer one search.

        Args:
            kind: ``subject``, ``resource`` or ``action``.
            members: Of the body.
            caller: Who searches.
            explain: Say which patterns of policies mean more than is listed.

        Raises:
            RequestRefusedError: it is no search, or does not go on where it says.
            UnavailableError: nothing can be decided.
        """
        caller.hold = self._guard.hold()
        policies = caller.hold.policies
        names, after = _MEMBERS[kind], ""
        token, limit = _page(members)
        if token:
            place = self._tokens.read(token)
            members = continued(place, kind, members, names, who=caller.principal.key, revision=policies.revision)
            if limit not in (None, 0, place.limit):
                raise invalid("'page.limit' is another than on the page before.")
            limit, after = place.limit, place.after
        limit = min(limit or self._size, self._size)
        check_question(members)
        asked = read_asked(members, searched=kind)
        found = await self._allowed(kind, asked, policies.attachments)
        rest = [one for one in found if one > after]
        page = {"next_token": "", "count": len(rest[:limit]), "total": len(found)}
        if len(rest) > limit:
            said = {name: members[name] for name in names if name in members}
            page["next_token"] = self._tokens.make(Place(kind, said, limit, rest[limit - 1], policies.revision,
                                                         caller.principal.key, 0))
        return {"page": page, "context": self._completeness(kind, asked, policies.attachments, explain),
                "results": [_entity(kind, asked, one) for one in rest[:limit]]}

    async def _allowed(self, kind: str, asked: Asked, attachments: Attachments) -> list[str]:
        """Everything for which the answer is yes, in order, by one revision of the policies."""
        found: list[str] = []
        clock = asyncio.get_running_loop().time
        turn = clock() + TURN
        for name, one in self._candidates(kind, asked, attachments):
            asking = self._questions.about(one, attachments)
            if asking is not None and self._is_allowed(asking, attachments):
                found.append(name)
            if clock() > turn:
                await asyncio.sleep(0)
                turn = clock() + TURN
        return found

    def _candidates(self, kind: str, asked: Asked, attachments: Attachments) -> Iterator[tuple[str, Asked]]:
        change = msgspec.structs.replace
        if kind == "subject":
            for id_ in self._universe.subjects(asked.subject.type, attachments):
                yield id_, change(asked, subject=change(asked.subject, id=id_))
        elif kind == "resource":
            for id_ in self._universe.resources(asked.resource.type, attachments):
                yield id_, change(asked, resource=change(asked.resource, id=id_))
        else:
            for name in self._universe.actions(asked.resource.type):
                yield name, change(asked, action=Action(name))

    def _is_allowed(self, asking: Asking, attachments: Attachments) -> bool:
        """The answer that an evaluation would get.

        Raises:
            UnavailableError: it could not be given by the same policies, or not at all.
        """
        question: Question = asking.question
        policies, known = self._guard.outlook(asking.who)
        if policies.attachments is not attachments:
            raise UnavailableError("the policies changed in the middle of a search")
        given = {key: value for key, value in normalise_context(question.context).items()
                 if counts_of_the_service(key, known)}
        return policies.evaluate(AuthorizationRequest(asking.who, question.action, question.resource,
                                                      {**known, **given})).allowed

    def _completeness(self, kind: str, asked: Asked, attachments: Attachments, explain: bool) -> dict[str, Any]:
        """Whether policies can mean more than the lists hold."""
        if kind == "subject":
            resource = self._vocabulary.resource(asked.resource.type, asked.resource.id) or ""
            return {"complete": self._universe.has_all_subjects(resource, attachments)}
        who = self._questions.subject(asked.subject, attachments)
        patterns = self._patterns(kind, asked, who, attachments) if who is not None else ()
        told: dict[str, Any] = {"complete": not patterns}
        if explain and patterns:
            told["unlisted_patterns"] = list(patterns)
        return told

    def _patterns(self, kind: str, asked: Asked, who: Principal, attachments: Attachments) -> Sequence[str]:
        if kind == "action":
            return self._universe.unlisted_actions(asked.resource.type, who, attachments)
        action = self._vocabulary.action(asked.action.name, asked.resource.type)
        return self._universe.unlisted_resources(asked.resource.type, action, who, attachments) if action else ()


def _entity(kind: str, asked: Asked, name: str) -> dict[str, str]:
    if kind == "action":
        return {"name": name}
    return {"type": asked.subject.type if kind == "subject" else asked.resource.type, "id": name}


def _page(members: Mapping[str, Any]) -> tuple[str, int | None]:
    """The token and the limit of a request; ``""`` and ``None`` where there is none."""
    page = members.get("page")
    if page is None:
        return "", None
    if not isinstance(page, dict):
        raise invalid("'page' has to be an object.")
    token, limit = page.get("token") or "", page.get("limit")
    if not isinstance(token, str):
        raise invalid("'page.token' has to be a text.")
    if limit is not None and (type(limit) is not int or limit < 0):
        raise invalid("'page.limit' has to be a whole number, 0 or more.")
    return token, limit
