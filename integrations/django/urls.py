"""Invoices. The guard has admitted the request before a view runs; a view of either kind may ask it more."""

from __future__ import annotations

import json

from django.http import Http404, HttpRequest, JsonResponse
from django.urls import path
from guarding import guard

from iam_guard import current_principal

INVOICES = {"1": {"id": "1", "owner": "ann"}, "2": {"id": "2", "owner": "bob"}}


def health(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "fine"})


async def get_invoice(request: HttpRequest, invoice_id: str) -> JsonResponse:
    if invoice_id not in INVOICES:
        raise Http404("no such invoice")
    return JsonResponse({**INVOICES[invoice_id], "asked_by": current_principal().arn})


def pay_invoices(request: HttpRequest) -> JsonResponse:
    """The body names the invoices, so each is checked here, before any is paid."""
    wanted = [INVOICES[one] for one in json.loads(request.body) if one in INVOICES]
    for invoice in wanted:
        guard.require("invoices:PayInvoice", f"invoice/{invoice['id']}", context={"invoices:Owner": invoice["owner"]})
    return JsonResponse({"paid": [invoice["id"] for invoice in wanted]})


urlpatterns = [
    path("health", health),
    path("invoices/<str:invoice_id>", get_invoice),
    path("payments", pay_invoices),
]
