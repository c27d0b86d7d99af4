package example_service;

import java.io.IOException;
import java.sql.SQLException;
import java.util.Map;
import java.util.logging.Level;

/** The command line: {@code serve}, the default, and {@code migrate}, which migrates the schema. */
public final class Main {
    static final String NAME = "example-service";

    private Main() {}

    public static void main(String[] arguments) throws InterruptedException {
        String command = arguments.length > 0 ? arguments[0] : "serve";
        try {
            run(command, System.getenv());
        } catch (SettingsException | SQLException | IOException e) {
            System.err.println(
                    NAME + " " + command + ": " + String.valueOf(e.getMessage()).replaceAll("\\s+", " "));
            System.exit(1);
        }
    }

    private static void run(String command, Map<String, String> environment)
            throws SettingsException, SQLException, IOException, InterruptedException {
        switch (command) {
            case "serve" -> serve(environment);
            case "migrate" -> migrate(environment);
            default -> throw new SettingsException("unknown command; use serve or migrate");
        }
    }

    private static void serve(Map<String, String> environment)
            throws SettingsException, SQLException, IOException, InterruptedException {
        Log.redirectLibraries(Level.INFO);
        Server server = Server.start(Settings.read(environment));
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            server.shutdown();
            Runtime.getRuntime().halt(0); // a requested shutdown; Java's exit code would be 143
        }));
        server.awaitEnd();
    }

    private static void migrate(Map<String, String> environment) throws SettingsException, SQLException {
        Log.redirectLibraries(Level.WARNING);
        for (String name : Migrations.migrate(Database.read(environment), Migrations.PACKAGED)) {
            System.out.println("applied " + name);
        }
        System.out.println("the schema is up to date");
    }
}
