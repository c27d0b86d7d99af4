package dev.freehold.shop.invoices;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.postgresql.ds.PGSimpleDataSource;

/** Tests of the settings. */
class SettingsTest {
    private static final String URL = "postgresql://app:p%40ss+word@db.shop.svc/invoices";
    private static final Map<String, String> LEAST = Map.of(
            "DATABASE_URL", URL, "USERS_GRPC_TARGET", "dns:///users:50051", "PAYMENTS_GRPC_TARGET", "dns:///pay:50051");

    private static Settings read(String... more) throws SettingsException {
        Map<String, String> environment = new HashMap<>(LEAST);
        for (int i = 0; i < more.length; i += 2) {
            environment.put(more[i], more[i + 1]);
        }
        return Settings.read(environment);
    }

    /** Settings that are not in the environment have defaults. */
    @Test
    void defaults() throws Exception {
        Settings settings = read();
        assertEquals(50051, settings.port());
        assertEquals(Optional.empty(), settings.healthPort());
        assertEquals(Duration.ofSeconds(5), settings.longestCall());
        assertEquals(
                new Settings.Provider("users", "dns:///users:50051", Optional.empty(), Optional.empty()),
                settings.users());
    }

    /** Settings are read from the environment. */
    @Test
    void settingsFromEnvironment() throws Exception {
        Settings settings = read(
                "GRPC_PORT",
                "1",
                "GRPC_HEALTH_PORT",
                "2",
                "LATENCY_BUDGET_MS",
                "250",
                "GRPC_TLS",
                "Mutual",
                "PAYMENTS_GRPC_TLS",
                "Mutual",
                "GRPC_TLS_DIR",
                "/identity",
                "SERVICE_BINDING_ROOT",
                "/bindings");
        assertEquals(1, settings.port());
        assertEquals(Optional.of(2), settings.healthPort());
        assertEquals(Duration.ofMillis(250), settings.longestCall());
        assertEquals(Optional.of(new Identity(Path.of("/identity"))), settings.identity());
        assertEquals(Optional.empty(), settings.users().identity());
        assertEquals(
                new Settings.Provider(
                        "payments",
                        "dns:///pay:50051",
                        Optional.of(new Identity(Path.of("/identity"))),
                        Optional.of(Path.of("/bindings/payments/service-config"))),
                settings.payments());
    }

    /** An error for an invalid setting names the setting and does not contain the password. */
    @ParameterizedTest
    @CsvSource({
        "GRPC_PORT, x, 'GRPC_PORT must be a number from 1 to 65535; it is \"x\"'",
        "GRPC_HEALTH_PORT, 70000, GRPC_HEALTH_PORT must be a number",
        "LATENCY_BUDGET_MS, 0, LATENCY_BUDGET_MS must be a number",
        "GRPC_TLS, yes, 'GRPC_TLS must be Mutual, or not set at all for plaintext; it is \"yes\"'",
        "USERS_GRPC_TLS, Mutual, GRPC_TLS_DIR must be set where USERS_GRPC_TLS is",
        "PAYMENTS_GRPC_TARGET, '', PAYMENTS_GRPC_TARGET must be set",
        "DATABASE_URL, '', 'DATABASE_URL must be set, like postgresql://'",
        "DATABASE_URL, mysql://app:secret@db/invoices, 'DATABASE_URL must be set, like postgresql://'",
        "DATABASE_URL, postgresql://app:secret@db/invoices?secret=1, 'DATABASE_URL must be set, like postgresql://'",
    })
    void invalidSetting(String name, String value, String words) {
        SettingsException failure = assertThrows(SettingsException.class, () -> read(name, value));
        assertTrue(failure.getMessage().contains(words), failure.getMessage());
        assertFalse(failure.getMessage().contains("secret"));
    }

    /** A connection URI is converted for JDBC. */
    @Test
    void connectionUriForJdbc() throws Exception {
        PGSimpleDataSource source = Database.of(
                        URL + "?sslmode=verify-full&sslrootcert=/bindings/database/ca.crt&connect_timeout=7")
                .source();
        assertEquals("db.shop.svc", source.getServerNames()[0]);
        assertEquals(5432, source.getPortNumbers()[0]);
        assertEquals("invoices", source.getDatabaseName());
        assertEquals("app", source.getUser());
        assertEquals("p@ss+word", source.getPassword());
        assertEquals("verify-full", source.getSslMode());
        assertEquals("/bindings/database/ca.crt", source.getSslRootCert());
        assertEquals(7, source.getConnectTimeout());
    }
}
