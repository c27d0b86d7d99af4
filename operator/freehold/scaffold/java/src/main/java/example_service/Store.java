package example_service;

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
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicBoolean;
import org.postgresql.ds.PGSimpleDataSource;

/**
 * Reads and writes the table notes, with the rights of the service's own role. A query is cancelled with its call. All
 * queries are idempotent and may be repeated. Thrown statuses have messages for the client.
 */
final class Store implements AutoCloseable {
    /** The time during which a query is retried: enough for a restart or a switchover of the database. */
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

    void put(String id, String text) throws StatusException {
        query("""
                INSERT INTO notes (id, text) VALUES (?, ?)
                ON CONFLICT (id) DO UPDATE SET text = excluded.text, update_time = now()
                RETURNING text
                """, id, text);
    }

    /** Returns the text of a note. */
    Optional<String> get(String id) throws StatusException {
        return query("SELECT text FROM notes WHERE id = ?", id);
    }

    /** Executes a statement and returns the first column of the first row. */
    private Optional<String> query(String sql, String... values) throws StatusException {
        try {
            return retry(connection -> first(connection, sql, values));
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

    private Optional<String> first(Connection connection, String sql, String... values) throws SQLException {
        Context call = Context.current();
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            for (int i = 0; i < values.length; i++) {
                statement.setString(i + 1, values[i]);
            }
            AtomicBoolean done = new AtomicBoolean();
            Context.CancellationListener cancel = context -> cancel(statement, done);
            call.addListener(cancel, cancelling);
            try (ResultSet rows = statement.executeQuery()) {
                return rows.next() ? Optional.of(rows.getString(1)) : Optional.empty();
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

    private static Status refusal(SQLException failed) {
        if (Context.current().isCancelled()) {
            return Calls.ended();
        }
        if (isTemporary(failed)) {
            Log.warn("the database does not answer", "error", failed.getMessage());
            return Status.UNAVAILABLE.withDescription(
                    "the database of " + Main.NAME + " does not answer; try again shortly");
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
