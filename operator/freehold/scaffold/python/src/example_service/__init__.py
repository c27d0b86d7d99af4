"""Keeps notes.

`service` answers the calls, `store` holds the queries, `calls` what every call has in common (deadline, refusals,
log line), `server` the life of the process, `schema` the migrations. The stubs of the contract are in `v1`.
"""

NAME = "example-service"
"""How this service calls itself in sentences and to its database."""
