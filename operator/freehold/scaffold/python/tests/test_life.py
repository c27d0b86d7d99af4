"""Tests of start, database outage and shutdown of the server."""

from __future__ import annotations

import itertools
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import grpc
import psycopg
import pytest
from grpc_health.v1.health_pb2 import HealthCheckResponse
from harness import PASSWORD, SERVING, Database, Server

from example_service.readiness import SERVICE
from example_service.v1 import notes_pb2 as pb

NOT_SERVING = HealthCheckResponse.NOT_SERVING
ANY = pb.GetNoteRequest(id="any")


def test_listens_without_database(database: Database, start: Callable[..., Server]) -> None:
    """A server without its database listens with status NOT_SERVING and becomes SERVING with the database."""
    database.stop()
    server = start(database)
    server.await_health(NOT_SERVING)
    assert SERVICE in server.reflected("v1")

    database.resume()

    server.await_health(SERVING)


def test_serves_after_database_outage(database: Database, server: Server) -> None:
    """A database outage makes calls UNAVAILABLE; afterwards the server works without a restart."""
    server.notes.PutNote(pb.PutNoteRequest(id="any", text="before"), timeout=5)

    database.stop()
    server.await_health(NOT_SERVING)
    with pytest.raises(grpc.RpcError) as refused:
        server.notes.GetNote(ANY, timeout=5)
    database.resume()
    server.await_health(SERVING)

    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert str(refused.value.details()).endswith("does not answer; try again shortly")
    assert server.notes.GetNote(ANY, timeout=5).note.text == "before"


def test_short_database_outage_fails_no_call(database: Database, server: Server) -> None:
    """Calls during a short outage are retried, and the health status does not change."""
    back = threading.Event()

    def call(caller: int) -> None:
        for number in itertools.count():
            note = pb.Note(id=f"{caller}-{number}", text="t")
            server.notes.PutNote(pb.PutNoteRequest(id=note.id, text=note.text), timeout=5)
            assert server.notes.GetNote(pb.GetNoteRequest(id=note.id), timeout=5).note == note
            if back.is_set():
                return

    with ThreadPoolExecutor(8) as callers:
        calls = [callers.submit(call, caller) for caller in range(8)]
        try:
            for _ in range(3):
                database.stop()
                time.sleep(0.4)
                database.resume()
                server.notes.PutNote(pb.PutNoteRequest(id="any", text="t"), timeout=5)
        finally:
            back.set()

    for ended in calls:
        ended.result()
    assert "not ready" not in server.log.read_text()


@pytest.mark.parametrize(("budget", "timeout"), [("5000", 0.3), ("300", 5)])
def test_deadline_and_latency_budget_end_query(
    database: Database, start: Callable[..., Server], budget: str, timeout: float
) -> None:
    """The earlier of deadline and latency budget ends a call and cancels its query."""
    server = start(database, LATENCY_BUDGET_MS=budget)
    server.await_health(SERVING)
    with psycopg.connect(database.url("owner")) as other:
        other.execute("LOCK TABLE notes")
        with pytest.raises(grpc.RpcError) as refused:
            server.notes.GetNote(ANY, timeout=timeout)
        database.await_waiting(0)

    assert refused.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_shutdown_finishes_running_call(database: Database, server: Server) -> None:
    """After SIGTERM the health status is NOT_SERVING and running calls end normally."""
    server.notes.PutNote(pb.PutNoteRequest(id="any", text="kept"), timeout=5)
    with psycopg.connect(database.url("owner")) as other:
        other.execute("LOCK TABLE notes")
        call = server.notes.GetNote.future(ANY, timeout=5)
        database.await_waiting(1)
        watching = server.watch()
        assert next(watching).status == SERVING

        server.process.send_signal(signal.SIGTERM)

        assert next(watching).status == NOT_SERVING
        watching.cancel()  # type: ignore[attr-defined]

    assert call.result().note.text == "kept"
    assert server.process.wait(timeout=5) == 0


def test_log_lines_without_password(server: Server) -> None:
    """Each call is logged as a line of JSON, and the log has no password."""
    server.notes.PutNote(pb.PutNoteRequest(id="any", text="t"), timeout=5)
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(timeout=10)

    (call,) = [line for line in server.lines() if line["message"] == "call"]
    assert (call["method"], call["code"]) == (f"/{SERVICE}/PutNote", "OK")
    assert 4000 < call["deadlineMs"] < 6000
    assert PASSWORD not in server.log.read_text()
