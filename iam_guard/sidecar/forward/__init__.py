"""Forward authorization: a proxy asks, on a URL of its own, about the request that it received from its client."""
