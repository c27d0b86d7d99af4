"""Tests of the contract, over a connection and with a database."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest
from harness import SERVING, Server, migrated_database

from example_service.readiness import SERVICE
from example_service.v1 import notes_pb2 as pb


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server that the tests of this module share."""
    server = Server(migrated_database(), tmp_path_factory.mktemp("shared") / "log")
    server.await_health(SERVING)
    yield server
    server.close()


def test_put_note_replaces(shared: Server) -> None:
    """A note has the text that was stored last."""
    for text in ("milk", "milk and bread", "milk and bread"):
        note = pb.Note(id="shopping", text=text)
        assert shared.notes.PutNote(pb.PutNoteRequest(id="shopping", text=text), timeout=5).note == note
        assert shared.notes.GetNote(pb.GetNoteRequest(id="shopping"), timeout=5).note == note


def test_get_note_not_found(shared: Server) -> None:
    """An unknown id is refused with NOT_FOUND."""
    with pytest.raises(grpc.RpcError) as refused:
        shared.notes.GetNote(pb.GetNoteRequest(id="absent"), timeout=5)

    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    assert refused.value.details() == "no note has the id absent"


@pytest.mark.parametrize(
    ("note_id", "text", "sentence"),
    [
        ("", "t", "id must have 1 to 100 characters, none of them a control character; it has 0"),
        ("\n", "t", "none of them a control character; it has 1"),
        ("ä" * 101, "t", "it has 101"),
        ("i", "", "text must have 1 to 10000 characters, none of them NUL; it has 0"),
        ("i", "\0", "none of them NUL; it has 1"),
        ("i", "ä" * 10_001, "it has 10001"),
    ],
)
def test_invalid_request_is_refused(shared: Server, note_id: str, text: str, sentence: str) -> None:
    """An invalid request is refused with a message about the field."""
    with pytest.raises(grpc.RpcError) as refused:
        shared.notes.PutNote(pb.PutNoteRequest(id=note_id, text=text), timeout=5)

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert sentence in str(refused.value.details())


def test_response_names_server(shared: Server) -> None:
    """The trailing metadata of a response has the name of the server."""
    request = pb.PutNoteRequest(id="any", text="t")
    _, call = shared.notes.PutNote.with_call(request, timeout=5)

    assert [value for key, value in call.trailing_metadata() if key == "served-by"] != []


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_lists_service(shared: Server, version: str) -> None:
    """Server reflection lists the service."""
    assert SERVICE in shared.reflected(version)
