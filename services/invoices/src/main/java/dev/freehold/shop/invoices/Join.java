package dev.freehold.shop.invoices;

import com.google.protobuf.Timestamp;
import io.grpc.Context;
import io.grpc.Deadline;
import io.grpc.Status;
import io.grpc.StatusException;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import java.util.stream.Stream;
import shop.invoices.v1.Invoices;
import shop.invoices.v1.Invoices.Money;
import shop.invoices.v1.Invoices.Recipient;
import shop.invoices.v1.Invoices.Settlement;
import shop.payments.v1.Payments.GetPaymentResponse;
import shop.payments.v1.Payments.Payment;
import shop.users.v1.Users.GetUserResponse;
import shop.users.v1.Users.User;

/** Combines invoices with the current data of users and payments. */
final class Join {
    private final Providers providers;

    Join(Providers providers) {
        this.providers = providers;
    }

    /**
     * Calls both providers concurrently. If a call fails or an id is unknown, the invoice has only the id. Throws a
     * status if the current call has ended.
     */
    List<Invoices.Invoice> show(List<Invoice> stored) throws StatusException {
        return show(stored, Map.of(), Map.of());
    }

    /** Combines an invoice with a known person. */
    Invoices.Invoice show(Invoice stored, User recipient) throws StatusException {
        return show(List.of(stored), Map.of(stored.userId(), recipient), Map.of())
                .get(0);
    }

    /** Combines an invoice with a known payment. */
    Invoices.Invoice show(Invoice stored, Payment payment) throws StatusException {
        return show(List.of(stored), Map.of(), Map.of(UUID.fromString(payment.getId()), payment))
                .get(0);
    }

    private List<Invoices.Invoice> show(List<Invoice> stored, Map<UUID, User> people, Map<UUID, Payment> paid)
            throws StatusException {
        Deadline deadline = Providers.before(Context.current());
        CompletableFuture<FanOut.Answers<UUID, GetUserResponse>> recipients = FanOut.each(
                stored.stream()
                        .map(Invoice::userId)
                        .filter(id -> !people.containsKey(id))
                        .toList(),
                id -> providers.person(id, deadline));
        CompletableFuture<FanOut.Answers<UUID, GetPaymentResponse>> payments = FanOut.each(
                stored.stream()
                        .map(Invoice::paymentId)
                        .flatMap(Optional::stream)
                        .filter(id -> !paid.containsKey(id))
                        .toList(),
                id -> providers.payment(id, deadline));
        Map<UUID, GetUserResponse> who = found("users", recipients.join());
        Map<UUID, GetPaymentResponse> what = found("payments", payments.join());
        if (Context.current().isCancelled()) {
            throw Calls.ended().asException();
        }
        return stored.stream()
                .map(invoice -> message(
                        invoice,
                        first(people.get(invoice.userId()), who.get(invoice.userId()), GetUserResponse::getUser),
                        invoice.paymentId()
                                .flatMap(id -> first(paid.get(id), what.get(id), GetPaymentResponse::getPayment))))
                .toList();
    }

    private static <T, R> Optional<T> first(T known, R answered, Function<R, T> of) {
        return Stream.of(
                        Optional.ofNullable(known),
                        Optional.ofNullable(answered).map(of))
                .flatMap(Optional::stream)
                .findFirst();
    }

    private static <K, V> Map<K, V> found(String provider, FanOut.Answers<K, V> answers) {
        answers.missing().values().stream().findFirst().ifPresent(reason -> {
            Status status = Status.fromThrowable(reason);
            Log.warn(
                    "shown with ids only",
                    "provider",
                    provider,
                    "missing",
                    answers.missing().size(),
                    "code",
                    status.getCode(),
                    "error",
                    status.getDescription());
        });
        return answers.found();
    }

    private static Invoices.Invoice message(Invoice stored, Optional<User> who, Optional<Payment> what) {
        Recipient.Builder recipient =
                Recipient.newBuilder().setUserId(stored.userId().toString());
        who.ifPresent(user -> recipient.setName(user.getName()).setEmail(user.getEmail()));
        Invoices.Invoice.Builder invoice = Invoices.Invoice.newBuilder()
                .setNumber(stored.number())
                .setRecipient(recipient)
                .setAmount(Money.newBuilder().setCurrency(stored.currency()).setMinorUnits(stored.minorUnits()))
                .setIssueTime(timestamp(stored.issueTime()));
        stored.paymentId().ifPresent(id -> invoice.setSettlement(settlement(id, what)));
        return invoice.build();
    }

    private static Settlement settlement(UUID id, Optional<Payment> what) {
        Settlement.Builder settlement = Settlement.newBuilder().setPaymentId(id.toString());
        what.ifPresent(payment -> settlement
                .setCreateTime(payment.getCreateTime())
                .setAmount(Money.newBuilder()
                        .setCurrency(payment.getAmount().getCurrency())
                        .setMinorUnits(payment.getAmount().getMinorUnits())));
        return settlement.build();
    }

    private static Timestamp timestamp(Instant time) {
        return Timestamp.newBuilder()
                .setSeconds(time.getEpochSecond())
                .setNanos(time.getNano())
                .build();
    }
}
