"""``iam-guard token inspect``: what a token says, without anything that would let somebody use it."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from iam_guard.cli.output import Format, print_json, print_table
from iam_guard.errors import AuthenticationError
from iam_guard.identity.jwt import JWTAuthenticator
from iam_guard.identity.presets import token_service
from iam_guard.identity.token import MAX_TOKEN, UnverifiedToken, read_token

INSPECT = ("iam-guard token inspect < token.txt", "iam-guard token inspect --jwks keys.jwks.json < token.txt")

_TIMES = ("iat", "exp", "nbf", "auth_time")


def inspect(
    ctx: typer.Context,
    jwks: Annotated[Path | None, typer.Option(metavar="FILE", show_default=False,
                                              help="Check the token with these public keys.")] = None,
    format: Annotated[Format, typer.Option(help="How to print.")] = Format.TABLE,
) -> None:
    """What a token says of its bearer; it is read from standard input, where no list of processes shows it.

    The signature is left out, so what is printed opens nothing. Without keys nothing of it is proved.
    """
    if ctx.args:  # the usual message about what is too much would repeat the token
        raise typer.BadParameter("a token is read from standard input: iam-guard token inspect < FILE")
    text = sys.stdin.read(MAX_TOKEN + 2).strip().encode()
    token = read_token(text)
    # What cannot be proved is told before anything that then would not count.
    proved = "not checked" if jwks is None else _checked(text, token, jwks)
    said = {"header": {"alg": token.algorithm, "typ": token.type, "kid": token.key_id}, "claims": token.claims,
            "signature": proved}
    if format is Format.JSON:
        print_json(said)
        return
    print_table(("what", "value"), [*_rows(token), ("signature", proved)])


def _checked(text: bytes, token: UnverifiedToken, jwks: Path) -> str:
    """Whether a token is a session of whoever has these keys, good now.

    Raises:
        AuthenticationError: it is not.
    """
    audience = token.claims.get("aud")
    named = tuple(audience) if isinstance(audience, list) else (audience,)
    issuer = token.claims.get("iss")
    if not isinstance(issuer, str) or not all(isinstance(one, str) and one for one in named):
        raise AuthenticationError("The token names no issuer or audience")
    reader = JWTAuthenticator([token_service(issuer, audience=named, jwks_file=str(jwks))])
    asyncio.run(reader.read(text))
    return "right"


def _rows(token: UnverifiedToken) -> list[tuple[str, str]]:
    header = [("alg", token.algorithm), ("typ", token.type), ("kid", token.key_id or "")]
    return [*header, *((name, _text(name, value)) for name, value in token.claims.items())]


def _text(name: str, value: Any) -> str:
    if name in _TIMES and isinstance(value, int):
        try:
            return f"{value} ({datetime.fromtimestamp(value, UTC).isoformat()})"
        except (ValueError, OverflowError, OSError):
            return str(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
