"""Background tasks by which the operator tries and asks by itself."""
