"""Everything that reads from or writes to the Kubernetes API."""
