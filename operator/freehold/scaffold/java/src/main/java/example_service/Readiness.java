package example_service;

import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.protobuf.services.HealthStatusManager;

import example_service.v1.NotesServiceGrpc;

/**
 * Keeps the health service true: SERVING while the database answers. Asks at first quickly, then every two seconds.
 */
final class Readiness {
    private static final long FIRST_PAUSE_MS = 100;
    private static final long LONGEST_PAUSE_MS = 2000;

    private Readiness() {}

    /** Asks in a thread of its own, which ends when it is interrupted. */
    static Thread watch(Store store, HealthStatusManager health) {
        Thread thread = Threads.named("readiness").newThread(() -> ask(store, health));
        thread.start();
        return thread;
    }

    /**
     * Says so for the server as a whole (the empty name, which probes ask for) and for its service. After the health
     * service has entered its terminal state, it ignores it.
     */
    static void announce(HealthStatusManager health, boolean serving) {
        ServingStatus status = serving ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
        health.setStatus(HealthStatusManager.SERVICE_NAME_ALL_SERVICES, status);
        health.setStatus(NotesServiceGrpc.SERVICE_NAME, status);
    }

    private static void ask(Store store, HealthStatusManager health) {
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
