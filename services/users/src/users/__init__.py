"""The users service of the shop: registers people and returns their data.

`service` implements the methods, `repository` the queries, `calls` the parts common to all calls (deadline,
errors, log line), `server` start and shutdown of the process, `schema` the migrations.
"""
