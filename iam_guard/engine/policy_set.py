"""PolicySet: everything that is attached, compiled; ask it with an AuthorizationRequest."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from iam_guard.engine.arn import account_of, resource_key
from iam_guard.engine.attachments import Attachments, Guardrails, Holder, Policy
from iam_guard.engine.combine import Case, Subject, Target, decide
from iam_guard.engine.compiler import Compiler
from iam_guard.engine.decision import Decision, ReasonType, Verdict
from iam_guard.engine.index import Layer
from iam_guard.engine.memo import Memo
from iam_guard.model import DEFAULT_ACCOUNT, AuthorizationRequest, Context, Principal, PrincipalKind, ascii_lower
from iam_guard.policy.document import Mode, PolicyDocument, PolicyKind
from iam_guard.policy.parse import parse_policy
from iam_guard.policy.source import SourceText

#: How many callers, and accounts with organization policies, are remembered.
MAX_SUBJECTS = 65_536
MAX_ACCOUNTS = 8_192

_NO_LAYER = Layer(())
_FEDERATED_USER = re.compile(r"arn:[^:]*:sts::[^:]*:federated-user/")
_COLONS_BEFORE_ACCOUNT = 3
_WITH_IDENTITY = frozenset({PrincipalKind.USER, PrincipalKind.ROLE_SESSION, PrincipalKind.FEDERATED_USER})


class PolicySet:
    """An immutable, compiled set of policies.

    Compiling is done for a caller and an action when they are first asked about, and kept in bounded
    memories; the attachments themselves never change. Answers depend on the request alone.

    Args:
        attachments: What is attached to whom.
        revision: Names this state of the policies in records.
        compiler: Remembers compiled policies; by default its own. See :meth:`successor`.
    """

    def __init__(self, attachments: Attachments = Attachments(), *, revision: str = "",  # noqa: B008
                 compiler: Compiler | None = None) -> None:
        self.attachments = attachments
        self.revision = revision
        self.speaks_of_groups = bool(attachments.groups)
        self._compiler = compiler or Compiler()
        self._subjects: Memo[str, Subject] = Memo(MAX_SUBJECTS)
        self._guardrails: Memo[str, _GuardrailLayers] = Memo(MAX_ACCOUNTS)
        self._resources = attachments.resources
        self._extraordinary = attachments.decisive | {"sts"}
        self._plain = not (attachments.resources or attachments.guardrails or attachments.endpoint is not None)
        self._endpoint = None if attachments.endpoint is None else self.layer(attachments.endpoint, PolicyKind.ENDPOINT)

    @classmethod
    def from_json(cls, text: str | bytes, *, id: str = "policy", mode: Mode = Mode.STRICT) -> PolicySet:
        """A set of one identity policy, or a JSON list of them, attached to every user, role and session.

        Args:
            text: The document or documents.
            id: What decisions call it; documents of a list are called ``id/0``, ``id/1`` and so on.
            mode: How strictly to read.

        Raises:
            PolicyDocumentError: with every fault and its place.
        """
        source = SourceText(text.decode() if isinstance(text, bytes) else text)
        if not source.text.lstrip().startswith("["):
            return cls.from_documents([parse_policy(source, mode=mode)], id=id)
        return cls.from_documents([parse_policy(one, mode=mode, within=source, base=f"/{place}")
                                   for place, one in enumerate(source.value())], id=id)

    @classmethod
    def from_documents(cls, documents: Iterable[PolicyDocument | Mapping[str, Any]], *,
                       id: str = "policy") -> PolicySet:
        """A set of identity policies attached to every user, role and session.

        Raises:
            PolicyDocumentError: a mapping is not a policy.
        """
        read = [one if isinstance(one, PolicyDocument) else parse_policy(one) for one in documents]
        names = [id] if len(read) == 1 else [f"{id}/{place}" for place in range(len(read))]
        return cls(Attachments(everyone=tuple(map(Policy, names, read))))

    def successor(self, attachments: Attachments, *, revision: str) -> PolicySet:
        """The next state of the same policies: whatever policy is the same object stays compiled.

        Args:
            attachments: What is attached to whom from now on.
            revision: Names that state.
        """
        return PolicySet(attachments, revision=revision, compiler=self._compiler)

    # Asking

    def evaluate(self, request: AuthorizationRequest) -> Decision:
        """Decide. Never raises: what goes wrong is a denial with reason ``evaluation_error``."""
        try:
            who = request.principal
            subject = self._subjects.get(who.key) or self._subject(who)
            if subject.owner and who.session_policies is None and request.resource_policy is None:
                head, owner, _ = request.resource.partition(subject.owner)
                # A name in lower case, owned by the caller's account: the commonest request by far.
                if owner and head.count(":") == _COLONS_BEFORE_ACCOUNT and head.islower() and (
                        not request.resource_account or request.resource_account == who.account):
                    return self._identity_alone(request, subject)
            return self._evaluate(request, who, subject)
        except Exception as problem:  # whatever it is, the answer is no, and says so
            return self._error(request, f"{type(problem).__name__}: {problem}")

    def _identity_alone(self, request: AuthorizationRequest, subject: Subject) -> Decision:
        """Where nothing but the caller's own policies bears on a request, they are the answer."""
        index = subject.identity.actions.get(request.action) or subject.identity.action(request.action)
        if index.service in self._extraordinary:
            return self._evaluate(request, request.principal, subject)
        found = index.find(request.resource, request.context)
        if found is None:
            return Decision(Verdict.IMPLICIT_DENY, ReasonType.IDENTITY, request, self)
        verdict = Verdict.EXPLICIT_DENY if found.deny else Verdict.ALLOWED
        return Decision(verdict, ReasonType.IDENTITY, request, self, found)

    def _evaluate(self, request: AuthorizationRequest, who: Principal, subject: Subject) -> Decision:
        if subject.gone:
            return Decision(Verdict.IMPLICIT_DENY, ReasonType.IDENTITY, request, self)
        if subject.broken or (who.groups is None and self.speaks_of_groups):
            return self._error(request, subject.broken or "the caller's groups are not in the token")
        case = self.case(request, who, subject)
        if ascii_lower(request.action) == "sts:getcalleridentity":
            return case.answer(Verdict.ALLOWED, ReasonType.ALWAYS)
        return decide(case)

    def case(self, request: AuthorizationRequest, who: Principal, subject: Subject) -> Case:
        """Gather everything that bears on a request."""
        session = who.session_policies
        key = resource_key(request.resource)
        return Case(self, request, who, key, request.context, subject, self._target(request, who),
                    None if session is None else self._compiler.given(session, PolicyKind.SESSION), self._endpoint)

    def _error(self, request: AuthorizationRequest, error: str) -> Decision:
        return Decision(Verdict.IMPLICIT_DENY, ReasonType.EVALUATION_ERROR, request, self, error=error)

    def principal_context(self, who: Principal) -> Context:
        """The caller's condition keys, with what this set knows of the caller: tags, id, organization."""
        holder = self.attachments.holders.get(who.role_arn or who.user_arn or who.arn)
        rails = self.attachments.guardrails.get(who.account)
        if holder is None and rails is None:
            return who.context
        known: dict[str, str | tuple[str, ...]] = {}
        if holder is not None:
            known |= {f"aws:principaltag/{ascii_lower(tag)}": value for tag, value in holder.tags.items()}
        known |= who.context
        if holder is not None and holder.unique_id and not who.unique_id:
            known |= _with_id(who, holder)
        if rails is not None and rails.organization_id:
            known["aws:principalorgid"] = rails.organization_id
            known["aws:principalorgpaths"] = (rails.organization_path,)
        return known

    # The caller's side

    def subject_of(self, who: Principal) -> Subject:
        """What grants to and limits a caller."""
        return self._subjects.get(who.key) or self._subject(who)

    def is_gone(self, who: Principal) -> bool:
        """Whether a caller is nobody any more: its user or role was deleted, whoever has the name now."""
        return self.subject_of(who).gone

    def _subject(self, who: Principal) -> Subject:
        return (self._subjects.recall(who.key)
                or self._subjects.keep(who.key, self._make_subject(who, who.role_arn or who.user_arn or who.arn)))

    def _make_subject(self, who: Principal, arn: str) -> Subject:
        rails = self._rails_of(who.account)
        scps = rails.scps if rails and (who.kind in _WITH_IDENTITY or who.kind is PrincipalKind.ROOT) else ()
        if who.kind not in _WITH_IDENTITY:
            return Subject(_NO_LAYER, None, scps)
        found = self.attachments.holders.get(arn)
        holder = found or Holder(arn)
        gone = _gone(who, found)
        broken = holder.broken or gone
        groups = dict.fromkeys((*holder.groups, *(who.groups or ())))
        attached = (*self.attachments.everyone, *holder.policies,
                    *(policy for group in groups for policy in self.attachments.groups.get(group, ())))
        boundary = self.layer((holder.boundary,), PolicyKind.BOUNDARY) if holder.boundary else None
        more = (boundary or scps or broken or who.kind is PrincipalKind.FEDERATED_USER
                or (who.groups is None and self.speaks_of_groups) or not self._plain)
        return Subject(self.layer(attached, PolicyKind.IDENTITY), boundary, scps, broken,
                       "" if more else f":{who.account}:", bool(gone))

    def _rails_of(self, account: str) -> _GuardrailLayers | None:
        found = self._guardrails.get(account) or self._guardrails.recall(account)
        if found is None and (rails := self.attachments.guardrails.get(account)) is not None:
            found = self._guardrails.keep(account, _GuardrailLayers(self, rails))
        return found

    # The resource's side

    def _target(self, request: AuthorizationRequest, who: Principal) -> Target:
        resource = request.resource
        if resource == "*":
            owner = request.resource_account or who.account
        else:
            owner = request.resource_account or account_of(resource) or DEFAULT_ACCOUNT
        service = request.action.partition(":")[0].lower()
        rails = self._rails_of(owner)
        same = who.account == owner
        return Target(self._resource_policy(request, service),
                      ReasonType.TRUST if service == "sts" else ReasonType.RESOURCE,
                      rails.rcps if rails else (), self._is_decisive(service, resource), same)

    def _is_decisive(self, service: str, resource: str) -> bool:
        """Whether the resource's own policy has to allow: of what the token service works on, roles alone have one."""
        return service in self.attachments.decisive and (service != "sts" or not _FEDERATED_USER.match(resource))

    def _resource_policy(self, request: AuthorizationRequest, service: str) -> Layer | None:
        kind = PolicyKind.TRUST if service == "sts" else PolicyKind.RESOURCE
        if request.resource_policy is not None:
            return self._compiler.given((request.resource_policy,), kind)
        policy = self._resources.get(request.resource) if self._resources else None
        return None if policy is None else self.layer((policy,), kind)

    def layer(self, policies: Sequence[Policy], kind: PolicyKind) -> Layer:
        """Policies that count together, compiled."""
        return self._compiler.layer(policies, kind)


