"""What a client sees, over a real connection and a real database."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest
from harness import SERVING, Server, migrated_database

from example_service.readiness import SERVICE
from example_service.v1 import notes_pb2 as pb


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the tests that do not mind each other."""
    server = Server(migrated_database(), tmp_path_factory.mktemp("shared") / "log")
    server.await_health(SERVING)
    yield server
    server.close()


def test_a_note_is_read_as_it_was_written_last(shared: Server) -> None:
    for text in ("milk", "milk and bread", "milk and bread"):
        note = pb.Note(id="shopping", text=text)
        assert shared.notes.PutNote(pb.PutNoteRequest(id="shopping", text=text), timeout=5).note == note
        assert shared.notes.GetNote(pb.GetNoteRequest(id="shopping"), timeout=5).note == note


def test_there_is_no_note_that_nobody_wrote(shared: Server) -> None:
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
def test_what_cannot_be_meant_is_refused_with_a_sentence(
    shared: Server, note_id: str, text: str, sentence: str
) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        shared.notes.PutNote(pb.PutNoteRequest(id=note_id, text=text), timeout=5)

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert sentence in str(refused.value.details())


def test_each_answer_says_who_gave_it(shared: Server) -> None:
    request = pb.PutNoteRequest(id="any", text="t")
    _, call = shared.notes.PutNote.with_call(request, timeout=5)

    assert [value for key, value in call.trailing_metadata() if key == "served-by"] != []


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_names_the_service(shared: Server, version: str) -> None:
    assert SERVICE in shared.reflected(version)
