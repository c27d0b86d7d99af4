package dev.freehold.shop.invoices;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import shop.users.v1.Users.GetUserRequest;
import shop.users.v1.UsersServiceGrpc;

/** Tests of the choice between the published and the built-in service config. */
class ServiceConfigTest {
    private static final String TWICE = """
            {"loadBalancingConfig": [{"round_robin": {}}], "methodConfig": [
              {"name": [{"service": "shop.users.v1.UsersService", "method": "GetUser"}], "timeout": "5s",
               "retryPolicy": {"maxAttempts": 2, "initialBackoff": "0.01s", "maxBackoff": "0.1s",
                "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE"]}},
              {"name": [{}], "timeout": "5s"}]}
            """;

    @TempDir
    private Path folder;

    /** The number of calls to a failing users service, and the log at the creation of the channel. */
    private record Seen(int calls, String log) {}

    private Seen seen(Optional<String> published) throws Exception {
        Path file = folder.resolve("service-config");
        if (published.isPresent()) {
            Files.writeString(file, published.get());
        }
        Shop.People people = new Shop.People();
        people.failing.set(100);
        io.grpc.Server server = Shop.serve(people);
        PrintStream before = System.out;
        ByteArrayOutputStream log = new ByteArrayOutputStream();
        System.setOut(new PrintStream(log, true, StandardCharsets.UTF_8));
        ManagedChannel channel;
        try {
            channel = Channels.open(new Settings.Provider(
                    "users", "dns:///localhost:" + server.getPort(), Optional.empty(), Optional.of(file)));
        } finally {
            System.setOut(before);
        }
        try {
            var unused = UsersServiceGrpc.newBlockingStub(channel)
                    .withDeadlineAfter(10, java.util.concurrent.TimeUnit.SECONDS)
                    .getUser(GetUserRequest.getDefaultInstance());
        } catch (StatusRuntimeException e) {
            return new Seen(people.calls.get(), log.toString(StandardCharsets.UTF_8));
        } finally {
            channel.shutdownNow();
            server.shutdownNow();
        }
        throw new AssertionError("the call to users did not fail");
    }

    /** A published service config is used. */
    @Test
    void publishedConfigIsUsed() throws Exception {
        Seen seen = seen(Optional.of(TWICE));
        assertEquals(2, seen.calls());
        assertTrue(seen.log().contains("\"provider\":\"users\",\"serviceConfig\":\"published\""), seen.log());
        assertEquals(1, seen.log().lines().count());
    }

    /** Without a published service config, the built-in one is used. */
    @Test
    void builtInConfigWithoutPublished() throws Exception {
        Seen seen = seen(Optional.empty());
        assertEquals(4, seen.calls());
        assertTrue(seen.log().contains("\"provider\":\"users\",\"serviceConfig\":\"built in\""), seen.log());
        assertEquals(1, seen.log().lines().count());
    }

    /** An invalid service config is reported, and the built-in one is used. */
    @Test
    void invalidConfigIsReported() throws Exception {
        for (String bad : new String[] {
            "{", "", "[]", "{\"methodConfig\": 7}", TWICE.replace("\"5s\"", "\"soon\""), TWICE.replace("2,", "1,")
        }) {
            Seen seen = seen(Optional.of(bad));
            assertEquals(4, seen.calls(), bad);
            assertTrue(seen.log().contains("the published service config cannot be used"), bad + seen.log());
            assertTrue(seen.log().contains("\"serviceConfig\":\"built in\""), seen.log());
        }
    }
}
