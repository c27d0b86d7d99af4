package dev.freehold.shop.invoices;

import io.grpc.Grpc;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import java.io.IOException;
import java.security.cert.CertificateParsingException;
import java.security.cert.X509Certificate;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import javax.net.ssl.SSLPeerUnverifiedException;
import javax.net.ssl.SSLSession;

/** Refuses all calls of clients that are not on the list, including health and reflection. */
final class Callers implements ServerInterceptor {
    private static final int URI = 6; // RFC 5280, GeneralName

    private final Identity identity;

    Callers(Identity identity) {
        this.identity = identity;
    }

    @Override
    public <Q, R> ServerCall.Listener<Q> interceptCall(
            ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
        Optional<Status> refusal = refusal(
                call.getMethodDescriptor().getFullMethodName(),
                spiffe(call.getAttributes().get(Grpc.TRANSPORT_ATTR_SSL_SESSION)));
        if (refusal.isEmpty()) {
            return next.startCall(call, headers);
        }
        call.close(refusal.get(), new Metadata());
        return new ServerCall.Listener<>() {};
    }

    private Optional<Status> refusal(String method, Optional<String> spiffe) {
        String caller = spiffe.orElse("a certificate without a SPIFFE URI");
        try {
            if (spiffe.isPresent() && identity.mayCall(caller)) {
                return Optional.empty();
            }
        } catch (IOException e) {
            Log.error("the list of clients cannot be read", e);
            return Optional.of(
                    Status.UNAVAILABLE.withDescription("invoices cannot read its list of clients; try again shortly"));
        }
        Log.warn("refused", "method", method, "caller", caller);
        return Optional.of(Status.PERMISSION_DENIED.withDescription(
                caller + " may not call invoices; under Freehold, list invoices in its spec.consumes, and let "
                        + "spec.grpc.consumers of invoices allow it"));
    }

    /** Returns the URI of a certificate with exactly one, as the SPIFFE standard requires. */
    private static Optional<String> spiffe(SSLSession session) {
        try {
            X509Certificate certificate = (X509Certificate) session.getPeerCertificates()[0];
            Collection<List<?>> names = certificate.getSubjectAlternativeNames();
            List<String> uris = names == null
                    ? List.of()
                    : names.stream()
                            .filter(name -> name.get(0).equals(URI))
                            .map(name -> (String) name.get(1))
                            .toList();
            return uris.size() == 1 ? Optional.of(uris.get(0)) : Optional.empty();
        } catch (SSLPeerUnverifiedException | CertificateParsingException e) {
            return Optional.empty();
        }
    }
}
