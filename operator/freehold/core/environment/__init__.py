"""The environment of a service's container: variables and files."""
