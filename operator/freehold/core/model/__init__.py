"""Data types of the core: services, observations, plans, conditions and quantities."""
