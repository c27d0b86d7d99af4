"""The life of the server: before its database is there, while it is away, and at the end."""

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


def test_it_waits_for_its_database(database: Database, start: Callable[[Database], Server]) -> None:
    database.go_away()
    server = start(database)
    server.await_health(NOT_SERVING)

    database.come_back()

    server.await_health(SERVING)


def test_it_serves_again_after_its_database_was_away(database: Database, server: Server) -> None:
    users = UsersServiceStub(server.channel)
    before = users.RegisterUser(pb.RegisterUserRequest(name="Ada", email="ada@example.org"), timeout=5).user

    database.go_away()
    server.await_health(NOT_SERVING)
    with pytest.raises(grpc.RpcError) as refused:
        users.GetUser(pb.GetUserRequest(id=before.id), timeout=5)
    database.come_back()
    server.await_health(SERVING)

    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert refused.value.details() == "the database of users does not answer; try again shortly"
    assert users.GetUser(pb.GetUserRequest(id=before.id), timeout=5).user == before


def test_a_call_under_way_ends_well_when_the_server_is_told_to_stop(
    database: Database, server: Server
) -> None:
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


def test_the_log_has_one_line_of_json_for_each_event_and_no_secret(
    database: Database, server: Server
) -> None:
    users = UsersServiceStub(server.channel)
    users.ListUsers(pb.ListUsersRequest(), timeout=5)
    database.go_away()
    server.await_health(NOT_SERVING)
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(timeout=10)

    assert [(call["method"], call["code"]) for call in server.calls()] == [
        ("/shop.users.v1.UsersService/ListUsers", "OK")
    ]
    assert PASSWORD not in server.log.read_text()
