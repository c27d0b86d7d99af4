"""The people of the shop: registers them, and says who they are.

`service` answers the calls, `repository` holds the queries, `calls` what every call has in common
(deadline, refusals, log line), `server` the life of the process, `schema` the migrations.
"""
