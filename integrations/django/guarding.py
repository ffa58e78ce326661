"""The guard that the door and the views share, and how Django answers when a view is denied something."""

from __future__ import annotations

from pathlib import Path

from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin

from iam_guard import AccessDeniedError
from iam_guard.config import load_settings

wiring = load_settings(Path(__file__).parent / "iam-guard.yaml").build()
guard = wiring.guard


class AnswerDenials(MiddlewareMixin):
    """Say what the guard says at its door; without this, Django would answer 500."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Turn a denial into its answer, and leave every other exception to Django."""
        if not isinstance(exception, AccessDeniedError):
            return None
        from asgi import application  # it is made after this module was imported

        denial = application.denial_for(exception)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in denial.headers}
        return HttpResponse(denial.body, status=denial.status, headers=headers)
