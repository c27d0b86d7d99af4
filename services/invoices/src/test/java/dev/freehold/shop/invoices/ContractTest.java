package dev.freehold.shop.invoices;

import static dev.freehold.shop.invoices.Shop.assertRefused;
import static dev.freehold.shop.invoices.Shop.order;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Metadata;
import io.grpc.Status.Code;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.MetadataUtils;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import shop.invoices.v1.Invoices.GetInvoiceRequest;
import shop.invoices.v1.Invoices.Invoice;
import shop.invoices.v1.Invoices.IssueInvoiceRequest;
import shop.invoices.v1.Invoices.IssueInvoiceResponse;
import shop.invoices.v1.Invoices.ListInvoicesRequest;
import shop.invoices.v1.Invoices.ListInvoicesResponse;
import shop.invoices.v1.Invoices.Money;
import shop.invoices.v1.Invoices.SettleInvoiceRequest;

/** Tests of the contract, over a connection and with a database. */
class ContractTest {
    private Shop shop;

    @BeforeEach
    void open() throws Exception {
        shop = Shop.ready();
    }

    @AfterEach
    void close() {
        shop.close();
    }

    private Invoice get(long number) {
        return shop.calls()
                .getInvoice(GetInvoiceRequest.newBuilder().setNumber(number).build())
                .getInvoice();
    }

    private Invoice settle(long number) {
        return shop.calls()
                .settleInvoice(
                        SettleInvoiceRequest.newBuilder().setNumber(number).build())
                .getInvoice();
    }

    private List<Long> list(String user, int size) {
        List<Long> found = new ArrayList<>();
        String token = "";
        do {
            ListInvoicesResponse page = shop.calls()
                    .listInvoices(ListInvoicesRequest.newBuilder()
                            .setUserId(user)
                            .setPageSize(size)
                            .setPageToken(token)
                            .build());
            page.getInvoicesList()
                    .forEach(invoice -> found.add(invoice.getAmount().getMinorUnits()));
            token = page.getNextPageToken();
        } while (!token.isEmpty());
        return found;
    }

    /** An invoice is issued once per key; the same key with another amount is refused. */
    @Test
    void issueOncePerKey() {
        IssueInvoiceResponse first = shop.issue("breakfast", 1250);
        IssueInvoiceResponse again = shop.issue("breakfast", 1250);

        assertTrue(first.getCreated());
        assertEquals("Ada", first.getInvoice().getRecipient().getName());
        assertEquals(first.toBuilder().setCreated(false).build(), again);
        assertEquals(first.getInvoice(), get(first.getInvoice().getNumber()));
        assertRefused(
                Code.ALREADY_EXISTS,
                "idempotency_key \"breakfast\" was used for 1250 EUR",
                () -> shop.issue("breakfast", 1300));
    }

    /** An invoice to an unknown person is refused and not stored. */
    @Test
    void issueToUnknownPerson() {
        assertRefused(
                Code.NOT_FOUND,
                "register the person first",
                () -> shop.calls().issueInvoice(order(UUID.randomUUID(), "k", 1)));
        assertEquals(List.of(), list("", 0));
    }

    /** An invoice is paid once, also when settled repeatedly. */
    @Test
    void settleOnce() {
        long number = shop.issue("k", 1250).getInvoice().getNumber();
        assertFalse(get(number).hasSettlement());

        Invoice settled = settle(number);
        assertEquals(1250, settled.getSettlement().getAmount().getMinorUnits());
        assertEquals("Ada", settled.getRecipient().getName());
        assertEquals(
                shop.till.byKey.get("invoice-" + number).getId(),
                settled.getSettlement().getPaymentId());
        assertEquals(settled, settle(number));
        assertEquals(settled, get(number));
        assertEquals(1, shop.till.byKey.size());
    }

    /** The pages contain each invoice once, newest first, and can be limited to a person. */
    @Test
    void listPages() {
        for (int cents = 1; cents <= 5; cents++) {
            shop.issue("k" + cents, cents);
        }
        assertEquals(List.of(5L, 4L, 3L, 2L, 1L), list(shop.people.ada.toString(), 2));
        assertEquals(List.of(), list(UUID.randomUUID().toString(), 2));
    }

