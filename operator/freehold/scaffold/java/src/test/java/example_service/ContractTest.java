package example_service;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.grpc.Status.Code;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tests of the contract, over a connection and with a database. */
class ContractTest {
    private static Running running;

    @BeforeAll
    static void start() throws Exception {
        running = Running.ready();
    }

    @AfterAll
    static void end() {
        running.close();
    }

    /** A note has the text that was stored last. */
    @Test
    void putNoteReplaces() {
        running.put("one", "first");
        assertEquals("first", running.get("one"));
        running.put("one", "second");
        assertEquals("second", running.get("one"));
    }

    /** An unknown id is refused with NOT_FOUND. */
    @Test
    void getNoteNotFound() {
        Running.assertRefused(Code.NOT_FOUND, "no note has the id none", () -> running.get("none"));
    }

    /** An invalid request is refused with a message about the field. Each id and text is a repeated string. */
    @ParameterizedTest
    @CsvSource({
        "a, 0, a, 1, 'id must have 1 to 100 characters, none of them a control character; it has 0'",
        "a, 101, a, 1, it has 101",
        "'\u0007', 1, a, 1, it has 1",
        "a, 1, a, 0, 'text must have 1 to 10000 characters, none of them NUL; it has 0'",
        "a, 1, 😀, 10001, it has 10001",
        "a, 1, '\u0000', 1, it has 1",
    })
    void invalidRequestIsRefused(String id, int ids, String text, int texts, String words) {
        Running.assertRefused(Code.INVALID_ARGUMENT, words, () -> running.put(id.repeat(ids), text.repeat(texts)));
    }
}
