package example_service;

import com.google.errorprone.annotations.FormatMethod;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.stub.StreamObserver;

import example_service.v1.Notes.GetNoteRequest;
import example_service.v1.Notes.GetNoteResponse;
import example_service.v1.Notes.Note;
import example_service.v1.Notes.PutNoteRequest;
import example_service.v1.Notes.PutNoteResponse;
import example_service.v1.NotesServiceGrpc.NotesServiceImplBase;

/** The methods of the contract: validates requests, calls the store, and builds responses. */
final class Service extends NotesServiceImplBase {
    private final Store store;

    Service(Store store) {
        this.store = store;
    }

    @Override
    public void putNote(PutNoteRequest request, StreamObserver<PutNoteResponse> caller) {
        Calls.answer(caller, () -> put(checkedId(request.getId()), checkedText(request.getText())));
    }

    @Override
    public void getNote(GetNoteRequest request, StreamObserver<GetNoteResponse> caller) {
        Calls.answer(caller, () -> get(checkedId(request.getId())));
    }

    private PutNoteResponse put(String id, String text) throws StatusException {
        store.put(id, text);
        return PutNoteResponse.newBuilder().setNote(note(id, text)).build();
    }

    private GetNoteResponse get(String id) throws StatusException {
        String text = store.get(id)
                .orElseThrow(() -> Status.NOT_FOUND
                        .withDescription("no note has the id " + id)
                        .asException());
        return GetNoteResponse.newBuilder().setNote(note(id, text)).build();
    }

    private static Note note(String id, String text) {
        return Note.newBuilder().setId(id).setText(text).build();
    }

    private static String checkedId(String id) throws StatusException {
        int length = id.codePointCount(0, id.length());
        if (length < 1 || length > 100 || id.chars().anyMatch(Character::isISOControl)) {
            throw invalid("id must have 1 to 100 characters, none of them a control character; it has %d", length);
        }
        return id;
    }

    private static String checkedText(String text) throws StatusException {
        int length = text.codePointCount(0, text.length());
        if (length < 1 || length > 10_000 || text.indexOf('\0') >= 0) {
            throw invalid("text must have 1 to 10000 characters, none of them NUL; it has %d", length);
        }
        return text;
    }

    @FormatMethod
    private static StatusException invalid(String sentence, Object... values) {
        return Status.INVALID_ARGUMENT
                .withDescription(sentence.formatted(values))
                .asException();
    }
}