def _gone(who: Principal, holder: Holder | None) -> str:
    """Why a caller is not the user or role that has the name now, empty when it may be.

    A session outlives neither its role nor its user: whoever gets the name later is somebody else (threat E25).
    An issuer that vouches for a unique id speaks of the same directory, so nobody having the name is no excuse.
    """
    if not who.unique_id:
        return ""
    if holder is None:
        return "the caller's user or role is gone" if who.issuer else ""
    if holder.unique_id and holder.unique_id != who.unique_id:
        return "the caller's user or role is gone; another has its name"
    return ""


def _with_id(who: Principal, holder: Holder) -> dict[str, str | tuple[str, ...]]:
    if who.kind is PrincipalKind.ROLE_SESSION:
        return {"aws:userid": f"{holder.unique_id}:{who.name}"}
    return {"aws:userid": holder.unique_id} if who.kind is PrincipalKind.USER else {}


class _GuardrailLayers:
    """The organization policies over one account, compiled."""

    __slots__ = ("rcps", "scps")

    def __init__(self, policies: PolicySet, rails: Guardrails) -> None:
        subject = not rails.is_management
        self.scps = tuple(policies.layer(level, PolicyKind.SCP) for level in rails.scps or ()) if subject else ()
        self.rcps = tuple(policies.layer(level, PolicyKind.RCP) for level in rails.rcps) if subject else ()
