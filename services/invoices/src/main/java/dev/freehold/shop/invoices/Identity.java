package dev.freehold.shop.invoices;

import io.grpc.netty.shaded.io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.shaded.io.netty.buffer.ByteBufAllocator;
import io.grpc.netty.shaded.io.netty.handler.ssl.ApplicationProtocolNegotiator;
import io.grpc.netty.shaded.io.netty.handler.ssl.ClientAuth;
import io.grpc.netty.shaded.io.netty.handler.ssl.SslContext;
import io.grpc.netty.shaded.io.netty.handler.ssl.SslContextBuilder;
import io.grpc.netty.shaded.io.netty.handler.ssl.SslProvider;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLSessionContext;

/**
 * The certificates and trusted CAs of this service for mutual TLS.
 *
 * @param directory has tls.crt, tls.key, ca.crt and, for a server, the list clients. The kubelet updates the files
 *     while the process runs; each handshake and each call reads them again.
 */
record Identity(Path directory) {

    /** For calls to other services: verifies the name in the target and a CA in ca.crt. TLS 1.3 only. */
    SslContext client() throws SettingsException {
        return current(true);
    }

    /** For calls from clients: requires a certificate of a CA in ca.crt. TLS 1.3 only. */
    SslContext server() throws SettingsException {
        return current(false);
    }

    /** Whether a SPIFFE URI is on the list of clients. */
    boolean mayCall(String uri) throws IOException {
        return List.of(Files.readString(directory.resolve("clients")).split("\\s+"))
                .contains(uri);
    }

    private SslContext current(boolean isClient) throws SettingsException {
        try {
            return new Current(isClient, context(isClient));
        } catch (IOException | IllegalArgumentException e) {
            throw new SettingsException("GRPC_TLS_DIR must have tls.crt, tls.key and ca.crt that match:  " + e);
        }
    }

    /**
     * Reads all three files from one version: the kubelet replaces the version by moving a symbolic link, and removes
     * the previous version.
     */
    private SslContext context(boolean isClient) throws IOException {
        while (true) {
            Path version = version();
            try {
                return context(isClient, version);
            } catch (IOException | IllegalArgumentException e) {
                if (version().equals(version)) {
                    throw e;
                }
            }
        }
    }

    private Path version() throws IOException {
        return directory.resolve("tls.crt").toRealPath().getParent();
    }

    private static SslContext context(boolean isClient, Path version) throws IOException {
        ByteArrayInputStream certificate = read(version, "tls.crt");
        ByteArrayInputStream key = read(version, "tls.key");
        SslContextBuilder builder = isClient
                ? SslContextBuilder.forClient().keyManager(certificate, key)
                : SslContextBuilder.forServer(certificate, key).clientAuth(ClientAuth.REQUIRE);
        // Java's own TLS implementation: the alternative is a native library, which needs a writable folder.
        return GrpcSslContexts.configure(builder, SslProvider.JDK)
                .trustManager(read(version, "ca.crt"))
                .protocols("TLSv1.3")
                .build();
    }

    private static ByteArrayInputStream read(Path version, String name) throws IOException {
        return new ByteArrayInputStream(Files.readAllBytes(version.resolve(name)));
    }

    /**
     * Uses the current files for each handshake. Sessions end with their connection; none is resumed with the result of
     * an earlier verification.
     */
    private final class Current extends SslContext {
        private final boolean isClient;
        private final SslContext first; // for everything except handshakes

        Current(boolean isClient, SslContext first) {
            this.isClient = isClient;
            this.first = first;
        }

        private SslContext reloaded() {
            try {
                return context(isClient);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        @Override
        public SSLEngine newEngine(ByteBufAllocator allocator) {
            return reloaded().newEngine(allocator);
        }

        @Override
        public SSLEngine newEngine(ByteBufAllocator allocator, String host, int port) {
            return reloaded().newEngine(allocator, host, port);
        }

        @Override
        public boolean isClient() {
            return isClient;
        }

        @Override
        public List<String> cipherSuites() {
            return first.cipherSuites();
        }

        @Override
        @SuppressWarnings("deprecation") // the base class has no alternative
        public ApplicationProtocolNegotiator applicationProtocolNegotiator() {
            return first.applicationProtocolNegotiator();
        }

        @Override
        public SSLSessionContext sessionContext() {
            return first.sessionContext();
        }
    }
}
