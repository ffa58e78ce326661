"""What a server receives: the request that was decided about, and nothing that could make another of it."""

from __future__ import annotations

import asyncio

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st
from upstream_peers import OK, Told, answering, ask, scope_of, scripted, upstream

from iam_guard.gateway.upstream import ServerSettings, UnsendableError
from iam_guard.gateway.upstream.request import RequestWriter

TCHAR = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"


def head(method: str = "GET", target: bytes = b"/", *headers: tuple[bytes, bytes], body: bytes = b"",
         own: tuple[str, ...] = (), **more: object) -> bytes:
    """What is written to a server; the settings' ``host`` may be given."""
    settings = ServerSettings("http://app.internal:8080", host=str(more.pop("server_host", "")))
    return RequestWriter(settings, own).head(scope_of(method, target, headers, **more)).whole(body)


def fields(written: bytes) -> list[tuple[bytes, bytes]]:
    """The header as an independent parser reads it."""
    server = h11.Connection(h11.SERVER)
    server.receive_data(written)
    request = server.next_event()
    assert isinstance(request, h11.Request)
    return list(request.headers)


@pytest.mark.parametrize("target", [
    b"/", b"/items/1", b"/a%2Fb", b"/a%2fb", b"/%E2%82%AC", b"/a//b", b"/a/../b", b"/%2e%2E/x", b"/x;y=1", b"/a+b%20c",
    b"/items?x=1&x=2", b"/q?%2F=%3f&y=a+b", b"/q?a?b", b"/caf\xc3\xa9", b"/~!$&'()*,=:@",
])
def test_the_target_is_written_byte_for_byte(target: bytes) -> None:
    assert head("GET", target).split(b"\r\n", 1)[0] == b"GET " + target + b" HTTP/1.1"


def test_a_server_that_tells_no_raw_path_gets_it_encoded_once() -> None:
    scope = scope_of()
    del scope["raw_path"]
    scope["path"] = "/a b/€%"
    written = RequestWriter(ServerSettings("http://a")).head(scope).whole(b"")
    assert written.startswith(b"GET /a%20b/%E2%82%AC%25 HTTP/1.1\r\n")


@pytest.mark.parametrize("target", [b"", b"items", b"*", b"http://evil.example/", b"/a b", b"/a\r\nx: y", b"/a\tb",
                                    b"/a\x00", b"/a\x7f"])
def test_what_is_not_a_path_is_not_written(target: bytes) -> None:
    with pytest.raises(UnsendableError):
        head("GET", target)


@pytest.mark.parametrize("query", [b"a b", b"a\r\nx: y", b"\x00"])
def test_a_query_that_would_end_the_request_line_is_not_written(query: bytes) -> None:
    with pytest.raises(UnsendableError):
        RequestWriter(ServerSettings("http://a")).head(scope_of() | {"query_string": query})


# RFC 9110 section 7.6.1, and the older names that it lists.
@pytest.mark.parametrize("name", ["connection", "proxy-connection", "keep-alive", "te", "transfer-encoding", "upgrade",
                                  "trailer", "proxy-authorization", "proxy-authenticate"])
def test_what_one_end_of_a_connection_says_to_the_other_goes_no_further(name: str) -> None:
    written = fields(head("GET", b"/", (name.encode(), b"x"), (b"x-kept", b"1")))
    assert name.encode() not in dict(written)
    assert (b"x-kept", b"1") in written


def test_connection_takes_the_fields_with_it_that_it_names() -> None:
    written = dict(fields(head("GET", b"/", (b"connection", b"close, X-Private"), (b"x-private", b"1"),
                               (b"x-b", b"2"))))
    assert b"x-private" not in written
    assert written[b"x-b"] == b"2"


@pytest.mark.parametrize("name", ["x-iam-principal", "X-Guard-Principal", "x_guard_principal", "x-forwarded-for",
                                  "host", "content-type", "x-caller"])
def test_connection_cannot_remove_who_the_caller_is(name: str) -> None:
    sent = (name.lower().encode(), b"alice") if name != "host" else (b"x-other", b"1")
    written = fields(head("GET", b"/", sent, (b"connection", b"close, " + name.encode()), own=("X-Caller",)))
    assert sent in written
    assert (b"host", b"app.example") in written


def test_connection_cannot_remove_how_long_a_body_is() -> None:
    written = head("POST", b"/", (b"content-length", b"2"), (b"connection", b"content-length"), body=b"hi")
    assert dict(fields(written))[b"content-length"] == b"2"


def test_an_expectation_was_answered_by_the_server_in_front() -> None:
    assert b"expect" not in dict(fields(head("POST", b"/", (b"expect", b"100-continue"), body=b"x")))


def test_handshake_fields_of_a_client_belong_to_its_own_connection() -> None:
    written = dict(fields(head("GET", b"/", (b"sec-websocket-key", b"x"), (b"upgrade", b"websocket"),
                               (b"connection", b"Upgrade"))))
    assert not {b"sec-websocket-key", b"upgrade", b"connection"} & set(written)


@pytest.mark.parametrize(("said", "server", "expected"), [
    ([(b"host", b"app.example")], "", b"app.example"),
    ([(b"host", b"app.example")], "inner.example", b"inner.example"),
    ([], "", b"app.internal:8080"),
])
def test_host(said: list[tuple[bytes, bytes]], server: str, expected: bytes) -> None:
    scope = scope_of() | {"headers": said}
    written = RequestWriter(ServerSettings("http://app.internal:8080", host=server)).head(scope).whole(b"")
    assert dict(fields(written))[b"host"] == expected


def test_two_hosts_are_refused() -> None:
    with pytest.raises(UnsendableError):
        head("GET", b"/", (b"host", b"other.example"))


