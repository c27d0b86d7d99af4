"""How long a call lasts: its caller's time, the latency budget, and a caller that goes away."""

from __future__ import annotations

import time
from collections.abc import Callable
from queue import SimpleQueue

import grpc
import psycopg
import pytest
from harness import SERVING, Database, Server

from shop.users.v1 import users_pb2 as pb
from shop.users.v1.users_pb2_grpc import UsersServiceStub

EVERYBODY = pb.ListUsersRequest()
AT_ONCE = 1.0
"""Seconds within which the database must have seen that nobody waits any more."""


def logged(server: Server, count: int) -> list[tuple[str, float | None]]:
    """The code and the deadline of that many calls, once the log has them."""
    end = time.monotonic() + 5
    while len(calls := server.calls()) < count:
        assert time.monotonic() < end, f"the log has {calls}"
    return [(call["code"], call["deadlineMs"]) for call in calls]


def test_a_call_ends_with_its_deadline_and_so_does_its_query(server: Server, database: Database) -> None:
    with psycopg.connect(database.url("owner")) as other:
        other.execute("LOCK TABLE users")
        with pytest.raises(grpc.RpcError) as refused:
            UsersServiceStub(server.channel).ListUsers(EVERYBODY, timeout=0.3)

        assert refused.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        database.await_waiting(0, within=AT_ONCE)


def test_a_caller_that_goes_away_ends_its_query_at_once(server: Server, database: Database) -> None:
    with psycopg.connect(database.url("owner")) as other:
        other.execute("LOCK TABLE users")
        call = UsersServiceStub(server.channel).ListUsers.future(EVERYBODY, timeout=5)
        database.await_waiting(1, within=4)

        call.cancel()

        database.await_waiting(0, within=AT_ONCE)

    assert logged(server, 1)[0][0] == "CANCELLED"


def test_the_latency_budget_bounds_a_call_whatever_time_its_caller_gives(
    database: Database, start: Callable[..., Server]
) -> None:
    server = start(database, LATENCY_BUDGET_MS="300")
    server.await_health(SERVING)
    with psycopg.connect(database.url("owner")) as other:
        other.execute("LOCK TABLE users")
        started = time.monotonic()
        with pytest.raises(grpc.RpcError) as refused:
            UsersServiceStub(server.channel).ListUsers(EVERYBODY, timeout=4)

        assert 0.3 <= time.monotonic() - started < 1.5
        assert refused.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert refused.value.details() == "users could not answer in the time allowed; try again"
        database.await_waiting(0, within=AT_ONCE)

    assert logged(server, 1)[0][0] == "DEADLINE_EXCEEDED"


def test_the_log_says_how_much_time_a_call_had(server: Server) -> None:
    users = UsersServiceStub(server.channel)
    users.ListUsers(EVERYBODY, timeout=2)
    users.ListUsers(EVERYBODY)

    (_, two_seconds), (_, none) = logged(server, 2)
    assert two_seconds is not None and 1500 < two_seconds < 2100
    assert none is None


def test_a_connection_ends_within_seconds_so_that_new_servers_are_found(server: Server) -> None:
    states: SimpleQueue[grpc.ChannelConnectivity] = SimpleQueue()
    server.channel.subscribe(states.put)
    UsersServiceStub(server.channel).ListUsers(EVERYBODY, timeout=5)
    while states.get(timeout=5) is not grpc.ChannelConnectivity.READY:
        pass

    assert states.get(timeout=6) is not grpc.ChannelConnectivity.READY
