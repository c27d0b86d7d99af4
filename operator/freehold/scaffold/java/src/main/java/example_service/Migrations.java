package example_service;

import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import org.flywaydb.core.Flyway;
import org.flywaydb.core.api.FlywayException;
import org.flywaydb.core.api.output.MigrateOutput;
import org.flywaydb.core.api.output.MigrateResult;
import org.postgresql.ds.PGSimpleDataSource;

/** Migrates the schema, with the role that owns it. */
final class Migrations {
    static final String PACKAGED = "classpath:migrations";

    /** The time to wait for the database to become available. */
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    private Migrations() {}

    /**
     * Applies the missing migrations, each in its own transaction, and returns their names. Concurrent runs wait for
     * each other with a lock in the database.
     */
    static List<String> migrate(Database database, String location) throws SettingsException, SQLException {
        PGSimpleDataSource source = database.source();
        // A schema change that waits for a lock blocks all later queries; failing is better than blocking the service.
        source.setOptions("-c lock_timeout=10s");
        await(source);
        MigrateResult result;
        try {
            result = Flyway.configure(Migrations.class.getClassLoader())
                    .dataSource(source)
                    .locations(location)
                    .sqlMigrationPrefix("") // 0001_create_notes.sql
                    .sqlMigrationSeparator("_")
                    .lockRetryCount(300)
                    .cleanDisabled(true)
                    .load()
                    .migrate();
        } catch (FlywayException e) {
            throw new SettingsException(reason(e));
        }
        return result.migrations.stream().map(Migrations::name).toList();
    }

    private static String name(MigrateOutput migration) {
        return "%s_%s.sql".formatted(migration.version, migration.description.replace(' ', '_'));
    }

    /** Returns one line: the messages of the libraries have decorated paragraphs around the database's message. */
    private static String reason(FlywayException failed) {
        for (Throwable cause = failed; cause != null; cause = cause.getCause()) {
            if (cause instanceof SQLException sql) {
                return failed.getMessage().lines().findFirst().orElse("a migration failed") + ": " + sql.getMessage();
            }
        }
        return failed.getMessage();
    }

    private static void await(PGSimpleDataSource source) throws SQLException {
        long end = System.nanoTime() + PATIENCE.toNanos();
        for (long pause = 200; ; pause = Math.min(2 * pause, 3000)) {
            try {
                source.getConnection().close();
                return;
            } catch (SQLException e) {
                if (System.nanoTime() + Duration.ofMillis(pause).toNanos() > end) {
                    throw e;
                }
            }
            try {
                Thread.sleep(pause);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return;
            }
        }
    }
}
