"""Sessions as claims: what a token of our own token service says of its holder, and the principal that this makes.

A session token is an access token (RFC 9068) with one claim more, ``iam_guard``. It holds whatever the guard has to
know of a session, so that a request is decided without asking anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from iam_guard.errors import AuthenticationError, PolicyDocumentError
from iam_guard.identity.claims import ClaimMapping
from iam_guard.model import ContextValue, Principal, PrincipalKind
from iam_guard.policy.document import Mode, PolicyDocument, PolicyKind
from iam_guard.policy.parse import parse_policy

#: The claim that holds a session.
SESSION_CLAIM = "iam_guard"
#: Where the names of transitive tags travel with a caller, for the token service alone.
TRANSITIVE_KEY = "iam_guard:TransitiveTagKeys"

_KINDS = {"root": PrincipalKind.ROOT, "user": PrincipalKind.USER, "role": PrincipalKind.ROLE_SESSION,
          "federated-user": PrincipalKind.FEDERATED_USER}


class Session(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a session is, besides its subject and times.

    Attributes:
        kind: Whose session: of an account's root, a user, a role, or somebody a user vouches for.
        id: Unique id of that role or user; the session ends with it. Empty for root.
        holder: ARN of the role, or of the user who vouches; empty where that is the subject itself.
        tags: Session tags.
        transitive: Names of those that go on to the next session.
        policies: Session policies as JSON text; ``None`` when none were given.
        source_identity: Who began it all.
        provider: ARN of the provider whose token the session was given for.
        mfa_at: When a second factor was proved, in seconds since the epoch.
        keys: Further condition keys that stay with the session.
    """

    kind: Literal["root", "user", "role", "federated-user"]
    id: str = ""
    holder: str = ""
    tags: dict[str, str] = {}
    transitive: tuple[str, ...] = ()
    policies: tuple[str, ...] | None = None
    source_identity: str = ""
    provider: str = ""
    mfa_at: int | None = None
    keys: dict[str, str | tuple[str, ...]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionMapping(ClaimMapping):
    """In place of a mapping of claims: the token is a session and says itself whom it names.

    Its names are the directory's own, so that they mean the same as those of any issuer mapped into its accounts.
    """

    shares_names: bool = True


def principal_from_session(claims: Mapping[str, Any], *, expires_at: float) -> Principal:
    """Make the principal of a session.

    Args:
        claims: The payload of a token that was checked in every respect.
        expires_at: When the session ends, in seconds since the epoch.

    Raises:
        AuthenticationError: it is no session, or one that cannot be read whole.
    """
    try:
        session = msgspec.convert(claims.get(SESSION_CLAIM), Session)
        policies = None if session.policies is None else tuple(map(_read, session.policies))
        who = _named(claims["sub"], session)
        issued_at = datetime.fromtimestamp(claims["iat"], UTC)
    except (msgspec.ValidationError, PolicyDocumentError, ValueError, KeyError, TypeError, OverflowError) as problem:
        raise AuthenticationError("The access token does not name a usable caller",
                                  detail=f"the session cannot be read: {type(problem).__name__}") from None
    return Principal(
        who.kind, who.arn, who.account, role_arn=who.role_arn, user_arn=who.user_arn, unique_id=session.id,
        tags=session.tags, session_policies=policies, attributes=_attributes(claims, session, issued_at),
        issuer=claims["iss"], subject=claims["sub"], expires_at=expires_at, mfa_at=session.mfa_at)


def _named(arn: str, session: Session) -> Principal:
    """The caller by name alone.

    Raises:
        ValueError: the names do not fit the kind of session, or each other.
    """
    holder = {"role": {"role_arn": session.holder}, "federated-user": {"user_arn": session.holder}}
    who = Principal.from_arn(arn, **holder.get(session.kind, {}))
    named = bool(session.holder) == (session.kind in holder) and bool(session.id) == (session.kind != "root")
    if who.kind is not _KINDS[session.kind] or not named or arn.endswith("/-"):
        raise ValueError("the subject does not fit the session")
    if session.holder and session.holder.split(":")[4] != who.account:
        raise ValueError("the session is in another account than its holder")
    return who


def _read(text: str) -> PolicyDocument:
    # It was read strictly when it was given, or is a managed policy that the directory had imported.
    return parse_policy(text, kind=PolicyKind.SESSION, mode=Mode.IMPORT)


def _attributes(claims: Mapping[str, Any], session: Session, issued_at: datetime) -> dict[str, ContextValue]:
    """Condition keys that travel with the caller (language specification, section 4.2)."""
    audience = claims["aud"]
    keys: dict[str, ContextValue] = {
        **session.keys,
        "jwt:iss": claims["iss"], "jwt:sub": claims["sub"],
        "jwt:aud": (audience,) if isinstance(audience, str) else tuple(audience),
        "aws:TokenIssueTime": issued_at,
        "aws:MultiFactorAuthPresent": session.mfa_at is not None,
    }
    optional = {"aws:SourceIdentity": session.source_identity, "aws:FederatedProvider": session.provider,
                "jwt:client_id": claims.get("client_id"), TRANSITIVE_KEY: session.transitive}
    return keys | {key: value for key, value in optional.items() if value}
