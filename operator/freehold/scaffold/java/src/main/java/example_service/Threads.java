package example_service;

import java.util.concurrent.ThreadFactory;

/** Creates daemon threads, which do not keep the process alive. */
final class Threads {
    private Threads() {}

    static ThreadFactory named(String name) {
        return work -> {
            Thread thread = new Thread(work, name);
            thread.setDaemon(true);
            return thread;
        };
    }
}
