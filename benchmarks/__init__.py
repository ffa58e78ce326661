"""How fast decisions are, beside other engines: ``python -m benchmarks.evaluate``."""
