package example_service;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of migrations, with a database. */
class MigrationsTest {
    @TempDir
    Path folder;

    /** A second run applies nothing. */
    @Test
    void migrateTwice() throws Exception {
        Database database = Database.of(TestDatabase.empty().url("owner"));
        assertEquals(List.of("0001_create_notes.sql"), Migrations.migrate(database, Migrations.PACKAGED));
        assertEquals(List.of(), Migrations.migrate(database, Migrations.PACKAGED));
    }

    /** Concurrent runs apply each file once. */
    @Test
    void migrateConcurrently() throws Exception {
        Database database = Database.of(TestDatabase.empty().url("owner"));
        Files.writeString(folder.resolve("0001_slow.sql"), "CREATE TABLE slow (); SELECT pg_sleep(0.5)");
        CompletableFuture<List<String>> other = CompletableFuture.supplyAsync(() -> run(database));
        List<String> applied = run(database);
        assertEquals(1, applied.size() + other.get().size());
    }

    /** A failed file is rolled back and reported with its cause. */
    @Test
    void failedFileIsRolledBack() throws Exception {
        TestDatabase database = TestDatabase.empty();
        Files.writeString(folder.resolve("0001_bad.sql"), "CREATE TABLE half (); SELECT * FROM absent");
        SettingsException failed = assertThrows(
                SettingsException.class,
                () -> Migrations.migrate(Database.of(database.url("owner")), "filesystem:" + folder));
        assertEquals(true, failed.getMessage().contains("relation \"absent\" does not exist"), failed.getMessage());
        assertThrows(AssertionError.class, () -> database.run("owner", "SELECT * FROM half"));
    }

    /** The service's role can change rows, but no tables. */
    @Test
    void serviceRoleRights() throws Exception {
        TestDatabase database = TestDatabase.migrated();
        database.run("app", "INSERT INTO notes (id, text) VALUES ('a', 'b')");
        assertThrows(AssertionError.class, () -> database.run("app", "DROP TABLE notes"));
    }

    private List<String> run(Database database) {
        try {
            return Migrations.migrate(database, "filesystem:" + folder);
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }
}
