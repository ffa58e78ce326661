"""OAuth clients are users with access keys: the key's id is the client's, its secret the client's secret."""

from __future__ import annotations

import base64
import hmac
from typing import NamedTuple
from urllib.parse import unquote_plus

from starlette.requests import Request

from iam_guard.identity.access_keys import AccessKeys
from iam_guard.model import Principal
from iam_guard.sts.form import Form
from iam_guard.sts.refusals import invalid_client, invalid_request

_LONGEST_SECRET = 256


class Client(NamedTuple):
    """A client that has shown its secret.

    Attributes:
        id: Of its access key.
        principal: The user behind it.
    """

    id: str
    principal: Principal


class _Shown(NamedTuple):
    """What a request shows: an id, and the readings of its secret."""

    id: str
    secrets: tuple[str, ...]


async def authenticated_client(request: Request, form: Form, keys: AccessKeys) -> Client | None:
    """Say which client sent a request (RFC 6749 section 2.3.1).

    Returns:
        ``None`` when it shows no secret.

    Raises:
        OAuthError: it is no client, or shows two secrets.
        UnavailableError: that cannot be found out.
    """
    shown = _shown(request, form)
    if shown is None:
        return None
    known = await keys.find(shown.id)
    # As much is compared for a key that is not there as for one that is.
    secret = known.secret if known is not None else ""
    fits = [hmac.compare_digest(secret.encode(), one.encode()) for one in shown.secrets]
    if known is None or not known.active or not secret or not any(fits) or known.principal.expires_at is not None:
        raise invalid_client()
    return Client(shown.id, known.principal)


def _shown(request: Request, form: Form) -> _Shown | None:
    fields = request.headers.getlist("authorization")
    secret, id = form.get("client_secret"), form.get("client_id")  # noqa: A001
    if len(fields) > 1 or (fields and secret is not None):
        raise invalid_request("More than one credential was sent.")
    if fields:
        shown = _basic(fields[0])
        if id is not None and id != shown.id:
            raise invalid_request("Two clients are named.")
        return shown
    if secret is None:
        return None
    if id is None or len(secret) > _LONGEST_SECRET:
        raise invalid_client()
    return _Shown(id, (secret,))


def _basic(field: str) -> _Shown:
    """Both halves as the standard encodes them, and as most programs send them; a secret has but one of the two."""
    scheme, _, text = field.partition(" ")
    try:
        id, colon, secret = base64.b64decode(text.strip(), validate=True).decode().partition(":")  # noqa: A001
    except ValueError:
        raise invalid_client() from None
    if scheme.lower() != "basic" or not colon or len(secret) > 3 * _LONGEST_SECRET:
        raise invalid_client()
    return _Shown(unquote_plus(id), (secret, unquote_plus(secret)))
