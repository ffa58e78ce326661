"""What the server runs: Django's application behind the guard."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
service = get_asgi_application()

from guarding import wiring  # noqa: E402 - Django has to be set up first

application = wiring.middleware(service)
