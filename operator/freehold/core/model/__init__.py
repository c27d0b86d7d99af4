"""The vocabulary of the core: services, observations, plans, conditions and quantities."""
