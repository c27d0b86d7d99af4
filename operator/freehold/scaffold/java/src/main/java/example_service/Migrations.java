package example_service;

import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import org.flywaydb.core.Flyway;
import org.flywaydb.core.api.FlywayException;
import org.flywaydb.core.api.output.MigrateOutput;
import org.flywaydb.core.api.output.MigrateResult;
import org.postgresql.ds.PGSimpleDataSource;

/** Brings the schema up to date, as the role that owns it. */
final class Migrations {
    static final String PACKAGED = "classpath:migrations";

    /** How long it waits for a database that is not there yet. */
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    private Migrations() {}

    /**
     * Applies what is missing, each file in a transaction of its own, and returns the names of those. Two runs at once
     * wait for each other on a lock of the database.
     */
    static List<String> migrate(Database database, String location) throws SettingsException, SQLException {
        PGSimpleDataSource source = database.source();
        // Every later query queues behind a change that waits for its lock: rather fail than stop the service.
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

    /** One line: the libraries draw boxes around what the database says. */
    private static String reason(FlywayException failed) {
        for (Throwable cause = failed; cause != null; cause = cause.getCause()) {
            if (cause instanceof SQLException said) {
                return failed.getMessage().lines().findFirst().orElse("a migration failed") + ": " + said.getMessage();
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
