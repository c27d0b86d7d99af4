package example_service;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Context;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import java.net.ServerSocket;
import java.time.Duration;
import java.util.Iterator;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.function.Executable;

import example_service.v1.Notes.GetNoteRequest;
import example_service.v1.Notes.PutNoteRequest;
import example_service.v1.NotesServiceGrpc;
import example_service.v1.NotesServiceGrpc.NotesServiceBlockingStub;

/** A running server, and a channel to it. */
final class Running implements AutoCloseable {
    static final GetNoteRequest ONE = GetNoteRequest.newBuilder().setId("one").build();

    final TestDatabase database;
    final Server server;
    final ManagedChannel channel;

    Running(TestDatabase database, String url, Duration longestCall) throws Exception {
        this.database = database;
        int port;
        try (ServerSocket socket = new ServerSocket(0)) {
            port = socket.getLocalPort();
        }
        this.server = Server.start(new Settings(port, Database.of(url), longestCall));
        this.channel =
                NettyChannelBuilder.forAddress("localhost", port).usePlaintext().build();
    }

    Running(TestDatabase database) throws Exception {
        this(database, database.url("app"), Duration.ofSeconds(5));
    }

    /** Returns a ready server with its own database. */
    static Running ready() throws Exception {
        Running running = new Running(TestDatabase.migrated());
        running.await(ServingStatus.SERVING);
        return running;
    }

    NotesServiceBlockingStub within(Duration limit) {
        return NotesServiceGrpc.newBlockingStub(channel).withDeadlineAfter(limit.toMillis(), TimeUnit.MILLISECONDS);
    }

    void put(String id, String text) {
        PutNoteRequest request =
                PutNoteRequest.newBuilder().setId(id).setText(text).build();
        assertEquals(
                text, within(Duration.ofSeconds(4)).putNote(request).getNote().getText());
    }

    String get(String id) {
        GetNoteRequest request = GetNoteRequest.newBuilder().setId(id).build();
        return within(Duration.ofSeconds(4)).getNote(request).getNote().getText();
    }

    /** Returns when the health service reports a status, and fails after ten seconds. */
    void await(ServingStatus wanted) {
        try (Context.CancellableContext watching = Context.current().withCancellation()) {
            watching.run(() -> {
                Iterator<HealthCheckResponse> statuses = HealthGrpc.newBlockingStub(channel)
                        .withWaitForReady()
                        .withDeadlineAfter(10, TimeUnit.SECONDS)
                        .watch(HealthCheckRequest.getDefaultInstance());
                while (statuses.next().getStatus() != wanted) {
                    // wait for the next status
                }
            });
        }
    }

    /** Asserts that a call is refused with a status code and a message that contains the words. */
    static void assertRefused(Status.Code code, String words, Executable call) {
        Status refused = assertThrows(StatusRuntimeException.class, call).getStatus();
        assertEquals(code, refused.getCode(), refused.toString());
        assertTrue(String.valueOf(refused.getDescription()).contains(words), refused.toString());
    }

    @Override
    public void close() {
        channel.shutdownNow();
        server.shutdown();
    }
}
