package dev.freehold.shop.invoices;

import com.google.errorprone.annotations.FormatMethod;
import io.grpc.Status;
import io.grpc.StatusException;
import java.util.Currency;
import java.util.Optional;
import java.util.UUID;
import java.util.regex.Pattern;
import shop.invoices.v1.Invoices.IssueInvoiceRequest;
import shop.invoices.v1.Invoices.ListInvoicesRequest;
import shop.invoices.v1.Invoices.Money;

/** Validates requests. An invalid request is refused with a message about the field. */
final class Requests {
    private static final int USUAL_PAGE = 20;
    private static final int MOST_PAGE = 100;
    private static final Pattern UUID_FORM = Pattern.compile("(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}");

    private Requests() {}

    static Invoice.Order order(IssueInvoiceRequest request) throws StatusException {
        UUID userId = id("user_id", request.getUserId());
        Money amount = request.getAmount();
        if (!isCurrency(amount.getCurrency())) {
            throw invalid(
                    "amount.currency must be an ISO 4217 code in upper case, like EUR; it is \"%.10s\"",
                    amount.getCurrency());
        }
        if (amount.getMinorUnits() <= 0) {
            throw invalid("amount.minor_units must be more than 0; it is %d", amount.getMinorUnits());
        }
        String key = request.getIdempotencyKey();
        int length = key.codePointCount(0, key.length());
        if (length < 1 || length > 100 || key.chars().anyMatch(Character::isISOControl)) {
            throw invalid(
                    "idempotency_key must have 1 to 100 characters, none of them a control character; it has %d",
                    length);
        }
        return new Invoice.Order(userId, amount.getCurrency(), amount.getMinorUnits(), key);
    }

    static Invoice.Page page(ListInvoicesRequest request) throws StatusException {
        int size = request.getPageSize();
        if (size < 0 || size > MOST_PAGE) {
            throw invalid("page_size must be from 1 to %d, or 0 for %d; it is %d", MOST_PAGE, USUAL_PAGE, size);
        }
        Optional<UUID> userId =
                request.getUserId().isEmpty() ? Optional.empty() : Optional.of(id("user_id", request.getUserId()));
        return new Invoice.Page(userId, before(request.getPageToken()), size == 0 ? USUAL_PAGE : size);
    }

    private static Optional<Long> before(String token) throws StatusException {
        try {
            return token.isEmpty() ? Optional.empty() : Optional.of(Long.valueOf(token));
        } catch (NumberFormatException e) {
            throw invalid("page_token must be the next_page_token of the page before, or empty");
        }
    }

    private static UUID id(String field, String text) throws StatusException {
        if (!UUID_FORM.matcher(text).matches()) {
            throw invalid("%s must be a UUID; it is \"%.60s\"", field, text);
        }
        return UUID.fromString(text);
    }

    private static boolean isCurrency(String code) {
        try {
            return Currency.getInstance(code).getCurrencyCode().equals(code);
        } catch (IllegalArgumentException e) {
            return false;
        }
    }

    @FormatMethod
    private static StatusException invalid(String sentence, Object... values) {
        return Status.INVALID_ARGUMENT
                .withDescription(sentence.formatted(values))
                .asException();
    }
}
