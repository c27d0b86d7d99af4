"""A service that stores notes.

`service` implements the methods, `store` the queries, `calls` the parts common to all calls (deadline, errors, log
line), `server` start and shutdown of the process, `schema` the migrations. The generated stubs are in `v1`.
"""

NAME = "example-service"
"""The name of this service in messages and in its database sessions."""
