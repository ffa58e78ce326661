"""Passwords of users, and what an account asks of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import msgspec
from msgspec.structs import replace

from iam_guard.directory.entities import Account, Key, Kind, PasswordPolicy, User
from iam_guard.directory.operation import Answer, Operation, Work
from iam_guard.directory.operations.access_keys import OwnOperation, user_context, user_named
from iam_guard.directory.shapes import Shape
from iam_guard.errors import EntityAlreadyExistsError, InvalidInputError, NoSuchEntityError, OperationDeniedError
from iam_guard.model import ContextValue, PrincipalKind, ascii_lower

_LONGEST = 128
_KINDS_BY_DEFAULT = 3
_SYMBOLS = frozenset("!@#$%^&*()_+-=[]{}|'")


# --- what a password has to be --------------------------------------------------------------------------


def account_of(work: Work) -> Account:
    """The account that is worked in; one that nothing was said of yet is like any other."""
    found = work.tx.get(Key(Kind.ACCOUNT, work.account, work.account))
    return found if isinstance(found, Account) else Account(account=work.account)


def check_new_password(password: str, user: User, work: Work) -> None:
    """Check a password to be.

    Raises:
        InvalidInputError: the account asks for another. The message says in what respect, and not what it was.
    """
    if not 1 <= len(password) <= _LONGEST or not all(char in "\t\n\r" or " " <= char <= "\xff" for char in password):
        raise InvalidInputError(f"A password has 1 to {_LONGEST} characters of Latin-1.")
    if ascii_lower(password) == ascii_lower(user.name):
        raise InvalidInputError("The password must not be the name of the user.")
    policy = account_of(work).password_policy
    if policy is None:
        _check_default(password)
        return
    if missing := [what for what, is_met in _demands(password, policy) if not is_met]:
        raise InvalidInputError(f"Password does not conform to the account password policy: {', '.join(missing)}.")
    _check_fresh(password, user, policy, work)


def _kinds(password: str) -> dict[str, bool]:
    """Which kinds of character a password has; letters of other alphabets are of no kind."""
    return {"an uppercase letter": any("A" <= char <= "Z" for char in password),
            "a lowercase letter": any("a" <= char <= "z" for char in password),
            "a number": any("0" <= char <= "9" for char in password),
            "a symbol": any(char in _SYMBOLS for char in password)}


def _check_default(password: str) -> None:
    if len(password) < PasswordPolicy().minimum_length or sum(_kinds(password).values()) < _KINDS_BY_DEFAULT:
        raise InvalidInputError("Password does not conform to the account password policy: it must have at least "
                                f"{PasswordPolicy().minimum_length} characters, of at least {_KINDS_BY_DEFAULT} of "
                                "these: uppercase letters, lowercase letters, numbers, symbols.")


def _demands(password: str, policy: PasswordPolicy) -> list[tuple[str, bool]]:
    asked = (policy.uppercase, policy.lowercase, policy.numbers, policy.symbols)
    kinds = [(what, has or not is_asked) for (what, has), is_asked in zip(_kinds(password).items(), asked, strict=True)]
    return [(f"at least {policy.minimum_length} characters", len(password) >= policy.minimum_length), *kinds]


def _check_fresh(password: str, user: User, policy: PasswordPolicy, work: Work) -> None:
    if any(work.secrets.check_password(former, password) for former in _known(user)[: policy.reuse_prevention]):
        raise InvalidInputError("Password does not conform to the account password policy: it was used before.")


def _with_password(user: User, password: str, work: Work, *, reset: bool) -> User:
    """The user once the password is changed. As many former ones are remembered as the account asks for."""
    kept = max(_reuse_prevention(work) - 1, 0)
    return replace(user, password=work.secrets.hash_password(password), password_history=_known(user)[:kept],
                   password_created=work.timestamp, password_reset_required=reset)


def _known(user: User) -> tuple[str, ...]:
    """Hashes of the password and of those before it."""
    return tuple(one for one in (user.password, *user.password_history) if one)


def _reuse_prevention(work: Work) -> int:
    policy = account_of(work).password_policy
    return policy.reuse_prevention if policy else 0


# --- login profiles -------------------------------------------------------------------------------------


class LoginOperation(OwnOperation, frozen=True, kw_only=True):
    """An operation on whether and how a user signs in."""

    def with_login(self, work: Work) -> User:
        """The user, who has a password.

        Raises:
            NoSuchEntityError: there is no such user, or no password.
        """
        user = self.user(work)
        if not user.password:
            raise NoSuchEntityError(f"Login Profile for User {user.name} cannot be found.")
        return user


def _login_shape(user: User) -> Shape:
    return {"UserName": user.name, "CreateDate": user.password_created,
            "PasswordResetRequired": user.password_reset_required}


class CreateLoginProfile(LoginOperation, frozen=True, kw_only=True):
    """Give a user a password.

    Attributes:
        password: Which.
        password_reset_required: Whether it has to be changed at the first sign-in.
    """

    grants: ClassVar[bool] = True
    secret: ClassVar[frozenset[str]] = frozenset({"Password"})

    password: str
    password_reset_required: bool = False

    def run(self, work: Work) -> Answer:
        """Give it."""
        user = self.user(work)
        if user.password:
            raise EntityAlreadyExistsError(f"Login Profile for User {user.name} already exists.")
        check_new_password(self.password, user, work)
        user = _with_password(user, self.password, work, reset=self.password_reset_required)
        work.tx.put(user)
        return {"LoginProfile": _login_shape(user)}


class GetLoginProfile(LoginOperation, frozen=True, kw_only=True):
    """Tell whether a user has a password."""

    changes: ClassVar[bool] = False

    def run(self, work: Work) -> Answer:
        """Tell."""
        return {"LoginProfile": _login_shape(self.with_login(work))}


class UpdateLoginProfile(LoginOperation, frozen=True, kw_only=True):
    """Give a user another password, or ask for a change of it.

    Attributes:
        password: The new one; unchanged when left out.
        password_reset_required: Whether it has to be changed at the next sign-in; as before when left out.
    """

    grants: ClassVar[bool] = True
    secret: ClassVar[frozenset[str]] = frozenset({"Password"})

    password: str | None = None
    password_reset_required: bool | None = None

    def run(self, work: Work) -> Answer:
        """Change it."""
        user = self.with_login(work)
        reset = user.password_reset_required if self.password_reset_required is None else self.password_reset_required
        if self.password is None:
            work.tx.put(replace(user, password_reset_required=reset))
            return {}
        check_new_password(self.password, user, work)
        work.tx.put(_with_password(user, self.password, work, reset=reset))
        return {}


class DeleteLoginProfile(LoginOperation, frozen=True, kw_only=True):
    """Take a user's password away; what it was stays remembered, so that it is not given again."""

    def run(self, work: Work) -> Answer:
        """Take it away."""
        user = self.with_login(work)
        work.tx.put(replace(user, password="", password_created="", password_reset_required=False,
                            password_history=_known(user)[: _reuse_prevention(work)]))
        return {}


