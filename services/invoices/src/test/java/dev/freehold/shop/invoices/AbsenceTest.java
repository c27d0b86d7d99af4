package dev.freehold.shop.invoices;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.common.util.concurrent.Futures;
import com.google.common.util.concurrent.ListenableFuture;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.stub.StreamObserver;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import shop.invoices.v1.Invoices.ListInvoicesRequest;
import shop.invoices.v1.Invoices.ListInvoicesResponse;
import shop.invoices.v1.InvoicesServiceGrpc;

/** Tests of short database outages, as during a move: no call fails, and the delay is bounded. */
class AbsenceTest {
    private static final Duration AWAY = Duration.ofMillis(400);
    /** The maximum delay of a call beyond the outage, on a busy machine. */
    private static final Duration PROMPT = Duration.ofMillis(500);

    private static final ListInvoicesRequest ALL = ListInvoicesRequest.getDefaultInstance();

    private interface Outage {
        void of(TestDatabase database) throws Exception;
    }

    /** Refused connections fail no call. */
    @Test
    void refusedConnectionsFailNoCall() throws Exception {
        assertNoCallFails(AWAY, AbsenceTest::refuse);
    }

    /** Connections without an answer fail no call. */
    @Test
    void unansweredConnectionsFailNoCall() throws Exception {
        assertNoCallFails(AWAY, database -> database.hold(AWAY));
    }

    /** Ended sessions fail no call. */
    @Test
    void endedSessionsFailNoCall() throws Exception {
        assertNoCallFails(Duration.ZERO, TestDatabase::endSessions);
    }

    /** The health status does not change during short outages. */
    @Test
    void healthDoesNotChange() throws Exception {
        try (Shop shop = Shop.ready()) {
            List<ServingStatus> statuses = new CopyOnWriteArrayList<>();
            HealthGrpc.newStub(shop.channel).watch(HealthCheckRequest.getDefaultInstance(), new Statuses(statuses));
            for (int i = 0; i < 5; i++) {
                refuse(shop.database);
                shop.issue("k", 1); // the database is available again
            }
            shop.await(ServingStatus.SERVING);
            assertEquals(List.of(ServingStatus.SERVING), statuses);
        }
    }

    /** After all connections have failed, a call retries only once, not once per connection. */
    @Test
    void failedConnectionsAreReplacedTogether() throws Exception {
        try (Shop shop = Shop.ready()) {
            List<ListenableFuture<ListInvoicesResponse>> calls = new ArrayList<>();
            try (Connection lock = shop.database.lock()) {
                for (int i = 0; i < 8; i++) { // the size of the pool
                    calls.add(InvoicesServiceGrpc.newFutureStub(shop.channel).listInvoices(ALL));
                }
                shop.database.awaitWaiting(8);
                lock.rollback();
            }
            Futures.allAsList(calls).get();

            shop.database.endSessions();

            assertEquals(
                    0, shop.within(Duration.ofMillis(250)).listInvoices(ALL).getInvoicesCount());
        }
    }

    private static void refuse(TestDatabase database) throws Exception {
        database.stop();
        Thread.sleep(AWAY.toMillis());
        database.resume();
    }

    private static void assertNoCallFails(Duration away, Outage outage) throws Exception {
        try (Shop shop = Shop.ready()) {
            Load load = new Load(shop);
            try {
                load.awaitIssued(50); // until the pool has its size and the code is compiled
                load.longestMs.set(0);
                for (int i = 0; i < 5; i++) {
                    outage.of(shop.database);
                    load.awaitIssued(25); // so that no call waits for two outages
                }
            } finally {
                load.end();
            }
            assertEquals(List.of(), load.failed);
            assertTrue(load.longestMs.get() < away.plus(PROMPT).toMillis(), load.longestMs + " ms");
            assertEquals(load.issued, stored(shop.database));
            System.out.println(load.issued.size() + " invoices, the longest call " + load.longestMs + " ms");
        }
    }

    /** Returns the amounts of all invoices, each from a different call. */
    private static Set<Long> stored(TestDatabase database) throws Exception {
        Set<Long> found = new TreeSet<>();
        try (Connection connection = Database.of(database.url("owner")).source().getConnection();
                Statement statement = connection.createStatement();
                ResultSet rows = statement.executeQuery("SELECT minor_units FROM invoices")) {
            while (rows.next()) {
                assertTrue(found.add(rows.getLong(1)), "issued twice");
            }
        }
        return found;
    }

    /** Calls the server every 20 ms until ended; every second call writes. */
    private static final class Load {
        final Set<Long> issued = new ConcurrentSkipListSet<>();
        final List<String> failed = new CopyOnWriteArrayList<>();
        final AtomicLong longestMs = new AtomicLong();
        private final Shop shop;
        private final ExecutorService callers = Executors.newCachedThreadPool();
        private final Thread beat = new Thread(this::run);

        Load(Shop shop) {
            this.shop = shop;
            beat.start();
        }

        private void run() {
            try {
                for (long number = 1; ; number++) {
                    long current = number;
                    callers.execute(() -> call(current));
                    Thread.sleep(20);
                }
            } catch (InterruptedException e) {
                // ended
            }
        }

        private void call(long number) {
            long started = System.nanoTime();
            try {
                if (number % 2 == 0) {
                    shop.issue("number " + number, number);
                    issued.add(number);
                } else {
                    shop.calls()
                            .listInvoices(ListInvoicesRequest.newBuilder()
                                    .setPageSize(1)
                                    .build());
                }
            } catch (StatusRuntimeException e) {
                failed.add(e.toString());
            }
            longestMs.accumulateAndGet(TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - started), Math::max);
        }

        /** Returns when {@code more} invoices have been issued. */
        void awaitIssued(int more) throws InterruptedException {
            int wanted = issued.size() + more;
            for (long end = System.nanoTime() + 10_000_000_000L; issued.size() < wanted; Thread.sleep(10)) {
                assertTrue(System.nanoTime() < end, issued.size() + " invoices, expected " + wanted);
            }
        }

        void end() throws InterruptedException {
            beat.interrupt();
            beat.join();
            callers.shutdown();
            assertTrue(callers.awaitTermination(10, TimeUnit.SECONDS));
        }
    }

    private record Statuses(List<ServingStatus> received) implements StreamObserver<HealthCheckResponse> {
        @Override
        public void onNext(HealthCheckResponse response) {
            received.add(response.getStatus());
        }

        @Override
        public void onError(Throwable reason) {}

        @Override
        public void onCompleted() {}
    }
}
