package dev.freehold.shop.invoices;

import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.protobuf.services.HealthStatusManager;
import io.grpc.protobuf.services.ProtoReflectionServiceV1;
import java.io.IOException;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** The life of the process: it listens at once, is ready with its database, and lets calls end before it leaves. */
final class Server {
    /** How long calls under way have to end after the server stopped taking new ones. */
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
            // In plaintext, for the kubelet's probes speak no TLS.
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

    /** Health first, so that no new caller comes; then calls under way end. */
    void leave() {
        Log.info("leaving");
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
     * The server that others call. Connections end after about four seconds, so that clients look the name up again and
     * find new servers.
     */
    @SuppressWarnings("deprecation") // older clients ask for version v1alpha of reflection
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
            // The last that is added comes first.
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
