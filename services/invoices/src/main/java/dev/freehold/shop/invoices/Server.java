package dev.freehold.shop.invoices;

import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.protobuf.services.HealthStatusManager;
import io.grpc.protobuf.services.ProtoReflectionServiceV1;
import java.io.IOException;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** The server process: listens immediately, becomes ready with its database, and shuts down gracefully. */
final class Server {
    /** The time for running calls to end after the server has stopped accepting new ones. */
    private static final long GRACE_SECONDS = 10;

    private final List<io.grpc.Server> servers;
    private final HealthStatusManager health;
    private final Store store;
    private final Providers providers;
    private final Thread readiness;

    private Server(List<io.grpc.Server> servers, HealthStatusManager health, Store store, Providers providers) {
        this.servers = servers;
        this.health = health;
        this.store = store;
        this.providers = providers;
        this.readiness = Readiness.watch(store, health);
    }

    static Server start(Settings settings) throws SettingsException, SQLException {
        HealthStatusManager health = new HealthStatusManager();
        Readiness.announce(health, false);
        Store store = new Store(settings.database());
        Providers providers = new Providers(settings.users(), settings.payments());
        List<io.grpc.Server> servers = new ArrayList<>();
        servers.add(listen("GRPC_PORT", settings.port(), main(settings, new Service(store, providers), health)));
        if (settings.healthPort().isPresent()) {
            int port = settings.healthPort().get();
            // In plaintext, because probes use no TLS.
            NettyServerBuilder probed =
                    NettyServerBuilder.forPort(port).directExecutor().addService(health.getHealthService());
            servers.add(listen("GRPC_HEALTH_PORT", port, probed.build()));
        }
        Log.info("listening", "port", settings.port());
        return new Server(servers, health, store, providers);
    }

    void awaitEnd() throws InterruptedException {
        servers.get(0).awaitTermination();
    }

    /** Changes the health status first, so that clients stop calling; then waits for running calls. */
    void shutdown() {
        Log.info("shutting down");
        health.enterTerminalState();
        servers.forEach(io.grpc.Server::shutdown);
        try {
            if (!servers.get(0).awaitTermination(GRACE_SECONDS, TimeUnit.SECONDS)) {
                servers.get(0).shutdownNow();
                servers.get(0).awaitTermination(1, TimeUnit.SECONDS);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        servers.forEach(io.grpc.Server::shutdownNow);
        readiness.interrupt();
        providers.close();
        store.close();
        Log.info("stopped");
    }

    /**
     * Builds the main server. Connections end after about four seconds, so that clients resolve the name again and find
     * new servers.
     */
    @SuppressWarnings("deprecation") // older clients use version v1alpha of reflection
    private static io.grpc.Server main(Settings settings, Service service, HealthStatusManager health)
            throws SettingsException {
        NettyServerBuilder builder = NettyServerBuilder.forPort(settings.port())
                .maxConcurrentCallsPerConnection(200)
                .maxConnectionAge(4, TimeUnit.SECONDS)
                .maxConnectionAgeGrace(10, TimeUnit.SECONDS)
                .keepAliveTime(20, TimeUnit.SECONDS)
                .keepAliveTimeout(5, TimeUnit.SECONDS)
                .permitKeepAliveTime(5, TimeUnit.SECONDS)
                .permitKeepAliveWithoutCalls(true)
                .addService(service)
                .addService(health.getHealthService())
                .addService(ProtoReflectionServiceV1.newInstance())
                .addService(io.grpc.protobuf.services.ProtoReflectionService.newInstance())
                .intercept(new Calls(settings.longestCall()));
        if (settings.identity().isPresent()) {
            Identity identity = settings.identity().get();
            // The interceptor added last runs first.
            builder.sslContext(identity.server()).intercept(new Callers(identity));
        }
        return builder.build();
    }

    private static io.grpc.Server listen(String variable, int port, io.grpc.Server server) throws SettingsException {
        try {
            return server.start();
        } catch (IOException e) {
            throw new SettingsException(
                    "%s %d cannot be used; give this service another port: %s".formatted(variable, port, e));
        }
    }
}
