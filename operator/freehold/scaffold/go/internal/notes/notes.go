// Package notes implements the methods of NotesService, and stores the notes in the service's own PostgreSQL database.
package notes

import (
	"context"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"example.org/example-service/gen/notesv1"
)

const (
	longestID   = 100
	longestText = 10000
)

// Notes validates requests, calls the store, and builds responses.
type Notes struct {
	notesv1.UnimplementedNotesServiceServer
	Store *Store
}

// PutNote stores a note.
func (n *Notes) PutNote(ctx context.Context, request *notesv1.PutNoteRequest) (*notesv1.PutNoteResponse, error) {
	id, text := request.GetId(), request.GetText()
	if err := checkID(id); err != nil {
		return nil, err
	}
	if length := utf8.RuneCountInString(text); length < 1 || length > longestText || strings.ContainsRune(text, 0) {
		return nil, status.Errorf(codes.InvalidArgument,
			"text must have 1 to %d characters, none of them NUL; it has %d", longestText, length)
	}
	if err := n.Store.Put(ctx, id, text); err != nil {
		return nil, err
	}
	return &notesv1.PutNoteResponse{Note: &notesv1.Note{Id: id, Text: text}}, nil
}

// GetNote returns a note.
func (n *Notes) GetNote(ctx context.Context, request *notesv1.GetNoteRequest) (*notesv1.GetNoteResponse, error) {
	id := request.GetId()
	if err := checkID(id); err != nil {
		return nil, err
	}
	text, err := n.Store.Get(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil, status.Errorf(codes.NotFound, "no note has the id %s", id)
	}
	if err != nil {
		return nil, err
	}
	return &notesv1.GetNoteResponse{Note: &notesv1.Note{Id: id, Text: text}}, nil
}

func checkID(id string) error {
	length := utf8.RuneCountInString(id)
	if length < 1 || length > longestID || strings.ContainsFunc(id, unicode.IsControl) {
		return status.Errorf(codes.InvalidArgument,
			"id must have 1 to %d characters, none of them a control character; it has %d", longestID, length)
	}
	return nil
}
