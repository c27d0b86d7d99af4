package example_service;

import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.protobuf.services.HealthStatusManager;
import io.grpc.protobuf.services.ProtoReflectionServiceV1;
import java.io.IOException;
import java.sql.SQLException;
import java.util.concurrent.TimeUnit;

/** The server process: listens immediately, becomes ready with its database, and shuts down gracefully. */
final class Server {
    /** The time for running calls to end after the server has stopped accepting new ones. */
    private static final long GRACE_SECONDS = 10;

    private final io.grpc.Server server;
    private final HealthStatusManager health;
    private final Store store;
    private final Thread readiness;

    private Server(io.grpc.Server server, HealthStatusManager health, Store store) {
        this.server = server;
        this.health = health;
        this.store = store;
        this.readiness = Readiness.watch(store, health);
    }

    static Server start(Settings settings) throws SettingsException, SQLException {
        HealthStatusManager health = new HealthStatusManager();
        Readiness.announce(health, false);
        Store store = new Store(settings.database());
        io.grpc.Server server = build(settings, store, health);
        try {
            server.start();
        } catch (IOException e) {
            throw new SettingsException("GRPC_PORT %d is taken or not allowed; give this service another port: %s"
                    .formatted(settings.port(), e));
        }
        Log.info("listening", "port", settings.port());
        return new Server(server, health, store);
    }

    void awaitEnd() throws InterruptedException {
        server.awaitTermination();
    }

    /** Changes the health status first, so that clients stop calling; then waits for running calls. */
    void shutdown() {
        Log.info("shutting down");
        health.enterTerminalState();
        server.shutdown();
        try {
            if (!server.awaitTermination(GRACE_SECONDS, TimeUnit.SECONDS)) {
                server.shutdownNow();
                server.awaitTermination(1, TimeUnit.SECONDS);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        readiness.interrupt();
        store.close();
        Log.info("stopped");
    }

    /** Connections end after a few seconds, so that clients resolve the name again and find new servers. */
    @SuppressWarnings("deprecation") // older clients use version v1alpha of reflection
    private static io.grpc.Server build(Settings settings, Store store, HealthStatusManager health) {
        return NettyServerBuilder.forPort(settings.port())
                .maxConnectionAge(4, TimeUnit.SECONDS)
                .maxConnectionAgeGrace(10, TimeUnit.SECONDS)
                .keepAliveTime(20, TimeUnit.SECONDS)
                .keepAliveTimeout(5, TimeUnit.SECONDS)
                .permitKeepAliveTime(5, TimeUnit.SECONDS)
                .permitKeepAliveWithoutCalls(true)
                .addService(new Service(store))
                .addService(health.getHealthService())
                .addService(ProtoReflectionServiceV1.newInstance())
                .addService(io.grpc.protobuf.services.ProtoReflectionService.newInstance())
                .intercept(new Calls(settings.longestCall()))
                .build();
    }
}
