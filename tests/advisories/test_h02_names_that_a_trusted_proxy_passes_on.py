"""H02: a client sent X_Forwarded_For, which a trusted proxy and the gateway passed on beside their own."""

from __future__ import annotations

import pytest
from gateway_attack import Front, request, who

from iam_guard.http.edge import EdgeSettings, canonical_name

CLOSE = b"Connection: close\r\n"


@pytest.mark.parametrize("name", [b"X_Forwarded_For", b"x.forwarded-for", b"X-Forwarded_Host", b"X_FORWARDED_PROTO",
                                  b"X_Real_IP", b"X_Forwarded_Prefix", b"x_client_cert", b"True_Client-IP"])
def test_an_upstream_sees_only_what_a_proxy_wrote(front: Front, name: bytes) -> None:
    sent = request(b"GET /items/1", who("alice"), b"X-Forwarded-For: 198.51.100.7\r\n", name + b": 10.0.0.1\r\n", CLOSE)
    assert front.statuses(sent, source="127.0.0.2") == [200]
    (seen,) = front.seen
    assert [value for key, value in seen.headers if canonical_name(key) == canonical_name(b"X-Forwarded-For")] == [
        b"198.51.100.7, 127.0.0.2"]
    assert not [key for key, value in seen.headers if value == b"10.0.0.1"]


def test_what_a_proxy_writes_itself_is_kept() -> None:
    edge = EdgeSettings(trusted_proxies=("127.0.0.2",))
    for name in (b"X-Forwarded-Prefix", b"x-real-ip", b"SSL_CLIENT_CERT", b"Ssl-Client-Verify", b"X_Application_Own"):
        assert edge.keeps(name, True)
    assert not edge.keeps(b"SSL_CLIENT-CERT", True)
    assert not edge.keeps(b"SSL_CLIENT_CERT", False)