    /** While users is unavailable, only new invoices fail; others have the person's id only. */
    @Test
    void usersOutageStopsNewInvoices() {
        Invoice before = shop.issue("before", 1).getInvoice();
        settle(before.getNumber());
        shop.users.shutdownNow();

        AtomicReference<Metadata> trailers = new AtomicReference<>();
        assertRefused(
                Code.UNAVAILABLE,
                "invoices cannot reach users to check the recipient; nothing was stored",
                () -> shop.calls()
                        .withInterceptors(
                                MetadataUtils.newCaptureMetadataInterceptor(new AtomicReference<>(), trailers))
                        .issueInvoice(order(shop.people.ada, "after", 2)));
        assertEquals("-1", text(trailers.get(), "grpc-retry-pushback-ms"));
        assertFalse(text(trailers.get(), "served-by").isEmpty());
        Invoice shown = get(before.getNumber());
        assertEquals(shop.people.ada.toString(), shown.getRecipient().getUserId());
        assertEquals("", shown.getRecipient().getName());
        assertTrue(shown.getSettlement().hasAmount());
        assertFalse(shop.issue("before", 1).getCreated());
        assertEquals(List.of(1L), list("", 0));
    }

    /** While payments is unavailable, invoices have the payment's id only, and settling fails. */
    @Test
    void paymentsOutageShowsIds() {
        long number = shop.issue("k", 1).getInvoice().getNumber();
        String payment = settle(number).getSettlement().getPaymentId();
        long open = shop.issue("other", 2).getInvoice().getNumber();
        shop.payments.shutdownNow();

        Invoice shown = get(number);
        assertEquals("Ada", shown.getRecipient().getName());
        assertEquals(payment, shown.getSettlement().getPaymentId());
        assertFalse(shown.getSettlement().hasAmount());
        StatusRuntimeException refused =
                assertRefused(Code.UNAVAILABLE, "invoices cannot reach payments", () -> settle(open));
        assertEquals("-1", text(refused.getTrailers(), "grpc-retry-pushback-ms"));
        assertFalse(get(open).hasSettlement());
    }

    /** A call to a provider that fails temporarily is retried. */
    @Test
    void temporaryProviderFailureIsRetried() {
        shop.people.failing.set(3);
        assertTrue(shop.issue("k", 1).getCreated());
        assertEquals(4, shop.people.calls.get());
    }

    /** A list calls users once per person. */
    @Test
    void listCallsUsersOncePerPerson() {
        for (int cents = 1; cents <= 40; cents++) {
            shop.issue("k" + cents, cents);
        }
        shop.people.calls.set(0);
        assertEquals(40, list("", 100).size());
        assertEquals(1, shop.people.calls.get());
    }

    /** An invalid request is refused with a message about the field. */
    @Test
    void invalidRequestIsRefused() {
        IssueInvoiceRequest good = order(shop.people.ada, "k", 1);
        refuses("user_id must be a UUID; it is \"7\"", good.toBuilder().setUserId("7"));
        refuses("in upper case, like EUR; it is \"\"", good.toBuilder().clearAmount());
        refuses(
                "in upper case, like EUR; it is \"eur\"",
                good.toBuilder().setAmount(Money.newBuilder().setCurrency("eur").setMinorUnits(1)));
        refuses(
                "minor_units must be more than 0; it is -5",
                good.toBuilder().setAmount(Money.newBuilder().setCurrency("EUR").setMinorUnits(-5)));
        refuses("idempotency_key must have 1 to 100", good.toBuilder().clearIdempotencyKey());
        refuses("none of them a control character; it has 1", good.toBuilder().setIdempotencyKey("\0"));
        assertRefused(Code.NOT_FOUND, "no invoice has the number 7", () -> get(7));
        assertRefused(Code.NOT_FOUND, "no invoice has the number 7", () -> settle(7));
        assertRefused(Code.INVALID_ARGUMENT, "page_size must be from 1 to 100", () -> list("", 101));
        assertRefused(
                Code.INVALID_ARGUMENT,
                "page_token must be the next_page_token",
                () -> shop.calls()
                        .listInvoices(ListInvoicesRequest.newBuilder()
                                .setPageToken("x")
                                .build()));
    }

    private void refuses(String words, IssueInvoiceRequest.Builder request) {
        assertRefused(Code.INVALID_ARGUMENT, words, () -> shop.calls().issueInvoice(request.build()));
    }

    private static String text(Metadata trailers, String name) {
        return trailers.get(Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER));
    }
}
