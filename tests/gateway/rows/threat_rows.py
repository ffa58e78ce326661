"""Rows of the threat catalogue that are bytes of a client: what is sent, and what the application may get of it.

A row names who asks, the request line and further lines, the status that the guard's own front door answers with, and
the target that the application gets: none for a block. Headers of the guard are written ``X-IAM-...``; each world has
its own name for them. A row with several inputs stands here once for each, with a letter behind its id.
"""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """One input of the catalogue.

    Attributes:
        id: In the catalogue.
        who: Asks, with a good token; or anon.
        line: The request line; a version is added where it has none.
        status: What is preferred for a block, or 200.
        served: The target that the application gets.
        lines: Further lines.
        host: Of the ``Host`` line; none for no such line.
        body: Behind the head.
        may_block: The catalogue takes a refusal as well.
        proxied: Targets that a proxy in front of the guard makes of it by its own rules, before anybody is asked: what
            is decided about and served then; ``None`` where it answers by itself.
    """

    id: str
    who: str
    line: bytes
    status: int
    served: bytes | None = None
    lines: tuple[bytes, ...] = ()
    host: bytes | None = b"shop.example"
    body: bytes = b""
    may_block: bool = False
    proxied: tuple[bytes | None, ...] = ()


#: What a front door may say of a request that it does not pass on.
REFUSALS = frozenset({400, 401, 403, 404, 405, 408, 411, 413, 414, 421, 422, 426, 431, 501})
UPGRADE = (b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Version: 13",
           b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
CHUNKED = b"Transfer-Encoding: chunked"
SMUGGLED = b"GET /admin HTTP/1.1\r\nHost: shop.example\r\n\r\n"

PATHS = (
    Row("P01.1", "anon", b"GET /public/../admin", 400),
    Row("P01.2", "alice", b"GET /items/1/../secret1", 400),
    Row("P01.3", "anon", b"GET /public/./../admin/.", 400),
    Row("P01.4", "anon", b"GET /../admin", 400),
    Row("P02.1", "anon", b"GET /public/%2e%2e/admin", 400),
    Row("P02.2", "anon", b"GET /public/..%2fadmin", 400),
    Row("P02.3", "alice", b"GET /items/a%2Fb", 400),
    Row("P02.4", "anon", b"GET /public/.%2e/admin", 400),
    Row("P03.1", "root", b"GET /%2561dmin", 403),
    Row("P03.2", "anon", b"GET /public/%252e%252e%252fadmin", 400),
    Row("P03.3", "root", b"GET /%25%36%31dmin", 403),
    Row("P04.1", "anon", b"GET //admin", 400),
    Row("P04.2", "anon", b"GET //public/x/admin", 400, proxied=(b"/public/x/admin",)),
    Row("P04.3a", "anon", b"GET /public//../admin", 400),
    Row("P04.3b", "anon", b"GET ///admin", 400),
    Row("P05.1", "anon", b"GET /public/..%5cadmin", 400),
    Row("P05.2", "anon", b"GET /public\\..\\admin", 400),
    Row("P06.1", "anon", b"GET /admin;x=1", 400),
    Row("P06.2", "anon", b"GET /public/..;/admin", 400),
    Row("P07.1", "anon", b"GET /admin#/public/", 400),
    Row("P07.2", "anon", b"GET /foo/secret%23/bar", 401),
    Row("P08.1", "anon", b"GET /admin?x=/public/", 401),
    Row("P08.2", "anon", b"GET /admin%3F/public/", 401),
    Row("P08.3", "anon", b"GET /?/health", 401),
    Row("P09.1", "anon", b"GET /admin/", 401),
    Row("P09.2", "anon", b"GET /items/", 401, host=b"evil.example"),
    Row("P09.3", "alice", b"GET /items/secret1/", 403),
    Row("P10.1", "anon", b"GET /admin%0A", 400),
    Row("P10.2", "alice", b"GET /items/secret1%0A", 400),
    Row("P10.3a", "alice", b"GET /num/5%0A", 400),
    Row("P10.3b", "alice", b"GET /files/pub/a%0Ab", 400),
    Row("P10.4a", "root", b"GET /ad\x09min", 400),
    Row("P10.4b", "root", b"GET /ad\x0dmin", 400),
    Row("P11.1", "alice", b"GET /items/secret1%00.png", 400),
    Row("P12.1", "anon", b"GET /Admin", 401),
    Row("P12.1-root", "root", b"GET /Admin", 403),
    Row("P12.3", "anon", b"GET /%41dmin", 401),
    Row("P12.3-root", "root", b"GET /%41dmin", 403),
    Row("P13.1", "alice", b"GET /items/%FF", 400),
    Row("P13.2", "anon", b"GET /public/%C0%AE%C0%AE/admin", 400),
    Row("P13.3a", "root", b"GET /items/%FE", 400),
    Row("P13.3b", "root", b"GET /items/%FF", 400),
    Row("P14.1", "anon", b"GET /public/%EF%BC%8E%EF%BC%8E%EF%BC%8Fadmin", 400),
    Row("P14.2", "anon", b"GET /%EF%BD%81dmin", 401),
    Row("P14.2-root", "root", b"GET /%EF%BD%81dmin", 403),
    Row("P14.3", "operator", b"GET /items/%EF%BC%8A", 400),
    Row("P15.1", "anon", b"GET /publicity", 401),
    Row("P15.2", "anon", b"GET /healthz", 401),
    Row("P15.3", "alice", b"GET /files/public-draft/x", 403),
    Row("P15.4a", "alice", b"GET /files/pub.bak/x", 403),
    Row("P15.4b", "alice", b"GET /files/publish/x", 403),
    Row("P15.4-pub", "alice", b"GET /files/pub/x", 200, b"/files/pub/x"),
    Row("P15.5", "anon", b"GET /public", 401),
    Row("P15.6", "anon", b"GET /public/../pub_private/key", 400),
    Row("P16.3", "anon", b"GET /sub/admin", 401),
    Row("P17.1", "anon", b"GET /api../admin", 401),
    Row("P17.2", "anon", b"GET /api%2e/admin/secret", 401),
    Row("P18.1", "anon", b"GET http://evil.example/admin", 400),
    Row("P18.1-root", "root", b"GET http://evil.example/admin", 400, proxied=(b"/admin",)),
    Row("P18.2", "root", b"OPTIONS *", 400, proxied=(None,)),
    Row("P18.3", "root", b"CONNECT admin:443", 400, host=b"admin:443"),
    Row("P18.4", "anon", b"GET http://shop.example/health", 200, b"/health", may_block=True,
        proxied=(b"http://shop.example/health",)),
    Row("P18.5", "root", b"GET *", 400),
    Row("P19.1", "root", b"GET admin", 400),
    Row("P20.1", "anon", b"GET /admin", 400, host=b"shop.example/public/?"),
    Row("P20.2", "anon", b"GET /admin", 400, host=b"shop.example#"),
    Row("P20.3", "anon", b"GET /admin HTTP/1.0", 401, host=None),
    Row("P21.1", "alice", b"GET /items/1", 403, host=b"ADMIN.example."),
    Row("P21.1-as", "alice", b"GET /items/1", 403, host=b"admin.example"),
    Row("P21.2", "root", b"GET /admin", 400, lines=(b"Host: admin.example",)),
    Row("P22.1", "root", b"GET /forgot", 403),
    Row("P22.2", "root", b"PATCH /items/1", 405),
    Row("P23.1", "anon", b"GET /admin", 401, lines=(b"X-Original-URL: /public/x",)),
    Row("P23.2", "anon", b"GET /public/x", 200, b"/public/x", (b"X-Rewrite-URL: /admin",)),
    Row("P23.3", "anon", b"GET /admin", 401, lines=(b"X-Forwarded-Uri: /health",)),
    Row("P24.3", "root", b"POST /process/approve", 403),
)
METHODS = (
    Row("M01.1", "anon", b"HEAD /admin", 401),
    Row("M01.2", "alice", b"HEAD /items/secret1", 403),
    Row("M01-as", "alice", b"HEAD /items/1", 200, b"/items/1"),
    Row("M02.1-off", "anon", b"OPTIONS /items/1", 401,
        lines=(b"Origin: https://front.example", b"Access-Control-Request-Method: DELETE")),
    Row("M02.2", "anon", b"OPTIONS /admin", 401),
    Row("M02.3-off", "anon", b"OPTIONS /items/1", 401, body=b'{"a": 1}', lines=(
        b"Origin: https://front.example", b"Access-Control-Request-Method: GET", b"Content-Type: application/json",
        b"Content-Length: 8")),
    Row("M03.1", "anon", b"TRACE /admin", 405),
    Row("M03.2", "root", b"get /admin", 400),
    Row("M03.3", "root", b"_DO_DELETE /items/1", 400),
    Row("M04.1", "root", b"POST /items", 200, b"/items", (b"X-HTTP-Method-Override: DELETE",)),
    Row("M04.2", "alice", b"GET /items/1?_method=DELETE", 200, b"/items/1?_method=DELETE"),
    Row("M05.1", "anon", b"GET /ws/feed", 401, lines=UPGRADE),
    Row("M05.2", "anon", b"GET /admin", 401, lines=UPGRADE),
    Row("M05.2-root", "root", b"GET /admin", 403, lines=UPGRADE),
    Row("M05.3", "root", b"GET /sub/ws", 403, lines=UPGRADE),
    Row("M10.1", "anon", b"GET /admin", 401, lines=(b"X-Middleware-Subrequest: iam_guard",)),
    Row("M10.2", "anon", b"GET /admin", 401, lines=(b"X-IAM-Guard-Decision: allow",)),
    Row("M11.1", "anon", b"GET /admin", 401, lines=(b"User-Agent: GoogleHC/1.0",)),
    Row("M15.1", "anon", b"GET /ws/feed", 401, lines=(*UPGRADE, b"Cookie: token=%b", b"Origin: https://evil.example")),
    Row("M16.1", "operator", b"POST /items/9/copy?from=secret1", 403),
    Row("M16-as", "operator", b"POST /items/9/copy?from=1", 200, b"/items/9/copy?from=1"),
    Row("M16-twice", "operator", b"POST /items/9/copy?from=1&from=secret1", 400),
)
HEADERS = (
    Row("H01.1", "anon", b"GET /public/x", 200, b"/public/x", (b"X-IAM-Principal: root",)),
    Row("H01.2", "alice", b"GET /items/1", 200, b"/items/1", (b"X-IAM-Principal: root",)),
    Row("H02.1", "alice", b"GET /items/1", 200, b"/items/1", (b"X_IAM_Principal: root",)),
    Row("H02.2", "alice", b"GET /items/1", 200, b"/items/1", (b"x-iam_PRINCIPAL: root",)),
    Row("H02-dot", "alice", b"GET /items/1", 200, b"/items/1", (b"X.IAM.Principal: root",)),
    Row("H03.1", "alice", b"GET /items/1", 200, b"/items/1", (b"Connection: close, X-IAM-Principal",),
        may_block=True),
    Row("H03.2", "alice", b"GET /items/1", 200, b"/items/1", (b"Connection: close, authorization",), may_block=True),
    Row("H04.1", "alice", b"GET /items/1", 400, lines=(b"Authorization: Bearer root",)),
    Row("H05.1", "insider", b"GET /items/1", 403, lines=(b"X-Forwarded-For: 10.0.0.1",)),
    Row("H05.2", "insider", b"GET /items/1", 403, lines=(b"X-Forwarded-For: 10.0.0.1, 203.0.113.7",)),
    Row("H05.3", "insider", b"GET /items/1", 403, lines=(b"X-Real-IP: 10.0.0.1",)),
    Row("H05.4", "insider", b"GET /items/1", 403,
        lines=(b"X-Forwarded-For: 10.0.0.1", b"X-Forwarded-For: 198.51.100.4")),
    Row("H05.5", "insider", b"GET /items/1", 403, lines=(b"Forwarded: for=10.0.0.1;proto=https",)),
    Row("H06.1", "insider", b"GET /items", 403, lines=(b"X-Forwarded-Proto: https",)),
    Row("H06.2", "anon", b"GET /admin", 401, lines=(b"X-Forwarded-Prefix: /public",)),
    Row("H07.1", "root", b"POST /items", 200, b"/items", (CHUNKED, b"Trailer: X-IAM-Principal"),
        body=b"3\r\nabc\r\n0\r\nX-IAM-Principal: root\r\n\r\n", may_block=True),
    Row("H08.1", "insider", b"GET /files/pub/x", 403, lines=(b"X-Role: user", b"X-Role: admin")),
    Row("H08.1-as", "insider", b"GET /files/pub/x", 200, b"/files/pub/x", (b"X-Role: user",)),
    Row("H09.1", "alice", b"GET /items/1", 200, b"/items/1", (b"X-A: \xff\xfe",), may_block=True),
    Row("H10.1", "anon", b"GET /health", 200, b"/health", (b"X-IAM-Account: admins",)),
)
FRAMES = (
    Row("F01.1", "root", b"POST /items", 400, lines=(b"Content-Length: 4", CHUNKED), body=b"0\r\n\r\n" + SMUGGLED,
        proxied=(b"/items",)),
    Row("F02.1", "root", b"POST /items", 400, lines=(b"Transfer-Encoding: xchunked",), body=b"0\r\n\r\n" + SMUGGLED),
    Row("F02.2", "root", b"POST /items", 400, lines=(b"Transfer-Encoding: gzip, chunked",), body=b"0\r\n\r\n"),
    Row("F03.1", "root", b"POST /items", 400, lines=(b"Content-Length: +5",), body=b"abcde"),
    Row("F03.2", "root", b"POST /items", 400, lines=(b"Content-Length: 5", b"Content-Length: 6"), body=b"abcdeG"),
    Row("F04.1", "root", b"POST /items", 400, lines=(CHUNKED,), body=b"5\r\nAAAAAXX2\r\n45\r\n0\r\n\r\n"),
    Row("F05.1", "alice", b"GET /items/1", 431, lines=tuple(b"X-%d: %b" % (n, b"x" * 1024) for n in range(200))),
    Row("F05.2", "alice", b"GET /items/" + b"x" * 70_000, 414),
)
CHOICES = (
    Row("G01.1", "anon", b"GET http://169.254.169.254/latest/", 400),
    Row("G01.1-root", "root", b"GET http://169.254.169.254/items/1", 400, proxied=(b"/items/1",)),
)
ROWS = (*PATHS, *METHODS, *HEADERS, *FRAMES, *CHOICES)
