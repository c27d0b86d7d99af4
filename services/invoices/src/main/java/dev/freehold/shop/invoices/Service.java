package dev.freehold.shop.invoices;

import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.stub.StreamObserver;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import shop.invoices.v1.Invoices.GetInvoiceRequest;
import shop.invoices.v1.Invoices.GetInvoiceResponse;
import shop.invoices.v1.Invoices.IssueInvoiceRequest;
import shop.invoices.v1.Invoices.IssueInvoiceResponse;
import shop.invoices.v1.Invoices.ListInvoicesRequest;
import shop.invoices.v1.Invoices.ListInvoicesResponse;
import shop.invoices.v1.Invoices.SettleInvoiceRequest;
import shop.invoices.v1.Invoices.SettleInvoiceResponse;
import shop.invoices.v1.InvoicesServiceGrpc.InvoicesServiceImplBase;
import shop.payments.v1.Payments.Payment;
import shop.users.v1.Users.User;

/** The methods of shop.invoices.v1.InvoicesService: validates requests, calls the store and the providers. */
final class Service extends InvoicesServiceImplBase {
    private final Store store;
    private final Providers providers;
    private final Join join;

    Service(Store store, Providers providers) {
        this.store = store;
        this.providers = providers;
        this.join = new Join(providers);
    }

    @Override
    public void issueInvoice(IssueInvoiceRequest request, StreamObserver<IssueInvoiceResponse> caller) {
        Calls.answer(caller, () -> issue(Requests.order(request)));
    }

    @Override
    public void settleInvoice(SettleInvoiceRequest request, StreamObserver<SettleInvoiceResponse> caller) {
        Calls.answer(caller, () -> settle(stored(request.getNumber())));
    }

    @Override
    public void getInvoice(GetInvoiceRequest request, StreamObserver<GetInvoiceResponse> caller) {
        Calls.answer(
                caller,
                () -> GetInvoiceResponse.newBuilder()
                        .setInvoice(
                                join.show(List.of(stored(request.getNumber()))).get(0))
                        .build());
    }

    @Override
    public void listInvoices(ListInvoicesRequest request, StreamObserver<ListInvoicesResponse> caller) {
        Calls.answer(caller, () -> list(Requests.page(request)));
    }

    /** A repeated call needs only the store, and works while the users service is unavailable. */
    private IssueInvoiceResponse issue(Invoice.Order order) throws StatusException {
        Optional<Invoice> earlier = store.byKey(order.userId(), order.idempotencyKey());
        if (earlier.isPresent()) {
            return issuedBefore(order, earlier.get());
        }
        User recipient = providers.person(order.userId());
        Optional<Invoice> added = store.add(order);
        if (added.isPresent()) {
            return IssueInvoiceResponse.newBuilder()
                    .setInvoice(join.show(added.get(), recipient))
                    .setCreated(true)
                    .build();
        }
        // A concurrent call has used the same key.
        return issuedBefore(
                order, store.byKey(order.userId(), order.idempotencyKey()).orElseThrow());
    }

    private IssueInvoiceResponse issuedBefore(Invoice.Order order, Invoice invoice) throws StatusException {
        if (!order.currency().equals(invoice.currency()) || order.minorUnits() != invoice.minorUnits()) {
            throw Status.ALREADY_EXISTS
                    .withDescription(
                            "idempotency_key \"%s\" was used for %d %s (minor units); a new invoice needs a new key"
                                    .formatted(invoice.idempotencyKey(), invoice.minorUnits(), invoice.currency()))
                    .asException();
        }
        return IssueInvoiceResponse.newBuilder()
                .setInvoice(join.show(List.of(invoice)).get(0))
                .build();
    }

    /** Idempotent: if the process ends between payment and store, the next call gets the same payment. */
    private SettleInvoiceResponse settle(Invoice invoice) throws StatusException {
        if (invoice.paymentId().isPresent()) {
            return SettleInvoiceResponse.newBuilder()
                    .setInvoice(join.show(List.of(invoice)).get(0))
                    .build();
        }
        Payment payment = providers.pay(invoice);
        Invoice settled =
                store.settle(invoice.number(), UUID.fromString(payment.getId())).orElseThrow();
        return SettleInvoiceResponse.newBuilder()
                .setInvoice(join.show(settled, payment))
                .build();
    }

    private ListInvoicesResponse list(Invoice.Page page) throws StatusException {
        // One more, to detect a next page.
        List<Invoice> found = store.list(new Invoice.Page(page.userId(), page.before(), page.most() + 1));
        List<Invoice> shown = found.subList(0, Math.min(found.size(), page.most()));
        ListInvoicesResponse.Builder response =
                ListInvoicesResponse.newBuilder().addAllInvoices(join.show(shown));
        if (found.size() > shown.size()) {
            response.setNextPageToken(Long.toString(shown.get(shown.size() - 1).number()));
        }
        return response.build();
    }

    private Invoice stored(long number) throws StatusException {
        return store.get(number)
                .orElseThrow(() -> Status.NOT_FOUND
                        .withDescription("no invoice has the number %d".formatted(number))
                        .asException());
    }
}
