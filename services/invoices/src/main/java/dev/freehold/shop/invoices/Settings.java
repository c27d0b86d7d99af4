package dev.freehold.shop.invoices;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * The settings of the service, read from the environment.
 *
 * @param healthPort the port for health checks in plaintext; none if empty
 * @param identity the server's certificates; plaintext if empty
 * @param longestCall the maximum duration of a call, independent of the client's deadline
 */
record Settings(
        int port,
        Optional<Integer> healthPort,
        Optional<Identity> identity,
        Database database,
        Provider users,
        Provider payments,
        Duration longestCall) {

    private static final Duration USUAL_LONGEST_CALL = Duration.ofSeconds(5);

    /**
     * The connection to another service.
     *
     * @param target a gRPC target, such as dns:///users.shop.svc:50051
     * @param identity the client certificates; plaintext if empty
     * @param serviceConfig the file with the published service config; may be missing
     */
    record Provider(String name, String target, Optional<Identity> identity, Optional<Path> serviceConfig) {}

    /** Throws a message with the setting to correct. */
    static Settings read(Map<String, String> environment) throws SettingsException {
        return new Settings(
                number(environment, "GRPC_PORT", 65535).orElse(50051),
                number(environment, "GRPC_HEALTH_PORT", 65535),
                identity(environment, "GRPC_TLS"),
                Database.read(environment),
                provider(environment, "users"),
                provider(environment, "payments"),
                number(environment, "LATENCY_BUDGET_MS", Integer.MAX_VALUE)
                        .map(Duration::ofMillis)
                        .orElse(USUAL_LONGEST_CALL));
    }

    private static Provider provider(Map<String, String> environment, String name) throws SettingsException {
        String variable = name.toUpperCase(Locale.ROOT) + "_GRPC_TARGET";
        String target = set(environment, variable)
                .orElseThrow(() -> new SettingsException(
                        "%s must be set, like dns:///%s.shop.svc:50051; under Freehold, list %s in spec.consumes"
                                .formatted(variable, name, name)));
        return new Provider(
                name,
                target,
                identity(environment, name.toUpperCase(Locale.ROOT) + "_GRPC_TLS"),
                set(environment, "SERVICE_BINDING_ROOT").map(root -> Path.of(root, name, "service-config")));
    }

    private static Optional<Identity> identity(Map<String, String> environment, String variable)
            throws SettingsException {
        String wanted = environment.getOrDefault(variable, "");
        if (wanted.isEmpty()) {
            return Optional.empty();
        }
        if (!wanted.equals("Mutual")) {
            throw new SettingsException(
                    "%s must be Mutual, or not set at all for plaintext; it is \"%s\"".formatted(variable, wanted));
        }
        return Optional.of(new Identity(set(environment, "GRPC_TLS_DIR")
                .map(Path::of)
                .orElseThrow(() -> new SettingsException(("GRPC_TLS_DIR must be set where %s is: a directory of "
                                + "tls.crt, tls.key, ca.crt and, for a service that is called, clients")
                        .formatted(variable)))));
    }

    private static Optional<Integer> number(Map<String, String> environment, String variable, int most)
            throws SettingsException {
        Optional<String> text = set(environment, variable);
        if (text.isEmpty()) {
            return Optional.empty();
        }
        try {
            int number = Integer.parseInt(text.get());
            if (number >= 1 && number <= most) {
                return Optional.of(number);
            }
        } catch (NumberFormatException e) {
            // reported below
        }
        throw new SettingsException(
                "%s must be a number from 1 to %d; it is \"%s\"".formatted(variable, most, text.get()));
    }

    private static Optional<String> set(Map<String, String> environment, String variable) {
        return Optional.ofNullable(environment.get(variable)).filter(value -> !value.isEmpty());
    }
}
