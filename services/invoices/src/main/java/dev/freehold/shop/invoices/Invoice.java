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

    /** What an invoice is issued for. */
    record Order(UUID userId, String currency, long minorUnits, String idempotencyKey) {}

    /** Which invoices a list has: at most so many, with lower numbers than one, of one person or of all. */
    record Page(Optional<UUID> userId, Optional<Long> before, int most) {}
}
