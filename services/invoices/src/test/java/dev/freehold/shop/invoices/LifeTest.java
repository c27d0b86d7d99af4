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

class LifeTest {
    private static final ListInvoicesRequest ALL = ListInvoicesRequest.getDefaultInstance();

    @Test
    void itWaitsForItsDatabaseAndFindsItAgain() throws Exception {
        TestDatabase database = TestDatabase.migrated();
        database.goAway();
        try (Shop shop = new Shop(database)) {
            shop.await(ServingStatus.NOT_SERVING);
            database.comeBack();
            shop.await(ServingStatus.SERVING);
            shop.issue("before", 1);
            database.goAway();
            shop.await(ServingStatus.NOT_SERVING);
            assertRefused(
                    Code.UNAVAILABLE,
                    "the database of invoices does not answer; try again shortly",
                    () -> shop.issue("before", 1));
            database.comeBack();
            shop.await(ServingStatus.SERVING);
            assertFalse(shop.issue("before", 1).getCreated());
        }
    }

    @Test
    void itTellsItsContractWithoutADatabaseThatLetsItIn() throws Exception {
        TestDatabase database = TestDatabase.empty();
        try (Shop shop = new Shop(database, database.url("app", "wrong"), Duration.ofSeconds(5), Optional.empty())) {
            CompletableFuture<ServerReflectionResponse> said = new CompletableFuture<>();
            StreamObserver<ServerReflectionRequest> asked = ServerReflectionGrpc.newStub(shop.channel)
                    .withWaitForReady()
                    .withDeadlineAfter(5, TimeUnit.SECONDS)
                    .serverReflectionInfo(new First<>(said));
            asked.onNext(ServerReflectionRequest.newBuilder()
                    .setFileContainingSymbol(InvoicesServiceGrpc.SERVICE_NAME)
                    .build());
            assertTrue(said.get()
                    .getFileDescriptorResponse()
                    .getFileDescriptorProto(0)
                    .toStringUtf8()
                    .contains("SettleInvoice"));
            asked.onCompleted();
            shop.await(ServingStatus.NOT_SERVING);
        }
    }

    @Test
    void aCallEndsWithItsDeadlineAndSoDoesItsQuery() throws Exception {
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

    @Test
    void aCallEndsWithItsLatencyBudgetAndSaysSo() throws Exception {
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

    @Test
    void aCallThatIsCancelledCancelsItsQuery() throws Exception {
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

    @Test
    void aCallThatIsCancelledCancelsItsCallsBelow() throws Exception {
        try (Shop shop = Shop.ready()) {
            CountDownLatch cancelled = new CountDownLatch(1);
            shop.people.silent = cancelled;
            ListenableFuture<?> call =
                    InvoicesServiceGrpc.newFutureStub(shop.channel).issueInvoice(order(shop.people.ada, "k", 1));
            while (shop.people.calls.get() == 0) {
                Thread.onSpinWait();
            }
            call.cancel(true);
            assertTrue(cancelled.await(2, TimeUnit.SECONDS), "the call to users went on");
        }
    }

    @Test
    void usersIsGivenTheTimeThatIsLeftLessALittleToStore() throws Exception {
        try (Shop shop = Shop.ready()) {
            shop.within(Duration.ofSeconds(2)).issueInvoice(order(shop.people.ada, "k", 1));
            long allowed = shop.people.allowedMs.get();
            assertTrue(allowed > 1000 && allowed <= 1750, "users had " + allowed + " ms of 2000");
        }
    }

    @Test
    void aListComesInTimeWhenUsersSaysNothing() throws Exception {
        try (Shop shop = Shop.ready()) {
            shop.issue("k", 1);
            shop.people.silent = new CountDownLatch(1);
            ListInvoicesResponse shown = shop.within(Duration.ofSeconds(1)).listInvoices(ALL);
            assertEquals("", shown.getInvoices(0).getRecipient().getName());
        }
    }

    @Test
    void aCallUnderWayEndsWellWhenTheServerIsToldToStop() throws Exception {
        try (Shop shop = Shop.ready();
                Connection lock = shop.database.lock()) {
            ListenableFuture<ListInvoicesResponse> call = InvoicesServiceGrpc.newFutureStub(shop.channel)
                    .withDeadlineAfter(4, TimeUnit.SECONDS)
                    .listInvoices(ALL);
            shop.database.awaitWaiting(1);
            CompletableFuture<Void> left = CompletableFuture.runAsync(shop.server::leave);
            assertThrows(TimeoutException.class, () -> left.get(200, TimeUnit.MILLISECONDS));
            lock.rollback();
            assertEquals(0, call.get().getInvoicesCount());
            left.get(5, TimeUnit.SECONDS);
        } catch (ExecutionException e) {
            throw new AssertionError("the call was dropped", e);
        }
    }

    private record First<T>(CompletableFuture<T> said) implements StreamObserver<T> {
        @Override
        public void onNext(T value) {
            said.complete(value);
        }

        @Override
        public void onError(Throwable reason) {
            said.completeExceptionally(reason);
        }

        @Override
        public void onCompleted() {}
    }
}
