package dev.freehold.shop.invoices;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import io.grpc.Context;
import io.grpc.Status;
import io.grpc.StatusException;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.SQLNonTransientConnectionException;
import java.sql.SQLTransientConnectionException;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicBoolean;
import org.postgresql.ds.PGSimpleDataSource;

/**
 * Reads and writes the table invoices, with the rights of the service's own role. A query is cancelled with its call.
 * All queries are idempotent, as the idempotency levels of the contract require, and may be repeated. Thrown statuses
 * have messages for the client.
 */
final class Store implements AutoCloseable {
    private static final String COLUMNS =
            "number, user_id, currency, minor_units, idempotency_key, payment_id, issue_time";

    /**
     * The time during which a query is retried: enough for a restart or a switchover of the database. Afterwards the
     * call fails, and the client may retry on another server.
     */
    private static final Duration ABSENCE = Duration.ofSeconds(2);

    private static final long PAUSE_MS = 50;

    private final HikariDataSource pool;
    private final ExecutorService cancelling = Executors.newCachedThreadPool(Threads.named("cancelling"));

    /** Creates a pool without connecting: connections are made on demand, and again after a database outage. */
    Store(Database database) throws SQLException {
        PGSimpleDataSource source = database.source(new RetryingSource());
        source.setSocketTimeout(10); // for an unresponsive server; calls are shorter
        HikariConfig config = new HikariConfig();
        config.setDataSource(source);
        config.setPoolName("database");
        config.setMaximumPoolSize(8);
        config.setMinimumIdle(0); // so that each request starts a new attempt
        config.setConnectionTimeout(250); // afterwards the pool is asked again, within the time of the call
        config.setValidationTimeout(1000);
        config.setInitializationFailTimeout(-1);
        pool = new HikariDataSource(config);
    }

    /** Waits for running queries and closes the connections. */
    @Override
    public void close() {
        pool.close();
        cancelling.shutdown();
    }

    /** Returns whether the database is available, after about three seconds at most. */
    boolean answers() {
        try {
            return retry(Store::validated);
        } catch (SQLException e) {
            return false;
        }
    }

    /** Returns the new invoice, or nothing if the person has an invoice with this key. */
    Optional<Invoice> add(Invoice.Order order) throws StatusException {
        return one(
                "INSERT INTO invoices (user_id, currency, minor_units, idempotency_key) VALUES (?, ?, ?, ?) "
                        + "ON CONFLICT (user_id, idempotency_key) DO NOTHING RETURNING " + COLUMNS,
                order.userId(),
                order.currency(),
                order.minorUnits(),
                order.idempotencyKey());
    }

    Optional<Invoice> byKey(UUID userId, String key) throws StatusException {
        return one("SELECT " + COLUMNS + " FROM invoices WHERE user_id = ? AND idempotency_key = ?", userId, key);
    }

    Optional<Invoice> get(long number) throws StatusException {
        return one("SELECT " + COLUMNS + " FROM invoices WHERE number = ?", number);
    }

    /** Stores the payment of an invoice. A concurrent call may have stored the payment, which is the same one. */
    Optional<Invoice> settle(long number, UUID paymentId) throws StatusException {
        return one("UPDATE invoices SET payment_id = ? WHERE number = ? RETURNING " + COLUMNS, paymentId, number);
    }

    /** Returns a page of invoices, newest first. */
    List<Invoice> list(Invoice.Page page) throws StatusException {
        String where = "WHERE (?::uuid IS NULL OR user_id = ?) AND (?::bigint IS NULL OR number < ?)";
        UUID userId = page.userId().orElse(null);
        Long before = page.before().orElse(null);
        return query(
                "SELECT " + COLUMNS + " FROM invoices " + where + " ORDER BY number DESC LIMIT ?",
                userId,
                userId,
                before,
                before,
                page.most());
    }

    private Optional<Invoice> one(String sql, Object... values) throws StatusException {
        return query(sql, values).stream().findFirst();
    }

