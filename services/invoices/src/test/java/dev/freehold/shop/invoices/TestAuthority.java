package dev.freehold.shop.invoices;

import java.io.IOException;
import java.io.StringWriter;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.spec.ECGenParameterSpec;
import java.time.Duration;
import java.time.Instant;
import java.util.Date;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.BasicConstraints;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.GeneralNames;
import org.bouncycastle.cert.X509v3CertificateBuilder;
import org.bouncycastle.cert.jcajce.JcaX509v3CertificateBuilder;
import org.bouncycastle.openssl.jcajce.JcaPEMWriter;
import org.bouncycastle.openssl.jcajce.JcaPKCS8Generator;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;

/** Issues certificates for services, and publishes them with the kubelet's directory structure. */
final class TestAuthority {
    private static final AtomicLong NUMBERS = new AtomicLong();

    /** A certificate and its key, in PEM. */
    record Issued(String certificate, String key) {}

    private final X500Name name = new X500Name("CN=authority " + NUMBERS.incrementAndGet());
    private final KeyPair keys = keys();

    /** The certificate of the CA. */
    final String pem;

    TestAuthority() throws Exception {
        X509v3CertificateBuilder root = builder(name, Duration.ofHours(-1), keys);
        root.addExtension(Extension.basicConstraints, true, new BasicConstraints(true));
        this.pem = signed(root);
    }

    static String uri(String service) {
        return "spiffe://cluster.local/ns/shop/sa/" + service;
    }

    /** Issues a certificate for a service's name and localhost, valid from one hour ago for two hours. */
    Issued issue(String service) throws Exception {
        return issue(service, Duration.ofHours(-1), service + ".shop.svc", "localhost");
    }

    /** Issues a certificate for other names, valid for two hours from a start relative to now. */
    Issued issue(String service, Duration start, String... names) throws Exception {
        KeyPair own = keys();
        X509v3CertificateBuilder leaf = builder(new X500Name(""), start, own);
        GeneralName[] alternatives = Stream.concat(
                        Stream.of(new GeneralName(GeneralName.uniformResourceIdentifier, uri(service))),
                        Stream.of(names).map(host -> new GeneralName(GeneralName.dNSName, host)))
                .toArray(GeneralName[]::new);
        leaf.addExtension(Extension.subjectAlternativeName, true, new GeneralNames(alternatives));
        return new Issued(signed(leaf), pem(new JcaPKCS8Generator(own.getPrivate(), null)));
    }

    /** Replaces all files at once, by replacing the symbolic link ..data. */
    static void publish(Path directory, Issued own, String authorities, String... clients) throws IOException {
        String list = Stream.of(clients).map(client -> uri(client) + "\n").collect(Collectors.joining());
        Map<String, String> files =
                Map.of("tls.crt", own.certificate(), "tls.key", own.key(), "ca.crt", authorities, "clients", list);
        Path version = Files.createDirectory(directory.resolve(".." + NUMBERS.incrementAndGet()));
        for (Map.Entry<String, String> file : files.entrySet()) {
            Files.writeString(version.resolve(file.getKey()), file.getValue());
        }
        Path data = directory.resolve("..data");
        Path before = Files.exists(data) ? data.toRealPath() : null;
        Path next = Files.createSymbolicLink(directory.resolve("..data_tmp"), version.getFileName());
        Files.move(next, data, StandardCopyOption.ATOMIC_MOVE);
        for (String file : files.keySet()) {
            if (before == null) {
                Files.createSymbolicLink(directory.resolve(file), Path.of("..data", file));
            } else {
                Files.delete(before.resolve(file));
            }
        }
        if (before != null) {
            Files.delete(before);
        }
    }

    private X509v3CertificateBuilder builder(X500Name subject, Duration start, KeyPair own) {
        Instant begin = Instant.now().plus(start);
        return new JcaX509v3CertificateBuilder(
                name,
                BigInteger.valueOf(NUMBERS.incrementAndGet()),
                Date.from(begin),
                Date.from(begin.plus(Duration.ofHours(2))),
                subject,
                own.getPublic());
    }

    private String signed(X509v3CertificateBuilder certificate) throws Exception {
        PrivateKey key = keys.getPrivate();
        return pem(certificate.build(new JcaContentSignerBuilder("SHA256withECDSA").build(key)));
    }

    private static String pem(Object object) throws IOException {
        StringWriter text = new StringWriter();
        try (JcaPEMWriter writer = new JcaPEMWriter(text)) {
            writer.writeObject(object);
        }
        return text.toString();
    }

    private static KeyPair keys() throws Exception {
        KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
        generator.initialize(new ECGenParameterSpec("secp256r1"));
        return generator.generateKeyPair();
    }
}
