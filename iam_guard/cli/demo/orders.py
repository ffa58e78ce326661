"""The service that is protected: a few orders in memory. It knows nothing of the guard in front of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from iam_guard.asgi import NO_FACTS, ResourceFacts
from iam_guard.http.mapper import Match
from iam_guard.http.request import HTTPRequest
from iam_guard.model import Principal


@dataclass(frozen=True, slots=True)
class Order:
    """One order; ``hold`` is set while lawyers look at it."""

    id: str
    region: str
    hold: str = ""
    state: str = "placed"


class OrderService:
    """Orders, the handlers over them, and what the guard may know about them."""

    def __init__(self) -> None:
        first = (Order("13", "eu", hold="legal"), Order("42", "eu"), Order("77", "us"))
        self._orders = {order.id: order for order in first}

    def application(self) -> Starlette:
        """The ASGI application. Nobody thought of ``/debug`` when the route map was written."""
        return Starlette(routes=[
            Route("/health", self._health),
            Route("/debug", self._debug),
            Route("/orders", self._list),
            Route("/orders", self._create, methods=["POST"]),
            Route("/orders/{order_id}", self._get),
            Route("/orders/{order_id}", self._delete, methods=["DELETE"]),
            Route("/orders/{order_id}/refund", self._refund, methods=["POST"]),
            Route("/orders/{order_id}/ship", self._ship, methods=["POST"]),
            Route("/reports/{name}", self._report),
        ])

    async def facts(self, request: HTTPRequest, match: Match, principal: Principal) -> ResourceFacts:
        """Tags of the order that a request names, for conditions on ``aws:ResourceTag``."""
        order = self._orders.get(match.params.get("order_id", ""))
        if order is None:
            return NO_FACTS
        return ResourceFacts(tags={"region": order.region, **({"hold": order.hold} if order.hold else {})})

    async def _health(self, request: Request) -> Response:
        return JSONResponse({"status": "fine"})

    async def _debug(self, request: Request) -> Response:
        return JSONResponse({"orders": len(self._orders)})

    async def _list(self, request: Request) -> Response:
        return JSONResponse([asdict(order) for order in self._orders.values()])

    async def _create(self, request: Request) -> Response:
        order = Order(str(max(map(int, self._orders), default=0) + 1), "eu")
        self._orders[order.id] = order
        return JSONResponse(asdict(order), 201)

    async def _get(self, request: Request) -> Response:
        order = self._orders.get(request.path_params["order_id"])
        return JSONResponse(asdict(order)) if order else JSONResponse({"title": "no such order"}, 404)

    async def _delete(self, request: Request) -> Response:
        return Response(status_code=204 if self._orders.pop(request.path_params["order_id"], None) else 404)

    async def _refund(self, request: Request) -> Response:
        return self._changed(request, "refunded")

    async def _ship(self, request: Request) -> Response:
        return self._changed(request, "shipped")

    def _changed(self, request: Request, state: str) -> Response:
        order = self._orders.get(request.path_params["order_id"])
        if order is None:
            return JSONResponse({"title": "no such order"}, 404)
        self._orders[order.id] = replace(order, state=state)
        return JSONResponse(asdict(self._orders[order.id]))

    async def _report(self, request: Request) -> Response:
        return JSONResponse({"report": request.path_params["name"], "orders": len(self._orders)})
