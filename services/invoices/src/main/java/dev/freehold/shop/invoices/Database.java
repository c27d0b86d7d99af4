package dev.freehold.shop.invoices;

import java.net.URI;
import java.net.URISyntaxException;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.sql.SQLException;
import java.util.Map;
import org.postgresql.ds.PGSimpleDataSource;

/** The service's own database, from a connection URI. The text form does not contain the password. */
final class Database {
    /** Parameters whose JDBC names differ from those of libpq, which the URI uses. */
    private static final Map<String, String> JDBC_NAMES =
            Map.of("connect_timeout", "connectTimeout", "application_name", "ApplicationName");

    private final URI uri;

    private Database(URI uri) {
        this.uri = uri;
    }

    /** Throws a message without the URI, because any part of the URI may contain parts of the password. */
    static Database read(Map<String, String> environment) throws SettingsException {
        try {
            return of(environment.getOrDefault("DATABASE_URL", ""));
        } catch (SQLException | URISyntaxException | IllegalArgumentException e) {
            throw new SettingsException("DATABASE_URL must be set, like postgresql://user:password@host:5432/invoices");
        }
    }

    static Database of(String url) throws SQLException, URISyntaxException {
        URI uri = new URI(url);
        boolean complete = uri.getHost() != null && uri.getRawPath().length() > 1;
        if (!url.matches("(?s)postgres(ql)?://.*") || !complete) {
            throw new IllegalArgumentException("not a connection URI");
        }
        Database database = new Database(uri);
        database.source(); // throws for parameters that JDBC does not support
        return database;
    }

    /** Returns a source of connections, with a timeout of three seconds. Each reads the file in sslrootcert. */
    PGSimpleDataSource source() throws SQLException {
        return source(new PGSimpleDataSource());
    }

    /** Configures a source and returns the same source. */
    PGSimpleDataSource source(PGSimpleDataSource source) throws SQLException {
        source.setServerNames(new String[] {uri.getHost()});
        source.setPortNumbers(new int[] {uri.getPort() < 0 ? 5432 : uri.getPort()});
        source.setDatabaseName(decoded(uri.getRawPath().substring(1)));
        source.setApplicationName("invoices");
        source.setConnectTimeout(3);
        source.setLoginTimeout(3);
        source.setTcpKeepAlive(true);
        String[] user = uri.getRawUserInfo() == null
                ? new String[0]
                : uri.getRawUserInfo().split(":", 2);
        if (user.length > 0) {
            source.setUser(decoded(user[0]));
        }
        if (user.length > 1) {
            source.setPassword(decoded(user[1]));
        }
        String query = uri.getRawQuery() == null ? "" : uri.getRawQuery();
        for (String parameter : query.isEmpty() ? new String[0] : query.split("&")) {
            String[] pair = parameter.split("=", 2);
            String name = decoded(pair[0]);
            source.setProperty(JDBC_NAMES.getOrDefault(name, name), pair.length > 1 ? decoded(pair[1]) : "");
        }
        return source;
    }

    private static String decoded(String text) {
        return URLDecoder.decode(text.replace("+", "%2B"), StandardCharsets.UTF_8); // in a URI, a plus is a plus
    }

    @Override
    public String toString() {
        return "Database[" + uri.getHost() + "]";
    }
}