def test_the_gateway_names_itself_after_those_before_it() -> None:
    written = [value for name, value in fields(head("GET", b"/", (b"via", b"1.0 fred"))) if name == b"via"]
    assert written == [b"1.0 fred", b"1.1 iam-guard"]


@pytest.mark.parametrize(("name", "value"), [
    (b"x-a", b"1\r\nx-guard-principal: root"), (b"x-a", b"1\nx: y"), (b"x-a", b"1\ry"), (b"x-a", b"\x00"),
    (b"x a", b"1"), (b"x:a", b"1"), (b"", b"1"), (b"x-a\r\ny", b"1"), (b"content-length", b"+5"),
    (b"content-length", b"5, 5"), (b"content-length", b"-1"), (b"content-length", b""), (b"content-length", b"0x5"),
])
def test_a_field_that_could_be_read_as_another_is_not_written(name: bytes, value: bytes) -> None:
    with pytest.raises(UnsendableError) as refused:
        head("POST", b"/", (name, value), body=b"hello")
    assert refused.value.untouched


def test_two_lengths_are_refused() -> None:
    with pytest.raises(UnsendableError):
        head("POST", b"/", (b"content-length", b"5"), (b"content-length", b"5"), body=b"hello")


@pytest.mark.parametrize("method", ["", "GET /x", "G\r\nT", "GÉT"])
def test_a_method_that_is_no_token_is_refused(method: str) -> None:
    with pytest.raises(UnsendableError):
        head(method)


# RFC 9110 section 8.6: a length with every body, and with methods that usually have one.
@pytest.mark.parametrize(("method", "body", "expected"), [
    ("GET", b"", None), ("HEAD", b"", None), ("DELETE", b"", None), ("POST", b"", b"0"), ("PUT", b"", b"0"),
    ("PATCH", b"", b"0"), ("POST", b"abc", b"3"), ("GET", b"abc", b"3"),
])
def test_the_length_of_a_body_that_is_known(method: str, body: bytes, expected: bytes | None) -> None:
    assert dict(fields(head(method, b"/", body=body))).get(b"content-length") == expected


@pytest.mark.parametrize(("asked", "offered", "expected"), [
    (b"trailers", {"http.response.trailers": {}}, b"trailers"),
    (b"gzip, Trailers", {"http.response.trailers": {}}, b"trailers"),
    (b"gzip", {"http.response.trailers": {}}, None),
    (b"trailers", {}, None),
])
def test_trailers_are_asked_for_only_if_the_client_can_have_them(asked: bytes, offered: dict[str, object],
                                                                 expected: bytes | None) -> None:
    written = dict(fields(head("GET", b"/", (b"te", asked), extensions=offered)))
    assert written.get(b"te") == expected


values = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20).map(str.encode)
names = st.text(TCHAR, min_size=1, max_size=12).map(lambda name: f"z{name}".encode())


@given(st.lists(st.tuples(names, values), max_size=20))
def test_another_parser_reads_exactly_the_fields_that_were_there(sent: list[tuple[bytes, bytes]]) -> None:
    expected = [(b"host", b"app.example"), *sent, (b"via", b"1.1 iam-guard")]
    assert fields(head("GET", b"/", *sent)) == expected


@given(st.lists(st.tuples(st.binary(max_size=12), st.binary(max_size=20)), max_size=6))
def test_whatever_the_fields_are_there_is_one_request_or_none(sent: list[tuple[bytes, bytes]]) -> None:
    try:
        written = head("GET", b"/public", *sent)
    except UnsendableError:
        return
    assert written.count(b"\r\n\r\n") == 1
    assert written.endswith(b"\r\n\r\n")
    assert written.startswith(b"GET /public HTTP/1.1\r\n")
    assert b"\n" not in written.replace(b"\r\n", b"")


def sent_by(parts: list[bytes], *headers: tuple[bytes, bytes]) -> tuple[Told, bytes]:
    """What a server receives of a body that comes in parts."""

    async def run() -> tuple[Told, bytes]:
        received = bytearray()

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: object) -> None:
            parser = h11.Connection(h11.SERVER)
            while True:
                event = parser.next_event()
                if event is h11.NEED_DATA:
                    if not (data := await reader.read(65_536)):
                        return
                    parser.receive_data(data)
                elif isinstance(event, h11.Data):
                    received.extend(event.data)
                elif isinstance(event, h11.EndOfMessage):
                    writer.write(OK)
                    return

        async with scripted(script) as server, upstream(server.url) as app:
            return await ask(app, "POST", b"/", headers, parts), bytes(received)

    return asyncio.run(run())


@pytest.mark.parametrize("headers", [(), ((b"transfer-encoding", b"chunked"),), ((b"content-length", b"11"),)])
def test_a_body_in_parts_arrives_whole(headers: tuple[tuple[bytes, bytes], ...]) -> None:
    told, received = sent_by([b"hello", b"", b" ", b"world", b""], *headers)
    assert (told.status, received) == (200, b"hello world")


@pytest.mark.parametrize("parts", [[b"hello", b" world!"], [b"hello", b""], [b"hello"], [b"hello world!"]])
def test_a_body_of_another_length_than_was_said_never_reaches_its_end(parts: list[bytes]) -> None:
    told, received = sent_by(parts, (b"content-length", b"11"))
    assert told.status == 400
    assert len(received) < 11


def test_requests_follow_each_other_on_a_connection_and_stay_apart() -> None:
    async def run() -> None:
        async with scripted(answering(OK)) as server, upstream(server.url) as app:
            for number in range(3):
                assert (await ask(app, "GET", b"/%d" % number)).body == b"ok"
            assert server.connections == 1
            assert [head.split(b" ")[1] for head in server.heads] == [b"/0", b"/1", b"/2"]

    asyncio.run(run())
