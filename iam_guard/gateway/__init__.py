"""The gateway: a reverse proxy whose every request is decided before an upstream sees it."""
