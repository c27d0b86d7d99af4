"""The methods of NotesService."""

from __future__ import annotations

import unicodedata

from .calls import Context
from .errors import InvalidArgumentError, NotFoundError
from .store import Store
from .v1 import notes_pb2 as pb
from .v1.notes_pb2_grpc import NotesServiceServicer

LONGEST_ID = 100
LONGEST_TEXT = 10_000


class Notes(NotesServiceServicer):
    """Validates requests, calls the store, and builds responses."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def PutNote(self, request: pb.PutNoteRequest, _context: Context) -> pb.PutNoteResponse:
        """Store a note."""
        note = pb.Note(id=_id(request.id), text=_text(request.text))
        await self._store.put(note.id, note.text)
        return pb.PutNoteResponse(note=note)

    async def GetNote(self, request: pb.GetNoteRequest, _context: Context) -> pb.GetNoteResponse:
        """Return one note."""
        text = await self._store.get(_id(request.id))
        if text is None:
            raise NotFoundError(f"no note has the id {request.id}")
        return pb.GetNoteResponse(note=pb.Note(id=request.id, text=text))


def _id(text: str) -> str:
    if not 1 <= len(text) <= LONGEST_ID or any(unicodedata.category(character) == "Cc" for character in text):
        raise InvalidArgumentError(
            f"id must have 1 to {LONGEST_ID} characters, none of them a control character; it has {len(text)}"
        )
    return text


def _text(text: str) -> str:
    if not 1 <= len(text) <= LONGEST_TEXT or "\0" in text:
        raise InvalidArgumentError(
            f"text must have 1 to {LONGEST_TEXT} characters, none of them NUL; it has {len(text)}"
        )
    return text
