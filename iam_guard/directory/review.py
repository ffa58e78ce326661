"""The review of a write before it is kept: has it given anybody more than its author had?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property

from iam_guard.directory.affected import Affected, affected_by, boundaries_touched, touches_everybody
from iam_guard.directory.containment import BEYOND, Rights, excess, names_beyond
from iam_guard.directory.effective import NOTHING, Instead, pages
from iam_guard.directory.entities import AnyEntity, Kind, ResourcePolicy, Role, User
from iam_guard.directory.fences import fence_off, statements_of
from iam_guard.directory.operation import Work
from iam_guard.directory.port import Entry
from iam_guard.directory.regions import WHOLE, Reader, Region, plain
from iam_guard.directory.rights import Bearing, allowed, bearing_of_group, bearing_on, keys_of_provider, rights
from iam_guard.engine.arn import resource_key
from iam_guard.engine.attachments import Attachments, Policy
from iam_guard.engine.decision import Decision
from iam_guard.engine.policy_set import PolicySet
from iam_guard.engine.statement import CompiledStatement
from iam_guard.errors import OperationDeniedError
from iam_guard.model import Principal, ascii_lower
from iam_guard.policy.document import Effect, PolicyDocument, PolicyKind, Statement

Ask = Callable[[str, str], Decision]


class Review:
    """Holds what a write changed against what its author could do before.

    Args:
        before: The policies as they were.
        after: What is attached to whom now.
        work: The write; its caller is the author.
        entries: What it changed.
        ask: Decides an action of the author's on a resource, by the policies as they were.
    """

    def __init__(self, before: PolicySet, after: Attachments, work: Work, entries: Sequence[Entry], ask: Ask) -> None:
        self._before, self._after, self._work, self._entries, self._ask = before.attachments, after, work, entries, ask
        self._was: Instead = {entry.key: entry.before for entry in entries}
        self._personal = keys_of_provider(work.caller)
        self._fenced: dict[tuple[bool, bool], tuple[Statement, ...]] = {}

    def review(self) -> None:
        """Look at everything.

        Raises:
            OperationDeniedError: it gives somebody more, or takes away what limits its author.
        """
        self._check_own_boundary()
        for one in affected_by(self._entries, self._work.tx):
            self._check_rights(one)
        for entry in self._entries:
            if entry.key.kind is Kind.RESOURCE_POLICY:
                self._check_resource(entry)
            elif isinstance(entry.after, User | Role):
                self._check_name(entry.before, entry.after)
        if any(map(touches_everybody, self._entries)):
            self._refuse_unless_beyond("*", () if self._granter.is_unlimited else (WHOLE,), "everybody")

    # --- the author -----------------------------------------------------------------------------------------

    @cached_property
    def _bearing(self) -> Bearing:
        return bearing_on(self._before, self._work.caller, self._fences(self._was, exact=False))

    @cached_property
    def _granter(self) -> Rights:
        """What the author could do before, at the least."""
        return rights(self._bearing, wider=False, personal=self._personal)

    def _check_own_boundary(self) -> None:
        who = self._work.caller
        arn = who.role_arn or who.user_arn or who.arn
        holder = self._before.holders.get(arn)
        boundary = holder.boundary.id if holder is not None and holder.boundary else ""
        for entry in self._entries:
            owner, policy = boundaries_touched(entry)
            if (boundary and policy == boundary) or (owner and owner == arn):
                raise OperationDeniedError(f"Nobody may change their own permissions boundary, and {arn} is limited "
                                           f"by {boundary or 'one'}.")

    # --- users, roles and groups ----------------------------------------------------------------------------

    def _check_rights(self, one: Affected) -> None:
        here, there = self._was.get(one.key, self._work.tx.get(one.key)), self._work.tx.get(one.key)
        if there is None:
            return
        arn = getattr(there, "arn", "")
        before = self._bearing_of(self._before, here, self._was)
        after = self._bearing_of(self._after, there, NOTHING)
        wholly = one.wholly and not self._is_author(arn)
        if after is None or (before == after and not wholly and not _is_another(here, there)):
            return
        inner = rights(after, wider=True, personal=self._personal)
        among: Iterable[Region] | None = None
        if before is not None and not wholly and not self._is_open(before, after, _is_another(here, there)):
            known = rights(before, wider=True, personal=self._personal)
            among = [region for region in (*inner.grants, *inner.assured)
                     if region not in known.grants and region not in known.assured]
        self._refuse_unless_beyond(arn, excess(inner, self._granter, among), arn)

    def _is_author(self, arn: str) -> bool:
        """Whether it is the author, with no fewer rights now than a key or password of its own would give."""
        who = self._work.caller
        return arn == who.arn and who.session_policies is None

    def _is_open(self, before: Bearing, after: Bearing, another: bool) -> bool:
        """Whether what was granted before may reach further now."""
        reader = Reader(wider=True, known={}, personal=self._personal)
        return after.is_looser_than(before) or (another and (before.is_personal(reader) or after.is_personal(reader)))

    def _bearing_of(self, attachments: Attachments, entity: AnyEntity | None, was: Instead) -> Bearing | None:
        if entity is None:
            return None
        fences = self._fences(was, exact=True)
        arn = getattr(entity, "arn", "")
        if isinstance(entity, User | Role):
            return bearing_on(attachments, Principal.from_arn(arn), fences)
        return bearing_of_group(attachments, entity.account, arn, fences)

    # --- resources ------------------------------------------------------------------------------------------

    def _check_resource(self, entry: Entry) -> None:
        """What a resource's policy newly allows, and no longer denies, anybody may do."""
        here, there = statements_of(entry.before), statements_of(entry.after)
        old, new = set(map(plain, here)), set(map(plain, there))
        given = [one for one in allowed(there) if plain(one) not in old]
        given += [replace(one, effect=Effect.ALLOW, conditions=(), broken=()) for one in here
                  if one.is_deny and plain(one) not in new]
        self._check_given(entry.key.name, given, "whoever it names")

    def _check_name(self, here: AnyEntity | None, there: User | Role) -> None:
        """What was granted to a name or a tag before anybody had it, whoever gets it now may do."""
        words = [] if getattr(here, "arn", "") == there.arn else [there.arn]
        words += [] if getattr(here, "tags", {}) == there.tags else ["aws:principaltag/"]
        for entity in pages(self._work.tx, Kind.RESOURCE_POLICY, self._work.account) if words else ():
            if isinstance(entity, ResourcePolicy) and there.arn not in entity.named_ids:
                given = [one for one in allowed(statements_of(entity)) if _mentions(one, words)]
                self._check_given(entity.arn, given, there.arn)
        for role in pages(self._work.tx, Kind.ROLE, self._work.account) if words else ():
            if (isinstance(role, Role) and there.arn not in role.trusted_ids
                    and any(word in ascii_lower(role.trust) for word in map(ascii_lower, words))):
                self._check_rights(Affected(role.key, wholly=True))

    def _check_given(self, arn: str, given: Iterable[Statement], whom: str) -> None:
        reader = Reader(wider=True, known={}, personal=self._personal)
        inner = Rights(self._work.account, tuple(reader.regions(fence_off(arn, given))))
        self._refuse_unless_beyond(arn, excess(inner, self._granter), whom)

    def _fences(self, was: Instead, *, exact: bool) -> tuple[Statement, ...]:
        """What the account's resource policies deny: they may bind one and spare another."""
        known = (exact, was is self._was)
        if known not in self._fenced:
            self._fenced[known] = tuple(self._denials(was, exact))
        return self._fenced[known]

    def _denials(self, was: Instead, exact: bool) -> Iterator[Statement]:
        now = pages(self._work.tx, Kind.RESOURCE_POLICY, self._work.account)
        changed = [entity for key, entity in was.items() if key.kind is Kind.RESOURCE_POLICY]
        for entity in (*changed, *(one for one in now if one.key not in was)):
            if isinstance(entity, ResourcePolicy) and "Deny" in entity.document:
                denials = [one for one in statements_of(entity) if one.is_deny]
                yield from fence_off(entity.arn, denials, exact=exact)

    # --- beyond ---------------------------------------------------------------------------------------------

    def _refuse_unless_beyond(self, arn: str, too_much: Sequence[Region], whom: str) -> None:
        if too_much and not self._may_go_beyond(arn):
            raise OperationDeniedError(f"This would give {whom} rights that {self._work.caller.arn or 'the caller'} "
                                       f"does not have for sure: {too_much[0]}. It takes {BEYOND}.")

    def _may_go_beyond(self, arn: str) -> bool:
        """Whether the author may grant more than it has, and was given that permission by name."""
        decision = self._ask(BEYOND, arn)
        context, key = decision.request.context, resource_key(arn)
        reader = Reader(wider=True, known=self._bearing.known, personal=self._personal)
        return decision.allowed and any(
            (region := reader.region(one)) is not None and names_beyond(region) and _applies(one, key, context)
            for one in allowed(self._bearing.own))


def _applies(one: Statement, key: str, context: object) -> bool:
    compiled = CompiledStatement(Policy("", PolicyDocument((one,))), PolicyKind.IDENTITY, one)
    return compiled.speaks_of_resource(key, context) and (compiled.holds is None or compiled.holds(context))  # type: ignore[arg-type]


def _mentions(one: Statement, words: Iterable[str]) -> bool:
    """Whether a statement of a resource's policy names somebody, or turns on a tag."""
    names = [name for _, name in one.principals.entries] if one.principals else []
    texts = [text for condition in one.conditions for text in (condition.key, *condition.values)]
    said = ascii_lower(" ".join((*names, *texts, *(one.resources or ()))))
    return any(ascii_lower(word) in said for word in words)


def _is_another(before: AnyEntity | None, after: AnyEntity | None) -> bool:
    """Whether conditions about who somebody is may have another outcome."""
    return any(getattr(before, name, None) != getattr(after, name, None) for name in ("arn", "tags", "id"))
