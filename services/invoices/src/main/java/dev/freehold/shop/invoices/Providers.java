package dev.freehold.shop.invoices;

import com.google.common.util.concurrent.ListenableFuture;
import io.grpc.Context;
import io.grpc.Deadline;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.StatusRuntimeException;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import shop.payments.v1.Payments;
import shop.payments.v1.Payments.GetPaymentRequest;
import shop.payments.v1.Payments.GetPaymentResponse;
import shop.payments.v1.Payments.MakePaymentRequest;
import shop.payments.v1.Payments.Payment;
import shop.payments.v1.PaymentsServiceGrpc;
import shop.users.v1.Users.GetUserRequest;
import shop.users.v1.Users.GetUserResponse;
import shop.users.v1.Users.User;
import shop.users.v1.UsersServiceGrpc;

/**
 * Calls users and payments. These calls end with the current call, and a little before its deadline, which leaves time
 * to store the result, or to answer without.
 */
final class Providers implements AutoCloseable {
    private static final Metadata.Key<String> PUSHBACK =
            Metadata.Key.of("grpc-retry-pushback-ms", Metadata.ASCII_STRING_MARSHALLER);
    private static final long MOST_RESERVED = TimeUnit.MILLISECONDS.toNanos(250);

    private final ManagedChannel users;
    private final ManagedChannel payments;

    Providers(Settings.Provider users, Settings.Provider payments) throws SettingsException {
        this.users = Channels.open(users);
        this.payments = Channels.open(payments);
    }

    @Override
    public void close() {
        users.shutdownNow();
        payments.shutdownNow();
    }

    /** Returns the person, or throws a status for the client. */
    User person(UUID id) throws StatusException {
        try {
            return UsersServiceGrpc.newBlockingStub(users)
                    .withDeadline(before(Context.current()))
                    .getUser(GetUserRequest.newBuilder().setId(id.toString()).build())
                    .getUser();
        } catch (StatusRuntimeException e) {
            if (e.getStatus().getCode() == Status.Code.NOT_FOUND) {
                throw Status.NOT_FOUND
                        .withDescription("no user has the id %s; register the person first".formatted(id))
                        .asException();
            }
            throw refusal(e, "users to check the recipient; nothing was stored, try again with the same key");
        }
    }

    /** Records a payment once, also when called repeatedly; throws a status for the client. */
    Payment pay(Invoice invoice) throws StatusException {
        MakePaymentRequest request = MakePaymentRequest.newBuilder()
                .setUserId(invoice.userId().toString())
                .setAmount(Payments.Money.newBuilder()
                        .setCurrency(invoice.currency())
                        .setMinorUnits(invoice.minorUnits()))
                .setIdempotencyKey("invoice-" + invoice.number())
                .build();
        try {
            return PaymentsServiceGrpc.newBlockingStub(payments)
                    .withDeadline(before(Context.current()))
                    .makePayment(request)
                    .getPayment();
        } catch (StatusRuntimeException e) {
            switch (e.getStatus().getCode()) {
                case NOT_FOUND, ALREADY_EXISTS ->
                    throw Status.FAILED_PRECONDITION
                            .withDescription("invoice %d cannot be settled; payments reports: %s"
                                    .formatted(invoice.number(), e.getStatus().getDescription()))
                            .asException();
                default -> throw refusal(e, "payments to settle the invoice; try again");
            }
        }
    }

    /** Returns a person, within a deadline. */
    ListenableFuture<GetUserResponse> person(UUID id, Deadline deadline) {
        return UsersServiceGrpc.newFutureStub(users)
                .withDeadline(deadline)
                .getUser(GetUserRequest.newBuilder().setId(id.toString()).build());
    }

    /** Returns a payment, within a deadline. */
    ListenableFuture<GetPaymentResponse> payment(UUID id, Deadline deadline) {
        return PaymentsServiceGrpc.newFutureStub(payments)
                .withDeadline(deadline)
                .getPayment(GetPaymentRequest.newBuilder().setId(id.toString()).build());
    }

    /** Returns a deadline earlier than that of a call, by a quarter of the remaining time and at most 250 ms. */
    static Deadline before(Context call) {
        long left = call.getDeadline().timeRemaining(TimeUnit.NANOSECONDS);
        return Deadline.after(left - Math.min(left / 4, MOST_RESERVED), TimeUnit.NANOSECONDS);
    }

    private static StatusException refusal(StatusRuntimeException failed, String what) {
        if (Context.current().isCancelled()) {
            return Calls.ended().asException();
        }
        switch (failed.getStatus().getCode()) {
            case UNAVAILABLE, DEADLINE_EXCEEDED -> {
                // The call has been retried already; further retries by our client would multiply the attempts.
                Metadata trailers = new Metadata();
                trailers.put(PUSHBACK, "-1");
                return Status.UNAVAILABLE
                        .withDescription("invoices cannot reach " + what)
                        .asException(trailers);
            }
            default -> throw failed;
        }
    }
}
