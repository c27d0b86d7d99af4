package example_service;

import java.time.Duration;
import java.util.Map;

/**
 * The settings of the service, read from the environment.
 *
 * @param port the port of the server
 * @param longestCall the maximum duration of a call, independent of the client's deadline
 */
record Settings(int port, Database database, Duration longestCall) {

    /** Throws a message with the setting to correct. */
    static Settings read(Map<String, String> environment) throws SettingsException {
        if (environment.containsKey("GRPC_TLS")) {
            throw new SettingsException(
                    "GRPC_TLS must not be set: only plaintext is supported; under Freehold, leave out spec.grpc.tls");
        }
        return new Settings(
                number(environment, "GRPC_PORT", "50051", 65535),
                Database.read(environment),
                Duration.ofMillis(number(environment, "LATENCY_BUDGET_MS", "5000", 3_600_000)));
    }

    private static int number(Map<String, String> environment, String variable, String usual, int most)
            throws SettingsException {
        String text = environment.getOrDefault(variable, usual);
        int number = text.matches("[0-9]{1,9}") ? Integer.parseInt(text) : 0;
        if (number < 1 || number > most) {
            throw new SettingsException(
                    "%s must be a number from 1 to %d; it is \"%s\"".formatted(variable, most, text));
        }
        return number;
    }
}
