package dev.freehold.shop.invoices;

import java.time.Instant;
import java.util.Optional;
import java.util.UUID;

/** A row of the table invoices. */
record Invoice(
        long number,
        UUID userId,
        String currency,
        long minorUnits,
        String idempotencyKey,
        Optional<UUID> paymentId,
        Instant issueTime) {

    /** The data of a new invoice. */
    record Order(UUID userId, String currency, long minorUnits, String idempotencyKey) {}

    /** Selects the invoices of a list: at most {@code most}, with lower numbers, of one person or of all. */
    record Page(Optional<UUID> userId, Optional<Long> before, int most) {}
}
