"""Evaluation: one question, or many, to decisions in the words of the Authorization API."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import msgspec

from iam_guard.engine.attachments import Attachments
from iam_guard.engine.decision import Decision, Verdict
from iam_guard.errors import IAMGuardError, RequestRefusedError, UnavailableError
from iam_guard.guard import Guard
from iam_guard.identity.caller import Caller
from iam_guard.remedies.step_up import StepUp, step_up
from iam_guard.sidecar.authzen.bounds import check_batch, check_question
from iam_guard.sidecar.authzen.entities import MEMBERS, Asked, check_defaults, read_asked
from iam_guard.sidecar.authzen.plain import PlainQuestions
from iam_guard.sidecar.authzen.questions import Asking, Questions
from iam_guard.sidecar.authzen.reading import invalid
from iam_guard.sidecar.authzen.settings import AuthzenDoor

Members = Mapping[str, Any]
#: After which decision a batch ends: every one, none, or the first that is what it is named after.
_STOPS: dict[str, bool | None] = {"execute_all": None, "deny_on_first_deny": False, "permit_on_first_permit": True}
_encode = msgspec.json.Encoder().encode
_EFFECTS = {"allowed": "Allow", "explicitDeny": "ExplicitDeny", "implicitDeny": "ImplicitDeny"}
NOBODY = "no such subject, action or resource can be"


class Evaluation:
    """Answers evaluations.

    Args:
        guard: Decides.
        questions: Makes its questions.
        door: Says how much is told.
    """

    def __init__(self, guard: Guard, questions: Questions, door: AuthzenDoor) -> None:
        self._guard = guard
        self._questions = questions
        self._plain = PlainQuestions(questions)
        self._door = door
        self._revision = ("", b'""')

    def single(self, members: Members, caller: Caller, *, explain: bool) -> dict[str, Any]:
        """Answer one question.

        Args:
            members: Of the body.
            caller: Who asks; the answer is that of the policies that it is held to.
            explain: Say which policy decided.

        Raises:
            RequestRefusedError: it is no question.
            UnavailableError: it cannot be decided.
        """
        check_question(members)
        return self._answer(read_asked(members), self._attachments(caller), explain)

    def plain(self, body: bytes, caller: Caller) -> bytes | None:
        """The body of the answer to one question, without explanation; ``None`` when it is to be read with more care.

        Raises:
            RequestRefusedError: it is no question.
            UnavailableError: it cannot be decided.
        """
        attachments = self._attachments(caller)
        asking = self._plain.about(body, attachments)
        if asking is None:
            return None
        decision = self._decision(asking, attachments)
        if decision.verdict is not Verdict.ALLOWED:
            return _encode(self._told(decision, False))
        return b'{"decision":true,"context":{"decision_id":"%b","policy_version":%b}}' % (
            decision.id.encode(), self._quoted(decision.policies.revision))

    def _quoted(self, revision: str) -> bytes:
        if self._revision[0] != revision:
            self._revision = (revision, _encode(revision))
        return self._revision[1]

    def batch(self, members: Members, caller: Caller, *, explain: bool) -> dict[str, Any]:
        """Answer several questions by one revision of the policies; none is one question.

        Args:
            members: Of the body: ``evaluations``, what they have in common, and ``options``.
            caller: Who asks.
            explain: Say which policy decided.

        Raises:
            RequestRefusedError: it is no batch, or too long.
            UnavailableError: nothing can be decided, or the policies changed in the middle.
        """
        items = members.get("evaluations")
        stop = _stop(members)
        if not items and (items is None or isinstance(items, list)):
            return self.single(members, caller, explain=explain)
        if not isinstance(items, list) or len(items) > self._door.max_batch:
            raise invalid(f"'evaluations' has to be a list of at most {self._door.max_batch} objects.")
        check_defaults(members)
        caller.hold = self._guard.hold()  # from now on, so that the whole batch falls into its time
        attachments = caller.hold.policies.attachments
        defaults = {name: members[name] for name in MEMBERS if name in members}
        check_batch(defaults, items)
        answers: list[dict[str, Any]] = []
        for item in items:
            answers.append(self._item(defaults, item, attachments, explain))
            if answers[-1]["decision"] is stop:
                break
        return {"evaluations": answers}

    def _item(self, defaults: Members, item: Any, attachments: Attachments, explain: bool) -> dict[str, Any]:
        """The answer to one of several; what is wrong with it is its own matter and denies it alone."""
        try:
            if not isinstance(item, dict):
                raise invalid("An evaluation has to be an object.")
            return self._answer(read_asked({**defaults, **item}), attachments, explain)
        except RequestRefusedError as error:
            return _broken(error.status, error.description)
        except IAMGuardError:
            return _broken(500, "This cannot be decided at the moment.")

    def _answer(self, asked: Asked, attachments: Attachments, explain: bool) -> dict[str, Any]:
        asking = self._questions.about(asked, attachments)
        if asking is None:
            return {"decision": False, "context": _denial(self._guard.record_refusal("unmapped", NOBODY))}
        return self._told(self._decision(asking, attachments), explain)

    def _decision(self, asking: Asking, attachments: Attachments) -> Decision:
        decision = self._guard.answer(asking.who, asking.question)
        if decision.error:
            raise UnavailableError(decision.error)
        if decision.policies.attachments is not attachments:
            raise UnavailableError("the policies changed while a question was read")
        return decision

    def _told(self, decision: Decision, explain: bool) -> dict[str, Any]:
        if decision.allowed:
            context: dict[str, Any] = {"decision_id": decision.id, "policy_version": decision.revision}
        else:
            context = _denial(decision.id, decision.revision)
            if self._door.show_step_up and (login := step_up(decision, of_subject=True)) is not None:
                context |= _login(login)
        if explain:
            context |= _explained(decision)
        return {"decision": decision.allowed, "context": context}

    def _attachments(self, caller: Caller) -> Attachments:
        """Of the policies that will answer."""
        hold = caller.hold
        if hold is None or hold.policies is not self._guard.policies:  # newer ones: begin anew with those
            hold = caller.hold = self._guard.hold()
        return hold.policies.attachments


def _stop(members: Members) -> bool | None:
    options = members.get("options")
    if options is None:
        return None
    if not isinstance(options, dict):
        raise invalid("'options' has to be an object.")
    semantic = options.get("evaluations_semantic", "execute_all")
    if not isinstance(semantic, str) or semantic not in _STOPS:
        raise invalid("'evaluations_semantic' is none of " + ", ".join(_STOPS) + ".")
    return _STOPS[semantic]


def _denial(decision_id: str, revision: str = "") -> dict[str, Any]:
    context: dict[str, Any] = {"decision_id": decision_id}
    if revision:
        context["policy_version"] = revision
    context["reason_user"] = {"403": f"This is not allowed (decision {decision_id})."}
    return context


def _login(login: StepUp) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if login.acr_values:
        told["acr_values"] = list(login.acr_values)
    if login.max_age is not None:
        told["max_age"] = login.max_age
    return told


def _broken(status: int, message: str) -> dict[str, Any]:
    return {"decision": False, "context": {"error": {"status": status, "message": message}}}


def _explained(decision: Decision) -> dict[str, Any]:
    place = f" ({PurePath(decision.file).name}:{decision.source_line})" if decision.file else ""
    told: dict[str, Any] = {"effect": _EFFECTS[decision.verdict.value]}
    told["reason_admin"] = {"200" if decision.allowed else "403": decision.reason + place}
    return told
