"""Names and numbers shared by the server's scripts, the operator and the programs of a move."""

PORT = 5432
DATABASE = "app"
"""Every server holds the data of a single service, so all databases have the same name."""
ROLE_SERVICE = "app"
ROLE_OWNER = "owner"
ROLE_REPLICATOR = "replicator"
SUPERUSER = "postgres"
