package dev.freehold.shop.invoices;

import static dev.freehold.shop.invoices.Shop.assertRefused;
import static dev.freehold.shop.invoices.Shop.order;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.common.util.concurrent.ListenableFuture;
import io.grpc.Status.Code;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.reflection.v1.ServerReflectionGrpc;
import io.grpc.reflection.v1.ServerReflectionRequest;
import io.grpc.reflection.v1.ServerReflectionResponse;
import io.grpc.stub.StreamObserver;
import java.sql.Connection;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.Test;
import shop.invoices.v1.Invoices.ListInvoicesRequest;
import shop.invoices.v1.Invoices.ListInvoicesResponse;
import shop.invoices.v1.InvoicesServiceGrpc;

/** Tests of start, database outage, deadlines and shutdown of the server. */
class LifeTest {
    private static final ListInvoicesRequest ALL = ListInvoicesRequest.getDefaultInstance();

    /** A server waits for its database, and recovers after an outage without a restart. */
    @Test
    void databaseOutage() throws Exception {
        TestDatabase database = TestDatabase.migrated();
        database.stop();
        try (Shop shop = new Shop(database)) {
            shop.await(ServingStatus.NOT_SERVING);
            database.resume();
            shop.await(ServingStatus.SERVING);
            shop.issue("before", 1);
            database.stop();
            shop.await(ServingStatus.NOT_SERVING);
            assertRefused(
                    Code.UNAVAILABLE,
                    "the database of invoices does not answer; try again shortly",
                    () -> shop.issue("before", 1));
            database.resume();
            shop.await(ServingStatus.SERVING);
            assertFalse(shop.issue("before", 1).getCreated());
        }
    }

    /** Server reflection works without access to the database. */
    @Test
    void reflectionWithoutDatabase() throws Exception {
        TestDatabase database = TestDatabase.empty();
        try (Shop shop = new Shop(database, database.url("app", "wrong"), Duration.ofSeconds(5), Optional.empty())) {
            CompletableFuture<ServerReflectionResponse> response = new CompletableFuture<>();
            StreamObserver<ServerReflectionRequest> requests = ServerReflectionGrpc.newStub(shop.channel)
                    .withWaitForReady()
                    .withDeadlineAfter(5, TimeUnit.SECONDS)
                    .serverReflectionInfo(new First<>(response));
            requests.onNext(ServerReflectionRequest.newBuilder()
                    .setFileContainingSymbol(InvoicesServiceGrpc.SERVICE_NAME)
                    .build());
            assertTrue(response.get()
                    .getFileDescriptorResponse()
                    .getFileDescriptorProto(0)
                    .toStringUtf8()
                    .contains("SettleInvoice"));
            requests.onCompleted();
            shop.await(ServingStatus.NOT_SERVING);
        }
    }

    /** A call ends at its deadline, and its query is cancelled. */
    @Test
    void deadlineEndsQuery() throws Exception {
        try (Shop shop = Shop.ready();
                Connection lock = shop.database.lock()) {
            assertRefused(
                    Code.DEADLINE_EXCEEDED,
                    "",
                    () -> shop.within(Duration.ofMillis(300)).listInvoices(ALL));
            shop.database.awaitWaiting(0);
            lock.rollback();
        }
    }

    /** The latency budget limits a call. */
    @Test
    void latencyBudgetLimitsCall() throws Exception {
        TestDatabase database = TestDatabase.migrated();
        try (Shop shop = new Shop(database, database.url("app"), Duration.ofMillis(400), Optional.empty())) {
            shop.await(ServingStatus.SERVING);
            try (Connection lock = database.lock()) {
                assertRefused(
                        Code.DEADLINE_EXCEEDED,
                        "invoices could not answer in the time allowed",
                        () -> shop.calls().listInvoices(ALL));
                database.awaitWaiting(0);
                lock.rollback();
            }
        }
    }

    /** When the client cancels a call, its query is cancelled. */
    @Test
    void cancelledCallEndsQuery() throws Exception {
        try (Shop shop = Shop.ready();
                Connection lock = shop.database.lock()) {
            ListenableFuture<ListInvoicesResponse> call =
                    InvoicesServiceGrpc.newFutureStub(shop.channel).listInvoices(ALL);
            shop.database.awaitWaiting(1);
            call.cancel(true);
            shop.database.awaitWaiting(0);
            lock.rollback();
        }
    }

    /** When the client cancels a call, the calls to other services are cancelled. */
    @Test
    void cancelledCallEndsCallsToProviders() throws Exception {
        try (Shop shop = Shop.ready()) {
            CountDownLatch cancelled = new CountDownLatch(1);
            shop.people.silent = cancelled;
            ListenableFuture<?> call =
                    InvoicesServiceGrpc.newFutureStub(shop.channel).issueInvoice(order(shop.people.ada, "k", 1));
            while (shop.people.calls.get() == 0) {
                Thread.onSpinWait();
            }
            call.cancel(true);
            assertTrue(cancelled.await(2, TimeUnit.SECONDS), "the call to users was not cancelled");
        }
    }

    /** Calls to providers get the remaining time, less a reserve for storing. */
    @Test
    void providersGetRemainingTime() throws Exception {
        try (Shop shop = Shop.ready()) {
            shop.within(Duration.ofSeconds(2)).issueInvoice(order(shop.people.ada, "k", 1));
            long allowed = shop.people.allowedMs.get();
            assertTrue(allowed > 1000 && allowed <= 1750, "users had " + allowed + " ms of 2000");
        }
    }

    /** A list is complete in time although users does not respond. */
    @Test
    void listWithUnresponsiveUsers() throws Exception {
        try (Shop shop = Shop.ready()) {
            shop.issue("k", 1);
            shop.people.silent = new CountDownLatch(1);
            ListInvoicesResponse shown = shop.within(Duration.ofSeconds(1)).listInvoices(ALL);
            assertEquals("", shown.getInvoices(0).getRecipient().getName());
        }
    }

    /** Running calls end normally when the server is stopped. */
    @Test
    void shutdownFinishesRunningCall() throws Exception {
        try (Shop shop = Shop.ready();
                Connection lock = shop.database.lock()) {
            ListenableFuture<ListInvoicesResponse> call = InvoicesServiceGrpc.newFutureStub(shop.channel)
                    .withDeadlineAfter(4, TimeUnit.SECONDS)
                    .listInvoices(ALL);
            shop.database.awaitWaiting(1);
            CompletableFuture<Void> ended = CompletableFuture.runAsync(shop.server::shutdown);
            assertThrows(TimeoutException.class, () -> ended.get(200, TimeUnit.MILLISECONDS));
            lock.rollback();
            assertEquals(0, call.get().getInvoicesCount());
            ended.get(5, TimeUnit.SECONDS);
        } catch (ExecutionException e) {
            throw new AssertionError("the call was dropped", e);
        }
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
