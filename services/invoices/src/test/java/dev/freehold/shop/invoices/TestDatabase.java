package dev.freehold.shop.invoices;

import java.net.URI;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.UUID;

/** A database for one test with the roles that Freehold creates: an owner, and a role that can only access rows. */
final class TestDatabase {
    private final URI admin;
    private final String name = "t" + UUID.randomUUID().toString().replace("-", "");

    private TestDatabase() {
        String url = System.getenv("TEST_DATABASE_TCP_URL");
        if (url == null) {
            throw new IllegalStateException("run the tests as: services/with-postgres mvn test");
        }
        this.admin = URI.create(url);
    }

    /** Creates a database without tables. */
    static TestDatabase empty() throws Exception {
        TestDatabase made = new TestDatabase();
        made.admin("CREATE ROLE " + made.name + "_owner LOGIN PASSWORD 'correct-horse'");
        made.admin("CREATE ROLE " + made.name + "_app LOGIN PASSWORD 'correct-horse'");
        made.admin("CREATE DATABASE " + made.name + " OWNER " + made.name + "_owner");
        made.run(
                "owner",
                "ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO " + made.name + "_app");
        return made;
    }

    /** Creates a database with the schema of this release. */
    static TestDatabase migrated() throws Exception {
        TestDatabase made = empty();
        Migrations.migrate(Database.of(made.url("owner")), Migrations.PACKAGED);
        return made;
    }

    /** Returns the connection URI of a role: owner or app. */
    String url(String role) {
        return url(role, "correct-horse");
    }

    String url(String role, String password) {
        return "postgresql://%s_%s:%s@%s:%d/%s".formatted(name, role, password, admin.getHost(), admin.getPort(), name);
    }

    /** Refuses connections and ends existing ones, as during a restart of the server. */
    void stop() throws Exception {
        admin("ALTER DATABASE " + name + " ALLOW_CONNECTIONS false");
        endSessions();
    }

    /** Ends existing sessions; new ones are accepted at once. */
    void endSessions() throws Exception {
        admin(ending());
    }

    /** Ends all sessions, and suspends the postmaster for a time, so that new connections are not answered. */
    void hold(Duration time) throws Exception {
        try (Connection connection = Database.of(admin.toString()).source().getConnection();
                Statement statement = connection.createStatement()) {
            long postmaster;
            try (ResultSet row =
                    statement.executeQuery("SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)")) {
                row.next();
                postmaster = row.getLong(1);
            }
            signal("STOP", postmaster);
            try {
                statement.execute(ending());
                Thread.sleep(time.toMillis());
            } finally {
                signal("CONT", postmaster);
            }
        }
    }

    private static void signal(String name, long process) throws Exception {
        String command = "kill -%s %d".formatted(name, process);
        if (new ProcessBuilder("sh", "-c", command).inheritIO().start().waitFor() != 0) {
            throw new AssertionError(command);
        }
    }

    private String ending() {
        return "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" + name + "'";
    }

    /** Accepts connections again. */
    void resume() throws Exception {
        admin("ALTER DATABASE " + name + " ALLOW_CONNECTIONS true");
    }

    /** Returns when {@code count} queries wait for a lock, and fails after five seconds. */
    void awaitWaiting(int count) throws Exception {
        String sql =
                "SELECT count(*) FROM pg_stat_activity WHERE datname = '" + name + "' AND wait_event_type = 'Lock'";
        try (Connection connection = Database.of(admin.toString()).source().getConnection();
                Statement statement = connection.createStatement()) {
            long end = System.nanoTime() + 5_000_000_000L;
            while (true) {
                try (ResultSet row = statement.executeQuery(sql)) {
                    row.next();
                    if (row.getInt(1) == count) {
                        return;
                    }
                    if (System.nanoTime() > end) {
                        throw new AssertionError(row.getInt(1) + " queries wait for a lock, not " + count);
                    }
                }
            }
        }
    }

    /** Locks the table invoices until the connection is closed. */
    Connection lock() throws Exception {
        Connection connection = Database.of(url("owner")).source().getConnection();
        connection.setAutoCommit(false);
        try (Statement statement = connection.createStatement()) {
            statement.execute("LOCK TABLE invoices");
        }
        return connection;
    }

    void admin(String sql) throws Exception {
        execute(admin.toString(), sql);
    }

    void run(String role, String sql) throws Exception {
        execute(url(role), sql);
    }

    private static void execute(String url, String sql) throws Exception {
        try (Connection connection = Database.of(url).source().getConnection();
                Statement statement = connection.createStatement()) {
            statement.execute(sql);
        } catch (SQLException e) {
            throw new AssertionError(sql, e);
        }
    }
}
