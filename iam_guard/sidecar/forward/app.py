"""The application behind the doors for forward authorization."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from iam_guard.asgi.types import Receive, Scope, Send
from iam_guard.errors import ConfigurationError, Fault, RequestRefusedError
from iam_guard.http.edge import EdgeSettings
from iam_guard.sidecar.answer import PREFLIGHT, Answer, Asker, for_subrequest
from iam_guard.sidecar.forward.family import unclear
from iam_guard.sidecar.forward.reading import Reader
from iam_guard.sidecar.forward.settings import ForwardDoor, check_doors
from iam_guard.sidecar.forward.wire import framed, send_answer, with_problem
from iam_guard.sidecar.original import Fields, OriginalRequest


class ForwardApp:
    """Answers proxies, each on a path of its own.

    Nobody else is answered but with 403, and no path is open: an application that a client's path could reach on
    this listener would be a way to an answer of 200.

    Args:
        asker: Decides.
        doors: Which proxies may ask, and where.
        edge: Their addresses (``trusted_proxies``), and which headers belong to the guard.

    Raises:
        ConfigurationError: two doors share a path, or the guard is to resolve paths.
    """

    def __init__(self, asker: Asker, doors: Iterable[ForwardDoor], edge: EdgeSettings) -> None:
        doors = tuple(doors)
        check_doors(doors)
        _refuse_other_path(edge)
        self._asker = asker
        self._edge = edge
        self._doors = {door.at: (door, Reader(door, edge)) for door in doors}
        self._trees = tuple(door.at for door in doors if door.is_tree)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call.

        Raises:
            ConfigurationError: the server sent a kind of scope that is no call.
        """
        if scope["type"] not in ("http", "websocket"):
            raise ConfigurationError(Fault(f"'{scope['type']}' connections cannot be judged and are refused"))
        await send_answer(await self.answer(scope), scope, send)

    async def answer(self, scope: Mapping[str, Any]) -> Answer:
        """What the proxy is told: 200 and nothing else allows.

        Args:
            scope: Its call.
        """
        try:
            original, door = self._original(scope)
        except RequestRefusedError as error:
            return self._asker.refuse(error)
        return self._for_proxy(await self._asker.ask(original), door)

    def promptly(self, scope: Mapping[str, Any]) -> tuple[int, Fields, bytes] | None:
        """What the proxy is told, where nothing has to be waited for; see :mod:`iam_guard.sidecar.prompt`.

        Args:
            scope: Its call.

        Returns:
            ``None``, with nothing done, for a call that only :meth:`answer` can answer.
        """
        try:
            original, door = self._original(scope)
        except RequestRefusedError as error:
            answer = self._asker.refuse(error)
        except Exception:
            return None
        else:
            [found] = self._asker.ask_at_once((original,))
            if found is None:
                return None
            answer = self._for_proxy(found, door)
        return answer.status, framed(answer), answer.body

    def _original(self, scope: Mapping[str, Any]) -> tuple[OriginalRequest, ForwardDoor]:
        self._check_peer(scope)
        door, reader = self._door(scope["path"])
        return reader.read(scope), door

    def _for_proxy(self, answer: Answer, door: ForwardDoor) -> Answer:
        """*answer* in the words of the proxy."""
        if (answer.outcome, answer.status) == (PREFLIGHT, 204) and door.preflights == "pass":
            return Answer(200, self._asker.nobody(), b"", allowed=True, outcome=PREFLIGHT)
        answer = for_subrequest(answer)
        return with_problem(answer) if door.drops_bodies else answer

    def _check_peer(self, scope: Mapping[str, Any]) -> None:
        """Let in those whose word about a client counts."""
        client = scope.get("client")
        if not (_is_local(scope) if client is None else self._edge.proxies.judge(client[0])[1]):
            raise RequestRefusedError("Only trusted proxies may ask here.", status=403, code="untrusted-peer")

    def _door(self, path: str) -> tuple[ForwardDoor, Reader]:
        if (door := self._doors.get(path)) is not None:
            return door
        for tree in self._trees:
            if path.startswith(tree + "/"):
                return self._doors[tree]
        raise unclear("no kind of proxy asks at this path")


def _refuse_other_path(edge: EdgeSettings) -> None:
    """A proxy passes on the path that it has: one that is resolved here would be decided and another served."""
    if edge.path_mode != "strict":
        raise ConfigurationError(Fault("a proxy that only asks would not learn which path was decided",
                                       "remove 'path_mode', so that paths that have to be resolved are refused",
                                       "/edge/path_mode"))


def _is_local(scope: Mapping[str, Any]) -> bool:
    """Whether the call came by a Unix socket; who may connect there is a matter of the permissions of its file."""
    server = scope.get("server")
    return server is not None and server[1] is None


def make_forward_app(asker: Asker, doors: Iterable[ForwardDoor], edge: EdgeSettings, *,
                     unix: bool = False) -> ForwardApp:
    """The application for a listener.

    Args:
        asker: Decides.
        doors: Which proxies may ask, and where.
        edge: Their addresses, and which headers belong to the guard.
        unix: The listener is a Unix socket, so that no addresses are needed.

    Raises:
        ConfigurationError: two doors share a path, nobody may ask, or the guard is to resolve paths.
    """
    if not unix and not edge.trusts_anybody:
        raise ConfigurationError(Fault("no proxy may ask for forward authorization",
                                       "list the addresses of your proxies, or listen on a Unix socket",
                                       "/edge/trusted_proxies"))
    return ForwardApp(asker, doors, edge)
