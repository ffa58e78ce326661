"""J20, H04.1 and mw-05: one place, one token."""

from __future__ import annotations

import asyncio

import pytest
from tokens import authenticator, request, token

from iam_guard.errors import AuthenticationError


def test_j20_1_a_token_in_the_query_is_no_credential() -> None:
    assert asyncio.run(authenticator().authenticate(request(query=b"access_token=" + token().encode()))) is None


def test_s10_a_token_in_the_header_and_another_in_the_query() -> None:
    with pytest.raises(AuthenticationError) as caught:
        asyncio.run(authenticator().authenticate(request(f"Bearer {token()}", query=b"a=1&access_token=x")))
    assert caught.value.code == "invalid_request"
    found = asyncio.run(authenticator().authenticate(request(f"Bearer {token()}", query=b"my_access_token=x")))
    assert found is not None


def test_j20_2_a_token_in_a_cookie_is_no_credential() -> None:
    assert asyncio.run(authenticator().authenticate(request(cookie=f"access_token={token()}"))) is None


@pytest.mark.parametrize("second", ["the same", "another", "Basic YWxpY2U6eA==", ""])
def test_h04_1_two_authorization_fields(second: str) -> None:
    first = f"Bearer {token()}"
    other = {"the same": first, "another": f"Bearer {token(kid='k2')}"}.get(second, second)
    for pair in ((first, other), (other, first)):
        with pytest.raises(AuthenticationError) as caught:
            asyncio.run(authenticator().authenticate(request(*pair)))
        assert caught.value.code == "invalid_request"


def test_mw_05_no_header_or_another_scheme() -> None:
    for values in ((), ("Basic abc",), ("",), ("Bearertoken",), ("DPoP abc",)):
        assert asyncio.run(authenticator().authenticate(request(*values))) is None


@pytest.mark.parametrize("value", ["Bearer", "Bearer ", "Bearer    ", "bearer"])
def test_mw_05_nothing_after_the_scheme(value: str) -> None:
    with pytest.raises(AuthenticationError) as caught:
        asyncio.run(authenticator().authenticate(request(value)))
    assert caught.value.code == "invalid_request"


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "BeArEr"])
def test_the_scheme_has_no_case(scheme: str) -> None:
    found = asyncio.run(authenticator().authenticate(request(f"{scheme}  {token()} ")))
    assert found is not None
    assert found.subject == "alice"
