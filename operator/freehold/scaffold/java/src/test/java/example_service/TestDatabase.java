package example_service;

import java.net.URI;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.UUID;

/**
 * A database of a test's own, made as Freehold makes it: with an owner, and a role that may only read and write rows.
 */
final class TestDatabase {
    private final URI admin;
    private final String name = "t" + UUID.randomUUID().toString().replace("-", "");

    private TestDatabase() {
        String url = System.getenv("TEST_DATABASE_TCP_URL");
        if (url == null) {
            throw new IllegalStateException("run the tests as: make test");
        }
        this.admin = URI.create(url);
    }

    /** Without tables. */
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

    /** With the schema of this release. */
    static TestDatabase migrated() throws Exception {
        TestDatabase made = empty();
        Migrations.migrate(Database.of(made.url("owner")), Migrations.PACKAGED);
        return made;
    }

    /** The connection URI of a role: owner or app. */
    String url(String role) {
        return url(role, "correct-horse");
    }

    String url(String role, String password) {
        return "postgresql://%s_%s:%s@%s:%d/%s".formatted(name, role, password, admin.getHost(), admin.getPort(), name);
    }

    /** Refuses connections and ends those there are, as a server that stops does. */
    void goAway() throws Exception {
        admin("ALTER DATABASE " + name + " ALLOW_CONNECTIONS false");
        admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" + name + "'");
    }

    /** Takes connections again. */
    void comeBack() throws Exception {
        admin("ALTER DATABASE " + name + " ALLOW_CONNECTIONS true");
    }

    /** Returns once so many queries wait for a lock, and fails after five seconds. */
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

    /** Keeps everybody from the table notes until it is closed. */
    Connection lock() throws Exception {
        Connection connection = Database.of(url("owner")).source().getConnection();
        connection.setAutoCommit(false);
        try (Statement statement = connection.createStatement()) {
            statement.execute("LOCK TABLE notes");
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
