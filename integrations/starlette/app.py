"""Orders behind the guard: settings and route map in files, one check per order in the handler."""

from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from iam_guard.config import load_settings

HERE = Path(__file__).parent
ORDERS = {"42": {"id": "42", "owner": "ann"}, "77": {"id": "77", "owner": "bob"}}

wiring = load_settings(HERE / "iam-guard.yaml").build()
guard = wiring.guard


async def health(request: Request) -> JSONResponse:
    return JSONResponse({"status": "fine"})


async def get_order(request: Request) -> JSONResponse:
    order = ORDERS.get(request.path_params["order_id"])
    return JSONResponse(order) if order else JSONResponse({"title": "no such order"}, 404)


async def cancel_orders(request: Request) -> JSONResponse:
    """The body names the orders, so the door cannot know them: each is checked here, before any is changed."""
    wanted = [ORDERS[one] for one in await request.json() if one in ORDERS]
    for order in wanted:
        guard.require("orders:CancelOrder", f"order/{order['id']}", context={"orders:Owner": order["owner"]})
    return JSONResponse({"cancelled": [order["id"] for order in wanted]})


service = Starlette(routes=[
    Route("/health", health),
    Route("/orders/{order_id}", get_order),
    Route("/cancellations", cancel_orders, methods=["POST"]),
])
app = wiring.middleware(service)
