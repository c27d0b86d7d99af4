"""Names and numbers that the server's scripts, the operator and the programs of a move share."""

PORT = 5432
DATABASE = "app"
"""Each server holds one service's data, so the name need not differ."""
ROLE_SERVICE = "app"
ROLE_OWNER = "owner"
ROLE_REPLICATOR = "replicator"
SUPERUSER = "postgres"
