package dev.freehold.shop.invoices;

import static java.util.concurrent.TimeUnit.MILLISECONDS;
import static java.util.concurrent.TimeUnit.SECONDS;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.BindableService;
import io.grpc.Context;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.net.ServerSocket;
import java.time.Duration;
import java.util.Iterator;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.function.Executable;
import shop.invoices.v1.Invoices.IssueInvoiceRequest;
import shop.invoices.v1.Invoices.IssueInvoiceResponse;
import shop.invoices.v1.Invoices.Money;
import shop.invoices.v1.InvoicesServiceGrpc;
import shop.invoices.v1.InvoicesServiceGrpc.InvoicesServiceBlockingStub;
import shop.payments.v1.Payments.GetPaymentRequest;
import shop.payments.v1.Payments.GetPaymentResponse;
import shop.payments.v1.Payments.MakePaymentRequest;
import shop.payments.v1.Payments.MakePaymentResponse;
import shop.payments.v1.Payments.Payment;
import shop.payments.v1.PaymentsServiceGrpc.PaymentsServiceImplBase;
import shop.users.v1.Users.GetUserRequest;
import shop.users.v1.Users.GetUserResponse;
import shop.users.v1.Users.User;
import shop.users.v1.UsersServiceGrpc.UsersServiceImplBase;

/** A running invoices service with a database, and users and payments services for tests. */
final class Shop implements AutoCloseable {
    /** A users service with one person. */
    static final class People extends UsersServiceImplBase {
        final UUID ada = UUID.randomUUID();
        final AtomicLong allowedMs = new AtomicLong();
        final AtomicInteger calls = new AtomicInteger();
        final AtomicInteger failing = new AtomicInteger();
        /** If set, calls get no response, and the latch counts cancelled calls. */
        volatile CountDownLatch silent;

        @Override
        public void getUser(GetUserRequest request, StreamObserver<GetUserResponse> caller) {
            calls.incrementAndGet();
            allowedMs.set(Context.current().getDeadline().timeRemaining(MILLISECONDS));
            CountDownLatch cancelled = silent;
            if (cancelled != null) {
                Context.current().addListener(context -> cancelled.countDown(), Runnable::run);
            } else if (failing.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
                caller.onError(Status.UNAVAILABLE.asException());
            } else if (request.getId().equals(ada.toString())) {
                User user = User.newBuilder()
                        .setId(ada.toString())
                        .setName("Ada")
                        .setEmail("ada@example.com")
                        .build();
                caller.onNext(GetUserResponse.newBuilder().setUser(user).build());
                caller.onCompleted();
            } else {
                caller.onError(Status.NOT_FOUND.asException());
            }
        }
    }

    /** A payments service that stores a payment per key. */
    static final class Till extends PaymentsServiceImplBase {
        final Map<String, Payment> byKey = new ConcurrentHashMap<>();

        @Override
        public void makePayment(MakePaymentRequest request, StreamObserver<MakePaymentResponse> caller) {
            Payment payment = byKey.computeIfAbsent(
                    request.getIdempotencyKey(),
                    key -> Payment.newBuilder()
                            .setId(UUID.randomUUID().toString())
                            .setUserId(request.getUserId())
                            .setAmount(request.getAmount())
                            .build());
            caller.onNext(MakePaymentResponse.newBuilder().setPayment(payment).build());
            caller.onCompleted();
        }

        @Override
        public void getPayment(GetPaymentRequest request, StreamObserver<GetPaymentResponse> caller) {
            Payment payment = byKey.values().stream()
                    .filter(candidate -> candidate.getId().equals(request.getId()))
                    .findFirst()
                    .orElseThrow();
            caller.onNext(GetPaymentResponse.newBuilder().setPayment(payment).build());
            caller.onCompleted();
        }
    }

    final TestDatabase database;
    final People people = new People();
    final Till till = new Till();
    final io.grpc.Server users;
    final io.grpc.Server payments;
    final Settings settings;
    final Server server;
    final ManagedChannel channel;

    Shop(TestDatabase database) throws Exception {
        this(database, database.url("app"), Duration.ofSeconds(5), Optional.empty());
    }

    Shop(TestDatabase database, String url, Duration longestCall, Optional<Identity> identity) throws Exception {
        this.database = database;
        this.users = serve(people);
        this.payments = serve(till);
        int plain = freePort();
        this.settings = new Settings(
                identity.isPresent() ? freePort() : plain,
                identity.map(mutual -> plain),
                identity,
                Database.of(url),
                provider("users", users),
                provider("payments", payments),
                longestCall);
        this.server = Server.start(settings);
        this.channel = NettyChannelBuilder.forAddress("localhost", plain)
                .usePlaintext()
                .build();
    }

    static Shop ready() throws Exception {
        Shop shop = new Shop(TestDatabase.migrated());
        shop.await(ServingStatus.SERVING);
        return shop;
    }

    static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0)) {
            return socket.getLocalPort();
        }
    }

    static io.grpc.Server serve(BindableService service) throws IOException {
        return NettyServerBuilder.forPort(0).addService(service).build().start();
    }

    static Settings.Provider provider(String name, io.grpc.Server server) {
        return new Settings.Provider(name, "dns:///localhost:" + server.getPort(), Optional.empty(), Optional.empty());
    }

    /** Returns a stub with a deadline of four seconds per call. */
    InvoicesServiceBlockingStub calls() {
        return within(Duration.ofSeconds(4));
    }

    InvoicesServiceBlockingStub within(Duration limit) {
        return InvoicesServiceGrpc.newBlockingStub(channel).withDeadlineAfter(limit.toMillis(), MILLISECONDS);
    }

    IssueInvoiceResponse issue(String key, long cents) {
        return calls().issueInvoice(order(people.ada, key, cents));
    }

    static IssueInvoiceRequest order(UUID user, String key, long cents) {
        return IssueInvoiceRequest.newBuilder()
                .setUserId(user.toString())
                .setIdempotencyKey(key)
                .setAmount(Money.newBuilder().setCurrency("EUR").setMinorUnits(cents))
                .build();
    }

    /** Returns when the health service reports a status, and fails after ten seconds. */
    void await(ServingStatus wanted) {
        try (Context.CancellableContext watching = Context.current().withCancellation()) {
            watching.run(() -> {
                Iterator<HealthCheckResponse> statuses = HealthGrpc.newBlockingStub(channel)
                        .withWaitForReady()
                        .withDeadlineAfter(10, SECONDS)
                        .watch(HealthCheckRequest.getDefaultInstance());
                while (statuses.next().getStatus() != wanted) {
                    // wait for the next status
                }
            });
        }
    }

    /** Asserts that a call is refused with a status code and a message that contains the words. */
    static StatusRuntimeException assertRefused(Status.Code code, String words, Executable call) {
        StatusRuntimeException refused = assertThrows(StatusRuntimeException.class, call);
        assertEquals(code, refused.getStatus().getCode(), refused.toString());
        assertTrue(
                String.valueOf(refused.getStatus().getDescription()).contains(words),
                refused.getStatus().toString());
        return refused;
    }

    @Override
    public void close() {
        channel.shutdownNow();
        server.shutdown();
        users.shutdownNow();
        payments.shutdownNow();
    }
}
