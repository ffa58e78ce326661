"""The sidecar: decisions for proxies and programs that ask over the wire."""
