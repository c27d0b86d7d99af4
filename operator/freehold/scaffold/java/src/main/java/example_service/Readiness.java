package example_service;

import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.protobuf.services.HealthStatusManager;

import example_service.v1.NotesServiceGrpc;

/** Updates the health status: SERVING while the database is available. Polls at first often, then every two seconds. */
final class Readiness {
    private static final long FIRST_PAUSE_MS = 100;
    private static final long LONGEST_PAUSE_MS = 2000;

    private Readiness() {}

    /** Starts a thread that watches the database until interrupted. */
    static Thread watch(Store store, HealthStatusManager health) {
        Thread thread = Threads.named("readiness").newThread(() -> poll(store, health));
        thread.start();
        return thread;
    }

    /**
     * Sets the status of the server as a whole (the empty name, used by probes) and of its service. After its terminal
     * state, the health service ignores changes.
     */
    static void announce(HealthStatusManager health, boolean serving) {
        ServingStatus status = serving ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
        health.setStatus(HealthStatusManager.SERVICE_NAME_ALL_SERVICES, status);
        health.setStatus(NotesServiceGrpc.SERVICE_NAME, status);
    }

    private static void poll(Store store, HealthStatusManager health) {
        boolean known = false;
        boolean serving = false;
        for (long pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
            boolean answers = store.answers();
            if (Thread.currentThread().isInterrupted()) {
                return;
            }
            if (!known || answers != serving) {
                known = true;
                serving = answers;
                announce(health, serving);
                Log.info(serving ? "ready" : "not ready: the database does not answer; trying again");
            }
            try {
                Thread.sleep(pause);
            } catch (InterruptedException e) {
                return;
            }
        }
    }
}
