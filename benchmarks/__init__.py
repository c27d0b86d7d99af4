"""What Freehold costs: in time to a running service, in writes to the API server, in memory of the operator."""
