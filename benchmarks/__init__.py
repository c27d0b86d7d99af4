"""Measurements of Freehold's cost: time to a running service, latency, writes to the API server, operator memory."""
