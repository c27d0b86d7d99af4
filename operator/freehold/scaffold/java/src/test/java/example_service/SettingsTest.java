package example_service;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.postgresql.ds.PGSimpleDataSource;

/** Tests of the settings. */
class SettingsTest {
    private static final String URL =
            "postgresql://user:se%2Bcret@host:5433/notes?sslmode=verify-full&sslrootcert=/ca.crt";

    /** Settings that are not in the environment have defaults; the text form has no password. */
    @Test
    void defaults() throws Exception {
        Settings settings = Settings.read(Map.of("DATABASE_URL", URL));
        assertEquals(50051, settings.port());
        assertEquals(Duration.ofSeconds(5), settings.longestCall());
        assertFalse(settings.toString().contains("cret"));
    }

    /** A connection URI is converted for JDBC. */
    @Test
    void connectionUriForJdbc() throws Exception {
        PGSimpleDataSource source =
                Settings.read(Map.of("DATABASE_URL", URL)).database().source();
        assertEquals("user se+cret", source.getUser() + " " + source.getPassword());
        assertEquals("verify-full /ca.crt", source.getSslMode() + " " + source.getSslRootCert());
        assertTrue(source.getUrl().startsWith("jdbc:postgresql://host:5433/notes?"), source.getUrl());
    }

    /** An error for an invalid setting names the setting and does not contain the password. */
    @ParameterizedTest
    @CsvSource({
        "DATABASE_URL, '', 'DATABASE_URL must be set, like postgresql://user'",
        "DATABASE_URL, mysql://host/notes, 'DATABASE_URL must be set, like postgresql://user'",
        "DATABASE_URL, postgresql://user:sec%ret@host/notes, 'DATABASE_URL must be set, like postgresql://user'",
        "GRPC_PORT, grpc, 'GRPC_PORT must be a number from 1 to 65535; it is \"grpc\"'",
        "LATENCY_BUDGET_MS, 0, 'LATENCY_BUDGET_MS must be a number from 1 to 3600000; it is \"0\"'",
        "GRPC_TLS, Mutual, GRPC_TLS must not be set",
    })
    void invalidSetting(String variable, String value, String sentence) {
        Map<String, String> environment = new java.util.HashMap<>(Map.of("DATABASE_URL", URL));
        environment.put(variable, value);
        String message = assertThrows(SettingsException.class, () -> Settings.read(environment))
                .getMessage();
        assertTrue(message.startsWith(sentence), message);
        assertFalse(message.contains("sec%ret"), message);
    }
}
