package dev.freehold.shop.invoices;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogManager;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.logging.SimpleFormatter;

/** JSON logs on standard output, one line per event: time, level and message, then the event's fields. */
final class Log {
    private static final Gson JSON =
            new GsonBuilder().serializeNulls().disableHtmlEscaping().create();

    private Log() {}

    static void info(String message, Object... namesAndValues) {
        print(Level.INFO, message, namesAndValues);
    }

    static void warn(String message, Object... namesAndValues) {
        print(Level.WARNING, message, namesAndValues);
    }

    static void error(String message, Throwable cause) {
        StringWriter trace = new StringWriter();
        cause.printStackTrace(new PrintWriter(trace, true));
        print(Level.SEVERE, message, "error", trace.toString());
    }

    /** Redirects java.util.logging, which libraries use, to this log, from a level. */
    static void redirectLibraries(Level from) {
        LogManager.getLogManager().reset();
        Logger root = Logger.getLogger("");
        root.setLevel(from);
        root.addHandler(new Libraries());
    }

    private static void print(Level level, String message, Object... namesAndValues) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("time", Instant.now().truncatedTo(ChronoUnit.MILLIS).toString());
        line.put("level", word(level));
        line.put("message", message);
        for (int i = 0; i < namesAndValues.length; i += 2) {
            line.put((String) namesAndValues[i], namesAndValues[i + 1]);
        }
        System.out.println(JSON.toJson(line));
    }

    private static String word(Level level) {
        if (level.intValue() >= Level.SEVERE.intValue()) {
            return "error";
        }
        return level.intValue() >= Level.WARNING.intValue() ? "warn" : "info";
    }

    private static final class Libraries extends Handler {
        private final SimpleFormatter formatter = new SimpleFormatter();

        @Override
        public void publish(LogRecord record) {
            String message = formatter.formatMessage(record);
            if (record.getThrown() == null) {
                print(record.getLevel(), message, "logger", record.getLoggerName());
            } else {
                print(
                        record.getLevel(),
                        message,
                        "logger",
                        record.getLoggerName(),
                        "error",
                        record.getThrown().toString());
            }
        }

        @Override
        public void flush() {}

        @Override
        public void close() {}
    }
}
