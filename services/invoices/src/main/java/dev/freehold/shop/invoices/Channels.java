package dev.freehold.shop.invoices;

import com.google.gson.Gson;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import com.google.gson.reflect.TypeToken;
import io.grpc.ConnectivityState;
import io.grpc.ManagedChannel;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** Creates channels to all servers of the services that invoices calls. */
final class Channels {
    /**
     * The service config if none is published: calls are distributed over all servers, and calls that reached no server
     * are retried, which the contracts of users and payments allow.
     */
    private static final String BUILT_IN = """
            {
              "loadBalancingConfig": [{"round_robin": {}}],
              "methodConfig": [{
                "name": [{"service": "shop.users.v1.UsersService"}, {"service": "shop.payments.v1.PaymentsService"}],
                "retryPolicy": {
                  "maxAttempts": 4, "initialBackoff": "0.05s", "maxBackoff": "0.5s", "backoffMultiplier": 2,
                  "retryableStatusCodes": ["UNAVAILABLE"]
                }
              }]
            }
            """;

    private Channels() {}

    /** Starts to connect, without waiting for the provider. */
    static ManagedChannel open(Settings.Provider provider) throws SettingsException {
        NettyChannelBuilder builder;
        try {
            builder = NettyChannelBuilder.forTarget(provider.target());
        } catch (IllegalArgumentException e) {
            throw new SettingsException("the target of %s, \"%s\", is not a gRPC target: %s"
                    .formatted(provider.name(), provider.target(), e.getMessage()));
        }
        if (provider.identity().isPresent()) {
            builder.sslContext(provider.identity().get().client());
        } else {
            builder.usePlaintext();
        }
        builder.disableServiceConfigLookUp()
                .keepAliveTime(10, TimeUnit.SECONDS)
                .keepAliveTimeout(5, TimeUnit.SECONDS)
                .keepAliveWithoutCalls(true);
        ManagedChannel channel = build(builder, provider);
        channel.getState(true);
        Threads.named("reconnecting").newThread(() -> reconnectSoon(channel)).start();
        return channel;
    }

    /** Uses the published service config, or the built-in one if that is missing or invalid. */
    private static ManagedChannel build(NettyChannelBuilder builder, Settings.Provider provider) {
        if (provider.serviceConfig().isPresent()) {
            Path file = provider.serviceConfig().get();
            try {
                ManagedChannel channel = builder.defaultServiceConfig(parsed(Files.readString(file)))
                        .build();
                Log.info("channel", "provider", provider.name(), "serviceConfig", "published");
                return channel;
            } catch (NoSuchFileException e) {
                // not published: the contract of the provider is unknown
            } catch (IOException | JsonParseException | IllegalArgumentException | IllegalStateException e) {
                Log.warn(
                        "the published service config cannot be used",
                        "provider",
                        provider.name(),
                        "file",
                        file.toString(),
                        "error",
                        e.getMessage());
            }
        }
        Log.info("channel", "provider", provider.name(), "serviceConfig", "built in");
        return builder.defaultServiceConfig(parsed(BUILT_IN)).build();
    }

    private static Map<String, ?> parsed(String text) {
        JsonObject config = JsonParser.parseString(text).getAsJsonObject(); // throws IllegalStateException
        return new Gson().fromJson(config, new TypeToken<Map<String, Object>>() {});
    }

    /** Reconnects every second: gRPC for Java waits up to two minutes between attempts, without a setting. */
    private static void reconnectSoon(ManagedChannel channel) {
        try {
            while (!channel.awaitTermination(1, TimeUnit.SECONDS)) {
                if (channel.getState(true) == ConnectivityState.TRANSIENT_FAILURE) {
                    channel.resetConnectBackoff();
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
