"""The operator's process: kopf handlers, the work queue, metrics and settings."""
