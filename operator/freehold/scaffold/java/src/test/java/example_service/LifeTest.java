package example_service;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.common.util.concurrent.ListenableFuture;
import com.google.protobuf.DescriptorProtos.FileDescriptorProto;
import com.google.protobuf.DescriptorProtos.MethodOptions.IdempotencyLevel;
import io.grpc.Status.Code;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.reflection.v1.ServerReflectionGrpc;
import io.grpc.reflection.v1.ServerReflectionRequest;
import io.grpc.reflection.v1.ServerReflectionResponse;
import io.grpc.stub.StreamObserver;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

import example_service.v1.Notes.GetNoteResponse;
import example_service.v1.NotesServiceGrpc;

/** Tests of start, database outage, deadlines and shutdown of the server. */
class LifeTest {
    /** A server waits for its database, and recovers after an outage without a restart. */
    @Test
    void databaseOutage() throws Exception {
        TestDatabase database = TestDatabase.migrated();
        database.stop();
        try (Running running = new Running(database)) {
            running.await(ServingStatus.NOT_SERVING);
            database.resume();
            running.await(ServingStatus.SERVING);
            running.put("one", "first");
            database.stop();
            running.await(ServingStatus.NOT_SERVING);
            Running.assertRefused(Code.UNAVAILABLE, "does not answer; try again shortly", () -> running.get("one"));
            database.resume();
            running.await(ServingStatus.SERVING);
            assertEquals("first", running.get("one"));
        }
    }

    /** Calls during a short outage are retried. */
    @Test
    void shortDatabaseOutageFailsNoCall() throws Exception {
        try (Running running = Running.ready()) {
            AtomicBoolean back = new AtomicBoolean();
            ExecutorService callers = Executors.newCachedThreadPool();
            List<CompletableFuture<Void>> calls = IntStream.range(0, 8)
                    .mapToObj(caller -> CompletableFuture.runAsync(() -> callUntil(back, running, caller), callers))
                    .toList();
            for (int time = 0; time < 3; time++) {
                running.database.stop();
                Thread.sleep(400);
                running.database.resume();
                running.put("any", "t");
            }
            back.set(true);
            for (CompletableFuture<Void> call : calls) {
                call.get();
            }
            callers.shutdown();
        }
    }

    private static void callUntil(AtomicBoolean back, Running running, int caller) {
        for (int number = 0; !back.get(); number++) {
            String id = caller + "-" + number;
            running.put(id, "t");
            assertEquals("t", running.get(id));
        }
    }

    /** Server reflection works without a database. */
    @Test
    void reflectionWithoutDatabase() throws Exception {
        TestDatabase database = TestDatabase.empty();
        database.stop();
        try (Running running = new Running(database)) {
            CompletableFuture<ServerReflectionResponse> response = new CompletableFuture<>();
            StreamObserver<ServerReflectionRequest> requests = ServerReflectionGrpc.newStub(running.channel)
                    .withDeadlineAfter(5, TimeUnit.SECONDS)
                    .serverReflectionInfo(new First<>(response));
            requests.onNext(ServerReflectionRequest.newBuilder()
                    .setFileContainingSymbol(NotesServiceGrpc.SERVICE_NAME)
                    .build());
            FileDescriptorProto file = FileDescriptorProto.parseFrom(
                    response.get().getFileDescriptorResponse().getFileDescriptorProto(0));
            requests.onCompleted();
            assertEquals(
                    IdempotencyLevel.IDEMPOTENT,
                    file.getService(0).getMethod(0).getOptions().getIdempotencyLevel());
        }
    }

    /** A call ends at its deadline, and its query is cancelled. */
    @Test
    void deadlineEndsQuery() throws Exception {
        try (Running running = Running.ready();
                Connection lock = running.database.lock()) {
            Running.assertRefused(
                    Code.DEADLINE_EXCEEDED,
                    "",
                    () -> running.within(Duration.ofMillis(300)).getNote(Running.ONE));
            running.database.awaitWaiting(0);
            lock.rollback();
        }
    }

    /** The latency budget limits a call. */
    @Test
    void latencyBudgetLimitsCall() throws Exception {
        TestDatabase database = TestDatabase.migrated();
        try (Running running = new Running(database, database.url("app"), Duration.ofMillis(400))) {
            running.await(ServingStatus.SERVING);
            try (Connection lock = database.lock()) {
                Running.assertRefused(
                        Code.DEADLINE_EXCEEDED, "could not answer in the time allowed", () -> running.get("one"));
                database.awaitWaiting(0);
                lock.rollback();
            }
        }
    }

    /** When the client cancels a call, its query is cancelled. */
    @Test
    void cancelledCallEndsQuery() throws Exception {
        try (Running running = Running.ready();
                Connection lock = running.database.lock()) {
            ListenableFuture<GetNoteResponse> call =
                    NotesServiceGrpc.newFutureStub(running.channel).getNote(Running.ONE);
            running.database.awaitWaiting(1);
            call.cancel(true);
            running.database.awaitWaiting(0);
            lock.rollback();
        }
    }

    /** Running calls end normally when the server is stopped. */
    @Test
    void shutdownFinishesRunningCall() throws Exception {
        try (Running running = Running.ready()) {
            running.put("one", "first");
            try (Connection lock = running.database.lock()) {
                ListenableFuture<GetNoteResponse> call =
                        NotesServiceGrpc.newFutureStub(running.channel).getNote(Running.ONE);
                running.database.awaitWaiting(1);
                CompletableFuture<Void> ended = CompletableFuture.runAsync(running.server::shutdown);
                assertThrows(TimeoutException.class, () -> ended.get(200, TimeUnit.MILLISECONDS));
                lock.rollback();
                assertEquals("first", call.get().getNote().getText());
                ended.get(5, TimeUnit.SECONDS);
            }
        }
    }

    /** Each call is logged as a line of JSON. */
    @Test
    void logLinePerCall() throws Exception {
        PrintStream before = System.out;
        ByteArrayOutputStream log = new ByteArrayOutputStream();
        System.setOut(new PrintStream(log, true, StandardCharsets.UTF_8));
        try (Running running = Running.ready()) {
            running.put("one", "first");
        } finally {
            System.setOut(before);
        }
        String written = log.toString(StandardCharsets.UTF_8);
        String call =
                "\"level\":\"info\",\"message\":\"call\",\"method\":\"/%s/PutNote\",\"code\":\"OK\",\"deadlineMs\":";
        assertTrue(written.contains(call.formatted(NotesServiceGrpc.SERVICE_NAME)), written);
    }

    private record First<T>(CompletableFuture<T> first) implements StreamObserver<T> {
        @Override
        public void onNext(T value) {
            first.complete(value);
        }

        @Override
        public void onError(Throwable reason) {
            first.completeExceptionally(reason);
        }

        @Override
        public void onCompleted() {}
    }
}
