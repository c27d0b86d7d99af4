package dev.freehold.shop.invoices;

import static dev.freehold.shop.invoices.Shop.assertRefused;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Channel;
import io.grpc.ChannelCredentials;
import io.grpc.Context;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.ServerCredentials;
import io.grpc.Status.Code;
import io.grpc.StatusException;
import io.grpc.TlsChannelCredentials;
import io.grpc.TlsServerCredentials;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import shop.invoices.v1.Invoices.ListInvoicesRequest;
import shop.invoices.v1.InvoicesServiceGrpc;

/** Tests of mutual TLS with a server that admits calls of the storefront only. */
class MutualTlsTest {
    private static final ScheduledExecutorService CLOCK =
            Executors.newSingleThreadScheduledExecutor(Threads.named("deadlines of tests"));

    @TempDir
    private Path directory;

    private TestAuthority authority;
    private TestAuthority.Issued storefront;
    private Shop shop;

    @BeforeEach
    void open() throws Exception {
        authority = new TestAuthority();
        storefront = authority.issue("storefront");
        TestAuthority.publish(directory, authority.issue("invoices"), authority.pem, "storefront");
        TestDatabase database = TestDatabase.migrated();
        shop = new Shop(database, database.url("app"), Duration.ofSeconds(5), Optional.of(new Identity(directory)));
        shop.await(ServingStatus.SERVING);
    }

    @AfterEach
    void close() {
        shop.close();
    }

    /** Clients with an invalid certificate fail in the handshake; clients not on the list get PERMISSION_DENIED. */
    @Test
    void onlyListedClientsMayCall() throws Exception {
        call(as(storefront, authority.pem));
        assertRefused(Code.PERMISSION_DENIED, "", () -> call(as(authority.issue("payments"), authority.pem)));
        assertNoHandshake(TlsChannelCredentials.newBuilder()
                .trustManager(pem(authority.pem))
                .build());
        assertNoHandshake(InsecureChannelCredentials.create());
        assertNoHandshake(as(new TestAuthority().issue("storefront"), authority.pem));
        assertNoHandshake(as(authority.issue("storefront", Duration.ofHours(-3)), authority.pem));
        assertNoHandshake(as(authority.issue("storefront", Duration.ofHours(1)), authority.pem));
    }

    /** A refusal names the fix, and applies to health too. */
    @Test
    void refusalMessageAndScope() throws Exception {
        ManagedChannel channel = connect(as(authority.issue("payments"), authority.pem));
        try {
            String words = "spiffe://cluster.local/ns/shop/sa/payments may not call invoices; under Freehold, list "
                    + "invoices in its spec.consumes";
            assertRefused(Code.PERMISSION_DENIED, words, () -> list(channel));
            assertRefused(
                    Code.PERMISSION_DENIED,
                    words,
                    () -> HealthGrpc.newBlockingStub(channel).check(HealthCheckRequest.getDefaultInstance()));
        } finally {
            channel.shutdownNow();
        }
    }

    /** A changed list applies to the next call of an open connection. */
    @Test
    void clientListIsReadPerCall() throws Exception {
        TestAuthority.Issued own = authority.issue("invoices");
        ManagedChannel channel = connect(as(storefront, authority.pem));
        try {
            list(channel);
            TestAuthority.publish(directory, own, authority.pem);
            assertRefused(Code.PERMISSION_DENIED, "", () -> list(channel));
            TestAuthority.publish(directory, own, authority.pem, "payments", "storefront");
            list(channel);
            Files.delete(directory.resolve("clients"));
            assertRefused(Code.UNAVAILABLE, "invoices cannot read its list of clients", () -> list(channel));
        } finally {
            channel.shutdownNow();
        }
    }

