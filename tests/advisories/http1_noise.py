"""Requests in HTTP/1.1 with a few faults in them, such as have once made two programs read two different requests."""

from __future__ import annotations

from gateway_attack import request, who
from hypothesis import strategies as st

CHUNKED = b"Transfer-Encoding: chunked\r\n"
SOCKET = (b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
          b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n")
LAST = request(b"GET /health", b"Connection: close\r\n")


def usual() -> list[bytes]:
    """Requests without a fault."""
    alice, root = who("alice"), who("root")
    return [
        request(b"GET /items/1?a=b", alice), request(b"GET /public/x"), request(b"GET /items/secret1", alice),
        request(b"HEAD /items/2", alice), request(b"GET /admin"), request(b"GET /files/pub/a%20b?x=%41", alice),
        request(b"POST /items", root, b"Content-Length: 3\r\n", body=b"abc"),
        request(b"POST /items", root, CHUNKED, body=b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-Late: 1\r\n\r\n"),
        request(b"PUT /items/1", root, CHUNKED, body=b"5\r\nhello\r\n0\r\n\r\n"),
        request(b"GET http://shop.example/items/3?q=1", alice), request(b"GET /ws/feed?a=1", root, SOCKET),
        request(b"GET /public/x", b"Connection: Upgrade\r\nUpgrade: foo\r\n", body=b"GET /admin HTTP/1.1\r\n\r\n"),
        request(b"POST /items", root, b"Expect: 100-continue\r\nContent-Length: 2\r\n", body=b"ab"),
        request(b"DELETE /items/1", root), request(b"OPTIONS /items/1", alice),
    ]


LINES = [
    b"Host: admin.example", b"Host:", b"host : shop.example", b"X-Guard-Principal: arn:iamg:iam::t1:user/root",
    b"x_guard_principal: root", b"X-Guard.Account: t2", b"X-IAM-Role: root", b"X_IAM_ROLE: root",
    b"X-Original-URL: /admin", b"X!Original+URL: /admin",
    b"X-Rewrite-URL: /admin", b"X-HTTP-Method-Override: DELETE", b"X_Http_Method: DELETE", b"X-Forwarded-For: 10.0.0.1",
    b"X_Forwarded_For: 10.0.0.1", b"Forwarded: for=10.0.0.1",
    b"X-Forwarded-Host: evil.example", b"X-Real-IP: 10.0.0.1",
    b"Content-Length: 0", b"Content-Length: 4", b"Content-Length: +3", b"Content-Length: 3, 3", b"Content-Length: 03",
    b"Content-Length:", b"Content-Length : 3", b"Content_Length: 30", b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: identity", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: chunked, chunked",
    b"Transfer-Encoding : chunked", b"Transfer-Encoding:\x0bchunked", b"Transfer-Encoding: xchunked",
    b"Transfer_Encoding: chunked", b"Transfer-Encoding: chunked\x00", b" folded: yes", b"\tX-Guard-Principal: root",
    b"Connection: close", b"Connection: x-guard-principal, host, content-length", b"Connection: upgrade",
    b"Connection: keep-alive, Transfer-Encoding", b"Upgrade: websocket", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk",
    b"TE: trailers", b"Trailer: X-Guard-Principal", b"Expect: 100-continue", b"Proxy-Connection: close",
    b"Proxy-Authorization: Basic YTpi", b"Keep-Alive: timeout=5", b"X: a\x00b", b"X: a\rb", b"X\x00: a", b": x", b"X",
    b"GET /admin HTTP/1.1", b"", b"Cookie: a=b", b"Via: 1.1 x", b"X-Iam\xc4\xb0: 1",
]
TARGETS = [
    b"/items/1/../secret1", b"/items/1%2f..%2fsecret1", b"//admin", b"/admin#/public/x", b"/public/x?#", b"/items/%31",
    b"http://admin.example/items/1", b"http://shop.example@evil/items/1", b"*", b"admin", b"/items/1;x=1", b"\\admin",
    b"/items/1?a=/../admin", b"/items/1\x00", b"/public/\xc3\xa9", b"/items/%E2%80%A8", b"https://shop.example:80/health",
    b"http://shop.example", b"//shop.example/items/1", b"/items/1?_method=DELETE", b"/public/x HTTP/1.1\r\nX: y",
]
ENDS = [b"\n", b"\r", b"\r\r\n", b"\r\n ", b"\r\n\t", b"\n\r\n", b"\r\n\r\n", b"\x0b", b"\x85", b" \r\n", b""]
SIZES = [b"0", b"3;a", b"+3", b"0x3", b" 3", b"3 ", b"003", b"-1", b"ffffffffffffffff", b"3\n", b"g", b"3;\r\n", b"4"]
BYTES = st.sampled_from([bytes([byte]) for byte in (*range(0x21), 0x7F, 0x80, 0xFF, *b":;,#%?/\\@\"'")])


@st.composite
def broken(draw: st.DrawFn, whole: bytes) -> bytes:
    """A request after one change."""
    kind = draw(st.sampled_from(["line", "line", "twice", "target", "end", "byte", "cut", "size", "line word", "case"]))
    lines = whole.split(b"\r\n")
    at = draw(st.integers(1, max(1, lines.index(b"")))) if b"" in lines else 1
    match kind:
        case "line":
            lines.insert(at, draw(st.sampled_from(LINES)))
        case "twice":
            lines.insert(at, lines[min(at, len(lines) - 1)])
        case "target":
            words = lines[0].split(b" ")
            lines[0] = b" ".join([words[0], draw(st.sampled_from(TARGETS)), *words[2:]])
        case "line word":
            words = lines[0].split(b" ")
            word = draw(st.integers(0, len(words) - 1))
            words[word] = draw(st.sampled_from([b"get", b"GET ", b"", b"CONNECT", b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0",
                                                b"HTTP/1.1 ", b"PRI", b"TRACE", b"_DO_X", b"GET\t", b"\0"]))
            lines[0] = b" ".join(words)
        case "size" if b"chunked\r\n" in whole:
            head, _, body = whole.partition(b"\r\n\r\n")
            return head + b"\r\n\r\n" + draw(st.sampled_from(SIZES)) + body[1:]
        case "end":
            cut = draw(st.integers(1, max(1, len(lines) - 1)))
            return b"\r\n".join(lines[:cut]) + draw(st.sampled_from(ENDS)) + b"\r\n".join(lines[cut:])
        case "case":
            lines[at:at + 1] = [line.swapcase() for line in lines[at:at + 1]]
        case "byte":
            place = draw(st.integers(0, len(whole)))
            return whole[:place] + draw(BYTES) + whole[place + draw(st.integers(0, 1)):]
        case _:
            place = draw(st.integers(0, len(whole)))
            return whole[:place] + whole[place + draw(st.integers(1, 12)):]
    return b"\r\n".join(lines)


@st.composite
def noise(draw: st.DrawFn, starts: list[bytes]) -> list[bytes]:
    """Pieces to be sent one after the other: one to three requests, of which most are broken, and a last good one."""
    sent = b""
    for _ in range(draw(st.integers(1, 3))):
        whole = draw(st.sampled_from(starts))
        for _ in range(draw(st.integers(0, 3))):
            whole = draw(broken(whole))
        sent += whole
    sent += LAST
    if not draw(st.booleans()):
        return [sent]
    cut = draw(st.integers(0, len(sent)))
    return [sent[:cut], sent[cut:]]
