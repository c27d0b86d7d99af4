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
 * Reads and writes the table notes, with the rights of the service's own role. A query is cancelled with the call
 * that asks for it. Each may be made twice, and leaves what it leaves when made once. The statuses it throws are
 * sentences for the caller.
 */
final class Store implements AutoCloseable {
    /** For how long a query is made again: a server that restarts or hands over to another is back within it. */
    private static final Duration ABSENCE = Duration.ofSeconds(2);

    private static final long PAUSE_MS = 50;

    private final HikariDataSource pool;
    private final ExecutorService cancelling = Executors.newCachedThreadPool(Threads.named("cancelling"));

    /** Returns at once: connections are made when they are needed, and made again after the database was away. */
    Store(Database database) throws SQLException {
        PGSimpleDataSource source = database.source(new PromptSource());
        source.setSocketTimeout(10); // a server that vanished; calls are shorter
        HikariConfig config = new HikariConfig();
        config.setDataSource(source);
        config.setPoolName("database");
        config.setMaximumPoolSize(8);
        config.setMinimumIdle(0); // so that it tries anew whenever somebody asks
        config.setConnectionTimeout(250); // then it is asked again, if the call goes on
        config.setValidationTimeout(1000);
        config.setInitializationFailTimeout(-1);
        pool = new HikariDataSource(config);
    }

    /** Waits for queries under way and closes the connections. */
    @Override
    public void close() {
        pool.close();
        cancelling.shutdown();
    }

    /** Whether the database answers, known within three seconds or so. */
    boolean answers() {
        try {
            return patiently(Store::validated);
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

    /** The text of a note. */
    Optional<String> get(String id) throws StatusException {
        return query("SELECT text FROM notes WHERE id = ?", id);
    }

    /** Runs one statement, and returns the first column of its first row. */
    private Optional<String> query(String sql, String... values) throws StatusException {
        try {
            return patiently(connection -> first(connection, sql, values));
        } catch (SQLException e) {
            throw refusal(e).asException();
        }
    }

    /** Connects as soon as the database is back: the pool's own pauses between its attempts double. */
    private static final class PromptSource extends PGSimpleDataSource {
        private static final long serialVersionUID = 1;

        @Override
        public Connection getConnection() throws SQLException {
            for (long begun = System.nanoTime(); ; ) {
                try {
                    return super.getConnection();
                } catch (SQLException e) {
                    if (System.nanoTime() - begun > ABSENCE.toNanos() || !paused()) {
                        throw e;
                    }
                }
            }
        }
    }

    /** What is done with a connection, and may be done twice. */
    private interface Work<T> {
        T with(Connection connection) throws SQLException;
    }

    /** Does it again while the database is away for a moment, until the call at hand has ended. */
    private <T> T patiently(Work<T> work) throws SQLException {
        for (long begun = System.nanoTime(); ; ) {
            try (Connection connection = pool.getConnection()) {
                return work.with(connection);
            } catch (SQLException e) {
                boolean over = System.nanoTime() - begun > ABSENCE.toNanos();
                if (over || !passes(e) || Context.current().isCancelled() || !paused()) {
                    throw e;
                }
                if (!(e instanceof SQLTransientConnectionException)) {
                    // Where one connection ended, the idle ones have too.
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
            throw new SQLNonTransientConnectionException("it does not answer", "08006");
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

    /** Again and again until the query has ended, for one that has not begun yet cannot be cancelled. */
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
        if (passes(failed)) {
            Log.warn("the database does not answer", "error", failed.getMessage());
            return Status.UNAVAILABLE.withDescription(
                    "the database of " + Main.NAME + " does not answer; try again shortly");
        }
        throw new IllegalStateException("the database refused a query", failed);
    }

    /**
     * Tells the errors that will pass. A database that refuses the query itself is a defect, unless it says that it is
     * out of connections or room (class 53) or shutting down or starting (57), or the connection broke (08).
     */
    private static boolean passes(SQLException failed) {
        return failed instanceof SQLTransientConnectionException
                || String.valueOf(failed.getSQLState()).matches("(08|53|57).*");
    }
}