    /** The CA and all certificates are replaced without a failed call. */
    @Test
    void rotationFailsNoCall() throws Exception {
        TestAuthority successor = new TestAuthority();
        String both = authority.pem + successor.pem;
        ManagedChannel lasting = connect(as(storefront, authority.pem));
        try {
            list(lasting);
            // The order of a rotation: both CAs are trusted before the first certificate of the new CA is used.
            rotate(authority, authority.pem);
            rotate(authority, both);
            list(lasting); // a client that does not trust the successor yet
            rotate(successor, both);
            rotate(successor, successor.pem);
            assertNoHandshake(as(storefront, both));
        } finally {
            lasting.shutdownNow();
        }
    }

    private void rotate(TestAuthority by, String trusted) throws Exception {
        TestAuthority.publish(directory, by.issue("invoices"), trusted, "storefront");
        call(as(by.issue("storefront"), trusted));
    }

    /** The health port serves health only. */
    @Test
    void healthPortServesHealthOnly() {
        assertRefused(Code.UNIMPLEMENTED, "", () -> list(shop.channel));
    }

    /** The server certificate must be valid, of a trusted CA and for the name in the target. */
    @Test
    void usersCertificateIsVerified() throws Exception {
        assertTrue(accepts(authority.issue("users")));
        assertFalse(accepts(authority.issue("users", Duration.ofHours(-1), "users.shop.svc")));
        assertFalse(accepts(new TestAuthority().issue("users")));
        assertFalse(accepts(authority.issue("users", Duration.ofHours(-3), "localhost")));
    }

    /** Returns whether invoices accepts a users server with this certificate. */
    private boolean accepts(TestAuthority.Issued shown) throws Exception {
        ServerCredentials credentials = TlsServerCredentials.newBuilder()
                .keyManager(pem(shown.certificate()), pem(shown.key()))
                .trustManager(pem(authority.pem))
                .clientAuth(TlsServerCredentials.ClientAuth.REQUIRE)
                .build();
        Shop.People people = new Shop.People();
        io.grpc.Server server = Grpc.newServerBuilderForPort(0, credentials)
                .addService(people)
                .build()
                .start();
        Settings.Provider users = new Settings.Provider(
                "users",
                "dns:///localhost:" + server.getPort(),
                Optional.of(new Identity(directory)),
                Optional.empty());
        try (Providers providers = new Providers(users, shop.settings.payments())) {
            return Context.current()
                    .withDeadlineAfter(3, TimeUnit.SECONDS, CLOCK)
                    .call(() -> knows(providers, people.ada));
        } finally {
            server.shutdownNow();
        }
    }

    private static boolean knows(Providers providers, UUID id) {
        try {
            return providers.person(id).getName().equals("Ada");
        } catch (StatusException e) {
            assertEquals(Code.UNAVAILABLE, e.getStatus().getCode());
            return false;
        }
    }

    private static ChannelCredentials as(TestAuthority.Issued client, String authorities) throws Exception {
        return TlsChannelCredentials.newBuilder()
                .keyManager(pem(client.certificate()), pem(client.key()))
                .trustManager(pem(authorities))
                .build();
    }

    private static InputStream pem(String text) {
        return new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8));
    }

    private ManagedChannel connect(ChannelCredentials credentials) {
        return Grpc.newChannelBuilder("localhost:" + shop.settings.port(), credentials)
                .build();
    }

    private void assertNoHandshake(ChannelCredentials credentials) {
        assertRefused(Code.UNAVAILABLE, "", () -> call(credentials));
    }

    /** Makes a call over a new connection. */
    private void call(ChannelCredentials credentials) {
        ManagedChannel channel = connect(credentials);
        try {
            list(channel);
        } finally {
            channel.shutdownNow();
        }
    }

    private static void list(Channel channel) {
        var unused = InvoicesServiceGrpc.newBlockingStub(channel)
                .withDeadlineAfter(5, TimeUnit.SECONDS)
                .listInvoices(ListInvoicesRequest.getDefaultInstance());
    }

    /** Missing or unmatched certificate files are reported. */
    @Test
    void invalidFilesAreReported(@TempDir Path empty) {
        SettingsException failure = assertThrows(SettingsException.class, () -> new Identity(empty).server());
        assertTrue(failure.getMessage().contains("GRPC_TLS_DIR must have tls.crt, tls.key and ca.crt"));
    }
}
