"""uvicorn's protocol, with bounds that it lacks, and without mixing up what belongs to different requests."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: Requests that a caller may send before it has the answers to those in front of them.
_MOST_WAITING = 100


class BoundedProtocol(HttpToolsProtocol):
    """One connection of a caller."""

    def on_headers_complete(self) -> None:
        """See uvicorn; the header is complete, whatever trailers come (threat H07), and few requests wait (F05)."""
        super().on_headers_complete()
        if len(self.pipeline) > _MOST_WAITING:
            raise ValueError("too many requests wait")  # the parser stops here, and the connection ends
        self.headers = list(self.headers)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, and close; never in the middle of the answer to another one."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            super().send_400_response(msg)
            return
        if cycle.more_body and not cycle.response_started and not self.pipeline:
            super().send_400_response(msg)  # it is the body of the request which is to be answered next
        self.transport.close()
        cycle.disconnected = True  # it says nothing more
        cycle.message_event.set()
