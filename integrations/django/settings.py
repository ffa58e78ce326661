"""No more than an ASGI application needs. Authentication and sessions of Django's own are not used here."""

import secrets

SECRET_KEY = secrets.token_hex(32)
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
ROOT_URLCONF = "urls"
MIDDLEWARE = ["guarding.AnswerDenials"]
USE_TZ = True
