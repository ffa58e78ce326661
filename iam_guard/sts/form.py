"""The parameters of a token request: one small form, each parameter once (RFC 6749 sections 3.2 and 4.4.2)."""

from __future__ import annotations

from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request

from iam_guard.sts.refusals import OAuthError, invalid_request

#: Most octets of a token request, and most parameters.
MAX_BODY, MAX_PARAMETERS = 32_768, 40
_FORM = "application/x-www-form-urlencoded"


class Form:
    """Parameters of a request; each that is read is known, and what nobody read is a mistake.

    Args:
        parameters: By name; a parameter without a value counts as not sent.
    """

    def __init__(self, parameters: dict[str, str]) -> None:
        self._parameters = {name: value for name, value in parameters.items() if value}
        self._read: set[str] = set()

    def get(self, name: str) -> str | None:
        """A parameter, if it was sent."""
        self._read.add(name)
        return self._parameters.get(name)

    def need(self, name: str) -> str:
        """A parameter that has to be there.

        Raises:
            OAuthError: it is not.
        """
        value = self.get(name)
        if value is None:
            raise invalid_request(f"The parameter {name} is missing.")
        return value

    def number(self, name: str) -> int | None:
        """A whole number, if it was sent.

        Raises:
            OAuthError: it is something else.
        """
        value = self.get(name)
        if value is None:
            return None
        if not (value.isascii() and value.isdigit() and len(value) <= 9):
            raise invalid_request(f"The parameter {name} is not a whole number.")
        return int(value)

    def words(self, name: str) -> tuple[str, ...]:
        """Words with blanks between them; none when it was not sent."""
        return tuple((self.get(name) or "").split(" ")) if self.get(name) else ()

    def texts(self, name: str) -> dict[str, str]:
        """A JSON object of texts; empty when it was not sent.

        Raises:
            OAuthError: it is something else.
        """
        try:
            return dict(msgspec.json.decode(self.get(name) or "{}", type=dict[str, str], strict=True))
        except msgspec.DecodeError:
            raise invalid_request(f"The parameter {name} is no JSON object of texts.") from None

    def check_all_read(self) -> None:
        """Refuse what nobody read: a misspelt limit would otherwise be none.

        Raises:
            OAuthError: there is such a parameter.
        """
        if unknown := self._parameters.keys() - self._read:
            raise invalid_request(f"{len(unknown)} parameters have no meaning for this kind of request.")


async def read_form(request: Request) -> Form:
    """Read the form of a token request, and no more of it than a token request may have.

    Raises:
        OAuthError: it is none, too large, or says something twice.
    """
    if request.url.query:
        raise invalid_request("Parameters belong into the body of the request.")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise invalid_request(f"The body of a token request is {_FORM}.")
    return Form(_parameters(await _body(request)))


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise OAuthError("invalid_request", f"A token request has at most {MAX_BODY} octets.", status=413)
    return bytes(body)


def _parameters(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, strict_parsing=bool(body), errors="strict",
                          max_num_fields=MAX_PARAMETERS)
    except ValueError:
        raise invalid_request("The form cannot be read.") from None
    parameters = dict(pairs)
    if len(parameters) < len(pairs):
        raise invalid_request("A parameter was sent twice.")
    return parameters
