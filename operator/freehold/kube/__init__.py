"""Access to the Kubernetes API: client, watches, cache, observation and writes."""