class ChangePassword(Operation, frozen=True, kw_only=True):
    """Change one's own password.

    Attributes:
        old_password: Proves that it is oneself.
        new_password: The new one.
    """

    secret: ClassVar[frozenset[str]] = frozenset({"OldPassword", "NewPassword"})

    old_password: str
    new_password: str

    def resource(self, work: Work) -> str:
        """The caller."""
        return work.arn_of(Kind.USER, user_named(work, ""))

    def context(self, work: Work) -> Mapping[str, ContextValue]:
        """The caller's tags."""
        return user_context(work, user_named(work, ""))

    def run(self, work: Work) -> Answer:
        """Change it."""
        if work.caller.kind is not PrincipalKind.USER:
            raise OperationDeniedError("only users have passwords to change")
        user = work.find(User, Kind.USER, user_named(work, ""))
        if not work.secrets.check_password(user.password, self.old_password):
            raise OperationDeniedError("the old password is not right")
        check_new_password(self.new_password, user, work)
        work.tx.put(_with_password(user, self.new_password, work, reset=False))
        return {}


# --- what an account asks -------------------------------------------------------------------------------

Length = Annotated[int, msgspec.Meta(ge=6, le=128)]
Count = Annotated[int, msgspec.Meta(ge=0, le=24)]


class UpdateAccountPasswordPolicy(Operation, frozen=True, kw_only=True):
    """Say what passwords have to be from now on; what is left out goes back to its default.

    Attributes:
        minimum_password_length: So long at least.
        require_symbols: One of ``! @ # $ % ^ & * ( ) _ + - = [ ] { } | '``.
        require_numbers: One of ``0`` to ``9``.
        require_uppercase_characters: One of ``A`` to ``Z``.
        require_lowercase_characters: One of ``a`` to ``z``.
        password_reuse_prevention: So many are refused again, the present one included.
    """

    minimum_password_length: Length = PasswordPolicy().minimum_length
    require_symbols: bool = False
    require_numbers: bool = False
    require_uppercase_characters: bool = False
    require_lowercase_characters: bool = False
    password_reuse_prevention: Count = 0

    def run(self, work: Work) -> Answer:
        """Say it."""
        work.tx.put(replace(account_of(work), password_policy=PasswordPolicy(
            minimum_length=self.minimum_password_length, symbols=self.require_symbols, numbers=self.require_numbers,
            uppercase=self.require_uppercase_characters, lowercase=self.require_lowercase_characters,
            reuse_prevention=self.password_reuse_prevention)))
        return {}


class GetAccountPasswordPolicy(Operation, frozen=True, kw_only=True):
    """Tell what the account asks of passwords."""

    changes: ClassVar[bool] = False

    def run(self, work: Work) -> Answer:
        """Tell."""
        policy = _password_policy(work)
        return {"PasswordPolicy": {
            "MinimumPasswordLength": policy.minimum_length, "RequireSymbols": policy.symbols,
            "RequireNumbers": policy.numbers, "RequireUppercaseCharacters": policy.uppercase,
            "RequireLowercaseCharacters": policy.lowercase, "PasswordReusePrevention": policy.reuse_prevention}}


class DeleteAccountPasswordPolicy(Operation, frozen=True, kw_only=True):
    """Go back to what is asked of passwords by default."""

    def run(self, work: Work) -> Answer:
        """Go back."""
        _password_policy(work)
        work.tx.put(replace(account_of(work), password_policy=None))
        return {}


def _password_policy(work: Work) -> PasswordPolicy:
    found = account_of(work).password_policy
    if found is None:
        raise NoSuchEntityError(f"The Password Policy with domain name {work.account} cannot be found.")
    return found
