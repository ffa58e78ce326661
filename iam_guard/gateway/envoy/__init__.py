"""A real Envoy as the engine of the gateway, with this guard as its external authorizer."""