    private List<Invoice> query(String sql, Object... values) throws StatusException {
        try {
            return retry(connection -> rows(connection, sql, values));
        } catch (SQLException e) {
            throw refusal(e).asException();
        }
    }

    /** Retries at a constant rate, unlike the pool, whose pauses between attempts double. */
    private static final class RetryingSource extends PGSimpleDataSource {
        private static final long serialVersionUID = 1;

        @Override
        public Connection getConnection() throws SQLException {
            for (long started = System.nanoTime(); ; ) {
                try {
                    return super.getConnection();
                } catch (SQLException e) {
                    if (System.nanoTime() - started > ABSENCE.toNanos() || !paused()) {
                        throw e;
                    }
                }
            }
        }
    }

    /** Idempotent work with a connection. */
    private interface Work<T> {
        T with(Connection connection) throws SQLException;
    }

    /** Repeats the work during a short database outage, until the current call ends. */
    private <T> T retry(Work<T> work) throws SQLException {
        for (long started = System.nanoTime(); ; ) {
            try (Connection connection = pool.getConnection()) {
                return work.with(connection);
            } catch (SQLException e) {
                boolean expired = System.nanoTime() - started > ABSENCE.toNanos();
                if (expired || !isTemporary(e) || Context.current().isCancelled() || !paused()) {
                    throw e;
                }
                if (!(e instanceof SQLTransientConnectionException)) {
                    // When one connection fails, the idle ones have failed too.
                    pool.getHikariPoolMXBean().softEvictConnections();
                }
            }
        }
    }

    private static boolean paused() {
        try {
            Thread.sleep(PAUSE_MS);
            return true;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    private static boolean validated(Connection connection) throws SQLException {
        if (!connection.isValid(1)) {
            throw new SQLNonTransientConnectionException("the database does not answer", "08006");
        }
        return true;
    }

    private List<Invoice> rows(Connection connection, String sql, Object... values) throws SQLException {
        Context call = Context.current();
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            for (int i = 0; i < values.length; i++) {
                statement.setObject(i + 1, values[i]);
            }
            AtomicBoolean done = new AtomicBoolean();
            Context.CancellationListener cancel = context -> cancel(statement, done);
            call.addListener(cancel, cancelling);
            try (ResultSet rows = statement.executeQuery()) {
                return invoices(rows);
            } finally {
                done.set(true);
                call.removeListener(cancel);
            }
        }
    }

    /** Repeats the cancellation until the query has ended, because a query that has not started cannot be cancelled. */
    private static void cancel(PreparedStatement statement, AtomicBoolean done) {
        try {
            while (!done.get()) {
                statement.cancel();
                Thread.sleep(10);
            }
        } catch (SQLException e) {
            Log.warn("a query cannot be cancelled", "error", e.getMessage());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static List<Invoice> invoices(ResultSet rows) throws SQLException {
        List<Invoice> found = new ArrayList<>();
        while (rows.next()) {
            found.add(new Invoice(
                    rows.getLong("number"),
                    rows.getObject("user_id", UUID.class),
                    rows.getString("currency"),
                    rows.getLong("minor_units"),
                    rows.getString("idempotency_key"),
                    Optional.ofNullable(rows.getObject("payment_id", UUID.class)),
                    rows.getObject("issue_time", OffsetDateTime.class).toInstant()));
        }
        return found;
    }

    private static Status refusal(SQLException failed) {
        if (Context.current().isCancelled()) {
            return Calls.ended();
        }
        if (isTemporary(failed)) {
            Log.warn("the database does not answer", "error", failed.getMessage());
            return Status.UNAVAILABLE.withDescription("the database of invoices does not answer; try again shortly");
        }
        throw new IllegalStateException("the database refused a query", failed);
    }

    /**
     * Whether an error is temporary. Other errors of the database are defects; its error classes 08 (connection), 53
     * (insufficient resources) and 57 (operator intervention, startup) are temporary.
     */
    private static boolean isTemporary(SQLException failed) {
        return failed instanceof SQLTransientConnectionException
                || String.valueOf(failed.getSQLState()).matches("(08|53|57).*");
    }
}
