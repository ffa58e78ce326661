"""External authorization for Envoy, over gRPC and over HTTP (wire contracts, sections 4 and 5)."""
