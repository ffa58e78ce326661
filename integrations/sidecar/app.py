"""An application that leaves access to the proxy in front of it, and believes what it says about the caller."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket


async def health(request: Request) -> JSONResponse:
    return JSONResponse({"status": "alive"})


async def order(request: Request) -> JSONResponse:
    return JSONResponse({"order": request.path_params["order_id"], "for": request.headers["x-guard-principal"]})


async def events(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_json({"order": socket.path_params["order_id"], "for": socket.headers["x-guard-principal"]})
    await socket.close()


app = Starlette(routes=[Route("/health", health), Route("/orders/{order_id}", order),
                        WebSocketRoute("/orders/{order_id}/events", events)])
