"""What is asked of the token service, in IAM's words, and what may be asked (language specification, 6.2 and 1.10)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

import msgspec

from iam_guard.errors import TokenServiceError
from iam_guard.model import EMPTY, ascii_lower

#: Seconds of the shortest session, and of the longest of a role, of a chained one and of a user.
SHORTEST, ROLE_LONGEST, CHAINED_LONGEST, USER_LONGEST = 900, 43_200, 3600, 129_600
#: Seconds of a session for which nothing was asked: of a role or of root, and of a user.
ROLE_DEFAULT, USER_DEFAULT = 3600, 43_200
#: Most tags, and managed session policies; most characters of all session policies together.
MAX_TAGS, MAX_POLICIES, MAX_POLICY_SIZE = 50, 10, 2048

_WORD = r"[A-Za-z0-9_+=,.@-]"
_SESSION_NAME = re.compile(_WORD + "{2,64}")
_FEDERATED_NAME = re.compile(_WORD + "{2,32}")
_EXTERNAL_ID = re.compile(r"[A-Za-z0-9_+=,.@:/-]{2,1224}")
_SERIAL_NUMBER = re.compile(r"[A-Za-z0-9_+=/:,.@-]{9,256}")
_TOKEN_CODE = re.compile(r"[0-9]{6}")


class SessionRequest(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", forbid_unknown_fields=True):
    """What every session may be asked with.

    Attributes:
        duration_seconds: How long it is to last; ``None`` for the default.
        policy: A session policy as JSON text; ``None`` for none.
        policy_arns: Managed policies that are session policies too.
        tags: Session tags.
    """

    duration_seconds: int | None = None
    policy: str | None = None
    policy_arns: tuple[str, ...] = ()
    tags: Mapping[str, str] = EMPTY


class AssumeRole(SessionRequest, frozen=True, kw_only=True):
    """A session of a role, for a user or for a session of another role.

    Attributes:
        role_arn: Of the role.
        role_session_name: Name of the session.
        transitive_tag_keys: Tags that go on to the next session of a chain.
        external_id: What the role's owner wants to be told.
        serial_number: Of a device for the second factor.
        token_code: What that shows.
        source_identity: Who began it all; never changed afterwards.
    """

    role_arn: str
    role_session_name: str
    transitive_tag_keys: tuple[str, ...] = ()
    external_id: str | None = None
    serial_number: str | None = None
    token_code: str | None = None
    source_identity: str | None = None


class AssumeRoleWithWebIdentity(SessionRequest, frozen=True, kw_only=True):
    """A session of a role, for whoever a configured provider vouches for; tags come with the provider's token.

    Attributes:
        role_arn: Of the role.
        role_session_name: Name of the session.
    """

    role_arn: str
    role_session_name: str


class GetSessionToken(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", forbid_unknown_fields=True):
    """A session of the user who asks.

    Attributes:
        duration_seconds: How long it is to last; ``None`` for the default.
        serial_number: Of a device for the second factor.
        token_code: What that shows.
    """

    duration_seconds: int | None = None
    serial_number: str | None = None
    token_code: str | None = None


class GetFederationToken(SessionRequest, frozen=True, kw_only=True):
    """A session of somebody whom the user who asks vouches for.

    Attributes:
        name: What that somebody is called.
    """

    name: str


def invalid(message: str) -> TokenServiceError:
    """The refusal of a parameter; *message* repeats none of it."""
    return TokenServiceError("ValidationError", message)


def check_role_request(wanted: AssumeRole | AssumeRoleWithWebIdentity) -> None:
    """Check what can be checked without knowing the role.

    Raises:
        TokenServiceError: a parameter is not acceptable.
    """
    if not 20 <= len(wanted.role_arn) <= 2048:
        raise invalid("RoleArn has 20 to 2048 characters.")
    _check_text(wanted.role_session_name, _SESSION_NAME, "RoleSessionName has 2 to 64 letters, digits or _+=,.@-")
    check_duration(wanted.duration_seconds, ROLE_LONGEST)
    _check_policy_arns(wanted.policy_arns)
    check_tags(wanted.tags)
    if isinstance(wanted, AssumeRole):
        _check_text(wanted.external_id, _EXTERNAL_ID, "ExternalId has 2 to 1224 letters, digits or any of _+=,.@:/-")
        check_source_identity(wanted.source_identity)
        check_device(wanted.serial_number, wanted.token_code)


def check_federation_request(wanted: GetFederationToken) -> None:
    """Check what somebody is to be vouched for with.

    Raises:
        TokenServiceError: a parameter is not acceptable.
    """
    _check_text(wanted.name, _FEDERATED_NAME, "Name has 2 to 32 letters, digits or any of _+=,.@-")
    check_duration(wanted.duration_seconds, USER_LONGEST)
    _check_policy_arns(wanted.policy_arns)
    check_tags(wanted.tags)


def check_duration(seconds: int | None, longest: int) -> None:
    """Check a duration, if there is one; it is never shortened in silence.

    Raises:
        TokenServiceError: it is too short or too long.
    """
    if seconds is not None and not SHORTEST <= seconds <= longest:
        raise invalid(f"DurationSeconds is at least {SHORTEST} and at most {longest} here.")


def check_source_identity(text: str | None) -> None:
    """Check a source identity, if there is one.

    Raises:
        TokenServiceError: it is not acceptable.
    """
    _check_text(text, _SESSION_NAME, "SourceIdentity has 2 to 64 letters, digits or any of _+=,.@-")
    if text is not None and ascii_lower(text).startswith("aws:"):
        raise invalid("SourceIdentity must not begin with aws:")


def check_device(serial_number: str | None, token_code: str | None) -> None:
    """Check the parameters of a second factor: both, or neither.

    Raises:
        TokenServiceError: one is not acceptable, or missing.
    """
    if (serial_number is None) != (token_code is None):
        raise invalid("SerialNumber and TokenCode belong together.")
    _check_text(serial_number, _SERIAL_NUMBER, "SerialNumber has 9 to 256 letters, digits or any of _+=/:,.@-")
    _check_text(token_code, _TOKEN_CODE, "TokenCode has six digits.")


def check_tags(tags: Mapping[str, str]) -> None:
    """Check session tags.

    Raises:
        TokenServiceError: there are too many, one is not acceptable, or two differ in case alone.
    """
    if len(tags) > MAX_TAGS:
        raise invalid(f"There are at most {MAX_TAGS} session tags.")
    if len({ascii_lower(key) for key in tags}) < len(tags):
        raise invalid("Two session tags have the same key, whose case does not count.")
    for key, value in tags.items():
        if not 1 <= len(key) <= 128 or not _is_tag_text(key) or ascii_lower(key).startswith("aws:"):
            raise invalid("A tag key has 1 to 128 letters, digits, blanks or any of _.:/=+-@, and no aws:")
        if len(value) > 256 or not _is_tag_text(value):
            raise invalid("A tag value has at most 256 letters, digits, blanks or any of _.:/=+-@")


def check_transitive(keys: Iterable[str], tags: Mapping[str, str]) -> None:
    """Check that only tags of the session are transitive.

    Raises:
        TokenServiceError: one is not, or is named twice.
    """
    names = [ascii_lower(key) for key in keys]
    if len(set(names)) < len(names) or not set(names) <= {ascii_lower(key) for key in tags}:
        raise invalid("TransitiveTagKeys names keys of the session's tags, each once.")


def _check_policy_arns(arns: tuple[str, ...]) -> None:
    if len(arns) > MAX_POLICIES or len(set(arns)) < len(arns):
        raise invalid(f"PolicyArns names at most {MAX_POLICIES} policies, each once.")


def _check_text(text: str | None, form: re.Pattern[str], message: str) -> None:
    if text is not None and not form.fullmatch(text):
        raise invalid(message)


def _is_tag_text(text: str) -> bool:
    return all(char in "_.:/=+-@" or unicodedata.category(char)[0] in "LZN" for char in text)
