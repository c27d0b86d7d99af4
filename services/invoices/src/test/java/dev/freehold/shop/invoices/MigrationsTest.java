package dev.freehold.shop.invoices;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of migrations, with a database. */
class MigrationsTest {
    private static final List<String> ALL = List.of("V1__create_invoices");

    private static List<String> migrate(TestDatabase database, String location) {
        try {
            return Migrations.migrate(Database.of(database.url("owner")), location);
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    /** A second run applies nothing. */
    @Test
    void migrateTwice() throws Exception {
        TestDatabase database = TestDatabase.empty();
        assertEquals(ALL, migrate(database, Migrations.PACKAGED));
        assertEquals(List.of(), migrate(database, Migrations.PACKAGED));
    }

    /** Concurrent runs apply each file once. */
    @Test
    void migrateConcurrently() throws Exception {
        TestDatabase database = TestDatabase.empty();
        List<CompletableFuture<List<String>>> runs = Stream.generate(
                        () -> CompletableFuture.supplyAsync(() -> migrate(database, Migrations.PACKAGED)))
                .limit(3)
                .toList();
        List<String> applied = runs.stream().flatMap(run -> run.join().stream()).toList();
        assertEquals(ALL, applied);
    }

    /** A failed file is rolled back and reported by name with its cause. */
    @Test
    void failedFileIsRolledBack(@TempDir Path folder) throws Exception {
        Files.writeString(folder.resolve("V1__good.sql"), "CREATE TABLE good (id int);");
        Files.writeString(folder.resolve("V2__bad.sql"), "CREATE TABLE left_over (id int); SELECT 1/0;");
        TestDatabase database = TestDatabase.empty();
        SettingsException failure = assertThrows(
                SettingsException.class,
                () -> Migrations.migrate(Database.of(database.url("owner")), "filesystem:" + folder));
        assertTrue(failure.getMessage().contains("V2__bad.sql"), failure.getMessage());
        assertTrue(failure.getMessage().contains("division by zero"), failure.getMessage());
        database.run("owner", "CREATE TABLE left_over (id int); SELECT * FROM good");
    }
}
