"""Tests of the duration of calls: deadline, latency budget, and cancellation by the client."""

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

ALL_USERS = pb.ListUsersRequest()
AT_ONCE = 1.0
"""The maximum time in seconds until the query of an ended call is cancelled."""


def logged(server: Server, count: int) -> list[tuple[str, float | None]]:
    """Return status code and deadline of the first `count` calls in the log."""
    end = time.monotonic() + 5
    while len(calls := server.calls()) < count:
        assert time.monotonic() < end, f"the log has {calls}"
    return [(call["code"], call["deadlineMs"]) for call in calls]


def test_deadline_ends_query(server: Server, database: Database) -> None:
    """A call ends at its deadline, and its query is cancelled."""
    with psycopg.connect(database.url("owner")) as other:
        other.execute("LOCK TABLE users")
        with pytest.raises(grpc.RpcError) as refused:
            UsersServiceStub(server.channel).ListUsers(ALL_USERS, timeout=0.3)

        assert refused.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        database.await_waiting(0, within=AT_ONCE)


def test_cancelled_call_ends_query(server: Server, database: Database) -> None:
    """When the client cancels a call, its query is cancelled."""
    with psycopg.connect(database.url("owner")) as other:
        other.execute("LOCK TABLE users")
        call = UsersServiceStub(server.channel).ListUsers.future(ALL_USERS, timeout=5)
        database.await_waiting(1, within=4)

        call.cancel()

        database.await_waiting(0, within=AT_ONCE)

    assert logged(server, 1)[0][0] == "CANCELLED"


def test_latency_budget_limits_call(database: Database, start: Callable[..., Server]) -> None:
    """The latency budget limits a call with a later deadline."""
    server = start(database, LATENCY_BUDGET_MS="300")
    server.await_health(SERVING)
    with psycopg.connect(database.url("owner")) as other:
        other.execute("LOCK TABLE users")
        started = time.monotonic()
        with pytest.raises(grpc.RpcError) as refused:
            UsersServiceStub(server.channel).ListUsers(ALL_USERS, timeout=4)

        assert 0.3 <= time.monotonic() - started < 1.5
        assert refused.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert refused.value.details() == "users could not answer in the time allowed; try again"
        database.await_waiting(0, within=AT_ONCE)

    assert logged(server, 1)[0][0] == "DEADLINE_EXCEEDED"


def test_log_has_deadline(server: Server) -> None:
    """The log line of a call has the time until its deadline."""
    users = UsersServiceStub(server.channel)
    users.ListUsers(ALL_USERS, timeout=2)
    users.ListUsers(ALL_USERS)

    (_, two_seconds), (_, none) = logged(server, 2)
    assert two_seconds is not None and 1500 < two_seconds < 2100
    assert none is None


def test_connection_age_is_limited(server: Server) -> None:
    """A connection ends after a few seconds, so that clients find new servers."""
    states: SimpleQueue[grpc.ChannelConnectivity] = SimpleQueue()
    server.channel.subscribe(states.put)
    UsersServiceStub(server.channel).ListUsers(ALL_USERS, timeout=5)
    while states.get(timeout=5) is not grpc.ChannelConnectivity.READY:
        pass

    assert states.get(timeout=6) is not grpc.ChannelConnectivity.READY
