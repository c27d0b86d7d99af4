"""Tests of start, database outage and shutdown of the server."""

from __future__ import annotations

import signal
from collections.abc import Callable

import grpc
import psycopg
import pytest
from grpc_health.v1.health_pb2 import HealthCheckResponse
from harness import PASSWORD, SERVING, Database, Server

from shop.users.v1 import users_pb2 as pb
from shop.users.v1.users_pb2_grpc import UsersServiceStub

NOT_SERVING = HealthCheckResponse.NOT_SERVING


def test_start_waits_for_database(database: Database, start: Callable[[Database], Server]) -> None:
    """A server without its database listens with status NOT_SERVING and becomes SERVING with the database."""
    database.stop()
    server = start(database)
    server.await_health(NOT_SERVING)

    database.resume()

    server.await_health(SERVING)


def test_serves_after_database_outage(database: Database, server: Server) -> None:
    """A database outage makes calls UNAVAILABLE; afterwards the server works without a restart."""
    users = UsersServiceStub(server.channel)
    before = users.RegisterUser(pb.RegisterUserRequest(name="Ada", email="ada@example.org"), timeout=5).user

    database.stop()
    server.await_health(NOT_SERVING)
    with pytest.raises(grpc.RpcError) as refused:
        users.GetUser(pb.GetUserRequest(id=before.id), timeout=5)
    database.resume()
    server.await_health(SERVING)

    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert refused.value.details() == "the database of users does not answer; try again shortly"
    assert users.GetUser(pb.GetUserRequest(id=before.id), timeout=5).user == before


def test_shutdown_finishes_running_call(database: Database, server: Server) -> None:
    """After SIGTERM the health status is NOT_SERVING and running calls end normally."""
    with psycopg.connect(database.url("owner")) as other:
        other.execute("LOCK TABLE users")
        call = UsersServiceStub(server.channel).ListUsers.future(pb.ListUsersRequest(), timeout=5)
        while not database.waiting():
            assert not call.done()
        watching = server.watch()
        assert next(watching).status == SERVING

        server.process.send_signal(signal.SIGTERM)

        assert next(watching).status == NOT_SERVING
        watching.cancel()  # type: ignore[attr-defined]

    assert call.result() == pb.ListUsersResponse()
    assert server.process.wait(timeout=5) == 0


def test_log_lines_without_password(database: Database, server: Server) -> None:
    """Each call is logged as a line of JSON, and the log has no password."""
    users = UsersServiceStub(server.channel)
    users.ListUsers(pb.ListUsersRequest(), timeout=5)
    database.stop()
    server.await_health(NOT_SERVING)
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(timeout=10)

    assert [(call["method"], call["code"]) for call in server.calls()] == [
        ("/shop.users.v1.UsersService/ListUsers", "OK")
    ]
    assert PASSWORD not in server.log.read_text()
