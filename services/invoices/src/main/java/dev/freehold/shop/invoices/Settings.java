package dev.freehold.shop.invoices;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * What the environment says: how the server is reached, where it stores, and where it finds users and payments.
 *
 * @param healthPort where health alone is served, always in plaintext; nowhere if empty
 * @param identity who invoices is to those who call it; plaintext if empty
 * @param longestCall what a call may take, however much time its caller gives
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
     * A service that this one calls.
     *
     * @param target a gRPC target, like dns:///users.shop.svc:50051
     * @param identity who invoices is to it; plaintext if empty
     * @param serviceConfig the file of the service config that is published for it; it need not be there
     */
    record Provider(String name, String target, Optional<Identity> identity, Optional<Path> serviceConfig) {}

    /** Throws a sentence that says what to set. */
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
            // said below
        }
        throw new SettingsException(
                "%s must be a number from 1 to %d; it is \"%s\"".formatted(variable, most, text.get()));
    }

    private static Optional<String> set(Map<String, String> environment, String variable) {
        return Optional.ofNullable(environment.get(variable)).filter(value -> !value.isEmpty());
    }
}
