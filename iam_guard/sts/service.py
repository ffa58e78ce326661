"""TokenService: sessions for those whom policies allow them (language specification, section 6). No HTTP here.

    checks of the request -> role -> what policies say -> tags, policies, duration -> signed token

Whoever may not assume a role learns nothing of it, not even whether it exists.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from iam_guard.directory.entities import Role
from iam_guard.directory.port import DirectoryStore
from iam_guard.directory.session_secrets import SessionSecrets
from iam_guard.engine.arn import account_of
from iam_guard.errors import ConfigurationError, Fault, TokenServiceError
from iam_guard.guard import Guard
from iam_guard.identity.sessions import Session
from iam_guard.model import EMPTY, Principal, PrincipalKind
from iam_guard.sts import parameters
from iam_guard.sts.facts import Facts, facts_of
from iam_guard.sts.grant import Draft, Grant, Mint, new_session_id
from iam_guard.sts.mfa import MFADevices, NoDevices
from iam_guard.sts.parameters import (
    AssumeRole,
    AssumeRoleWithWebIdentity,
    GetFederationToken,
    GetSessionToken,
    check_duration,
    invalid,
)
from iam_guard.sts.permission import Permission, check_allowed, denied
from iam_guard.sts.policies import session_policies
from iam_guard.sts.signing import KeySupply
from iam_guard.sts.tags import SessionTags, session_tags
from iam_guard.sts.web_identity import WebIdentity


class TokenService:
    """Gives sessions.

    All methods may block on the directory.

    Args:
        guard: Decides who may have a session; it follows the same directory.
        store: The directory that roles and users are in.
        issuer: The name of this service, ``iss`` of its tokens.
        audience: What the tokens are for: the services whose guards accept them.
        keys: Sign the tokens.
        devices: Know second factors.
        clock: Seconds since the epoch.
        new_id: Makes the name of a credential.
        secrets: Makes what sessions sign requests with; without it, no session is given for that.
        used: Told of every role that was assumed.

    Raises:
        ConfigurationError: the issuer or the audience has no name.
    """

    def __init__(self, guard: Guard, store: DirectoryStore, *, issuer: str, audience: str | tuple[str, ...],
                 keys: KeySupply, devices: MFADevices | None = None, clock: Callable[[], float] = time.time,
                 new_id: Callable[[], str] = new_session_id, secrets: SessionSecrets | None = None,
                 used: Callable[[Role], None] | None = None) -> None:
        audiences = (audience,) if isinstance(audience, str) else tuple(audience)
        if not issuer or not audiences or not all(audiences):
            raise ConfigurationError(Fault("the token service or what its tokens are for has no name"))
        self._guard, self.store, self._clock, self._used = guard, store, clock, used
        self._devices = devices or NoDevices()
        self._mint = Mint(issuer, audiences, keys, clock, new_id, secrets)
        self.issuer, self.audience, self.keys = issuer, audiences, keys

    # --- roles ----------------------------------------------------------------------------------------------

    def assume_role(self, caller: Principal, wanted: AssumeRole, *, client: str = "",
                    signs: bool = False) -> Grant:
        """Give a session of a role to a user, to a session of another role, or to a service that acts for itself.

        Args:
            caller: Who asks.
            wanted: What for.
            client: Through which OAuth client; the caller by default.
            signs: For signing requests (AWS Signature Version 4), and not for bearers.

        Raises:
            TokenServiceError: not.
            MalformedPolicyDocumentError: the session policy cannot be read.
            UnavailableError: the directory or the keys cannot be had.
        """
        parameters.check_role_request(wanted)
        self._check_caller(caller, PrincipalKind.USER, PrincipalKind.ROLE_SESSION, PrincipalKind.SERVICE)
        chained = caller.kind is PrincipalKind.ROLE_SESSION
        tags = session_tags(caller, wanted.tags, wanted.transitive_tag_keys)
        source = _source_identity(caller, wanted.source_identity)
        asking = self._with_factor(caller, wanted.serial_number, wanted.token_code)
        with facts_of(self.store) as facts:
            role = self._permitted(asking, wanted, facts, tags, source)
            session = Session(kind="role", id=role.id, holder=role.arn, tags=tags.all, transitive=tags.transitive,
                              policies=session_policies(wanted, facts, role.account), source_identity=source)
        return self._role_session(role, wanted, session, client or caller.arn, chained=chained, signs=signs)

    def assume_role_with_web_identity(self, identity: WebIdentity, wanted: AssumeRoleWithWebIdentity, *,
                                      client: str = "", signs: bool = False) -> Grant:
        """Give a session of a role to whoever a provider vouches for.

        Args:
            identity: Who asks; see :meth:`~iam_guard.sts.web_identity.WebIdentities.verify`.
            wanted: What for.
            client: Through which OAuth client; whom the provider's token is for by default.
            signs: See :meth:`assume_role`.

        Raises:
            TokenServiceError: not.
            MalformedPolicyDocumentError: the session policy cannot be read.
            UnavailableError: the directory or the keys cannot be had.
        """
        parameters.check_role_request(wanted)
        if wanted.tags:
            raise invalid("Tags of a web identity come with its token.")
        parameters.check_tags(identity.tags)
        parameters.check_source_identity(identity.source_identity)
        account = account_of(wanted.role_arn)
        caller = identity.caller(account, wanted.role_arn.split(":")[1] if ":" in wanted.role_arn else "")
        tags, source = session_tags(caller, identity.tags, identity.transitive), identity.source_identity or ""
        if account not in identity.provider.accounts:
            raise denied(caller, "sts:AssumeRoleWithWebIdentity", wanted.role_arn)
        with facts_of(self.store) as facts:
            role = self._permitted(caller, wanted, facts, tags, source)
            session = Session(kind="role", id=role.id, holder=role.arn, tags=tags.all, transitive=tags.transitive,
                              policies=session_policies(wanted, facts, role.account), source_identity=source,
                              provider=caller.arn, keys=identity.lasting)
        return self._role_session(role, wanted, session, client or identity.audience, chained=False,
                                  signs=signs)

    def _permitted(self, caller: Principal, wanted: AssumeRole | AssumeRoleWithWebIdentity, facts: Facts,
                   tags: SessionTags, source: str) -> Role:
        """The role, if every action that the request takes is allowed.

        Raises:
            TokenServiceError: one is not, or there is no such role; both read the same.
        """
        action = f"sts:{type(wanted).__name__}"
        role = facts.role(wanted.role_arn)
        permission = Permission(caller, wanted, wanted.role_arn, tags, role.tags if role else EMPTY)
        check_allowed(self._guard, permission, action, source=source, exists=role is not None)
        assert role is not None
        return role

    def _role_session(self, role: Role, wanted: AssumeRole | AssumeRoleWithWebIdentity, session: Session, client: str,
                      *, chained: bool, signs: bool) -> Grant:
        longest = role.max_session_duration
        check_duration(wanted.duration_seconds, min(longest, parameters.CHAINED_LONGEST) if chained else longest)
        name = wanted.role_session_name
        arn = f"arn:{role.arn.split(':')[1]}:sts::{role.account}:assumed-role/{role.name}/{name}"
        seconds = wanted.duration_seconds or parameters.ROLE_DEFAULT
        grant = self._mint.grant(Draft(arn, f"{role.id}:{name}", client, seconds, session, signs))
        if self._used is not None:
            self._used(role)
        return grant

    # --- users ----------------------------------------------------------------------------------------------

    def get_session_token(self, caller: Principal, wanted: GetSessionToken, *, client: str = "",
                          signs: bool = False) -> Grant:
        """Give a user a session of its own, so that its key is used no more than this once. No permission is needed.

        Raises:
            TokenServiceError: the caller has no long-term credentials, or the request is not acceptable.
            UnavailableError: the directory or the keys cannot be had.
        """
        self._check_long_term(caller, PrincipalKind.USER, PrincipalKind.ROOT)
        root = caller.kind is PrincipalKind.ROOT
        check_duration(wanted.duration_seconds, parameters.ROLE_DEFAULT if root else parameters.USER_LONGEST)
        parameters.check_device(wanted.serial_number, wanted.token_code)
        proved = self._with_factor(caller, wanted.serial_number, wanted.token_code).mfa_at
        mfa_at = None if proved is None else int(proved)
        seconds = wanted.duration_seconds or (parameters.ROLE_DEFAULT if root else parameters.USER_DEFAULT)
        id = "" if root else self._user_id(caller)  # noqa: A001
        session = Session(kind="root" if root else "user", id=id, mfa_at=mfa_at)
        return self._mint.grant(Draft(caller.arn, id or caller.account, client or caller.arn, seconds, session, signs))

    def get_federation_token(self, caller: Principal, wanted: GetFederationToken, *, client: str = "",
                             signs: bool = False) -> Grant:
        """Give a session to somebody whom a user vouches for; it may do what both the user and its policies allow.

        Raises:
            TokenServiceError: not.
            MalformedPolicyDocumentError: the session policy cannot be read.
            UnavailableError: the directory or the keys cannot be had.
        """
        parameters.check_federation_request(wanted)
        self._check_long_term(caller, PrincipalKind.USER)
        arn = f"arn:{caller.arn.split(':')[1]}:sts::{caller.account}:federated-user/{wanted.name}"
        tags = SessionTags(wanted.tags, {}, ())
        permission = Permission(caller, wanted, arn, tags, EMPTY)
        check_allowed(self._guard, permission, "sts:GetFederationToken", source="", exists=True)
        with facts_of(self.store) as facts:
            policies = session_policies(wanted, facts, caller.account)
        session = Session(kind="federated-user", id=self._user_id(caller), holder=caller.arn, tags=tags.all,
                          policies=policies)
        seconds = wanted.duration_seconds or parameters.USER_DEFAULT
        return self._mint.grant(Draft(arn, f"{caller.account}:{wanted.name}", client or caller.arn, seconds, session,
                                      signs))

    def get_caller_identity(self, caller: Principal) -> dict[str, str]:
        """Say who asks; nothing can deny it.

        Raises:
            TokenServiceError: nobody does, or somebody whose session has ended.
        """
        self._check_caller(caller, *(kind for kind in PrincipalKind if kind is not PrincipalKind.ANONYMOUS))
        _, known = self._guard.outlook(caller)
        return {"UserId": str(known.get("aws:userid", caller.arn)), "Account": caller.account, "Arn": caller.arn}

    # --- callers --------------------------------------------------------------------------------------------

    def _check_caller(self, caller: Principal, *kinds: PrincipalKind) -> None:
        if caller.expires_at is not None and self._clock() >= caller.expires_at:
            raise TokenServiceError("ExpiredTokenException", "The caller's session has ended.")
        if caller.kind not in kinds:
            raise TokenServiceError("AccessDenied", "Callers of this kind cannot ask for such a session.")

    def _check_long_term(self, caller: Principal, *kinds: PrincipalKind) -> None:
        """A session cannot make itself longer, so it takes credentials that do not end by themselves."""
        self._check_caller(caller, *kinds)
        if caller.expires_at is not None:
            raise TokenServiceError("AccessDenied", "A session cannot ask for such a session.")

    def _user_id(self, caller: Principal) -> str:
        with facts_of(self.store) as facts:
            user = facts.user(caller.arn, caller.unique_id)
        if user is None:
            raise TokenServiceError("AccessDenied", "The caller is no user of this directory.")
        return user.id

    def _with_factor(self, caller: Principal, serial_number: str | None, token_code: str | None) -> Principal:
        """The caller with a second factor, when one is shown.

        Raises:
            TokenServiceError: it is not this caller's, or not right.
        """
        if serial_number is None or token_code is None:
            return caller
        now, is_user = self._clock(), caller.kind is PrincipalKind.USER
        if not is_user or not self._devices.proves(caller.arn, serial_number, token_code, now):
            raise TokenServiceError("AccessDenied", "The second factor is not right.")
        return replace(caller, attributes={**caller.attributes, "aws:MultiFactorAuthPresent": True}, mfa_at=now)


def _source_identity(caller: Principal, wanted: str | None) -> str:
    """Who began it all: once that is said, it stays (language specification, section 6.6).

    Raises:
        TokenServiceError: another is asked for than the caller's session has.
    """
    known = caller.context.get("aws:sourceidentity", "")
    if isinstance(known, str) and known and wanted not in (None, known):
        raise TokenServiceError("AccessDenied", "The source identity of a session cannot be changed.")
    return wanted or str(known)
