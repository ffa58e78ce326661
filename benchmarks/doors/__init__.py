"""How fast the doors are, beside proxies and decision points that do the same job: ``python -m benchmarks.doors``."""
