package dev.freehold.shop.invoices;

import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.Deadline;
import io.grpc.ForwardingServerCall.SimpleForwardingServerCall;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.stub.StreamObserver;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/**
 * The parts common to all calls: deadline, error status, log line, and the name of the server. Health and reflection
 * are not wrapped.
 */
final class Calls implements ServerInterceptor {
    private static final Metadata.Key<String> SERVED_BY =
            Metadata.Key.of("served-by", Metadata.ASCII_STRING_MARSHALLER);
    private static final ScheduledExecutorService CLOCK =
            Executors.newSingleThreadScheduledExecutor(Threads.named("deadlines"));
    private static final String HOST = host();

    private final Duration longest;

    /** @param longest the maximum duration of a call, also with a later deadline or none */
    Calls(Duration longest) {
        this.longest = longest;
    }

    /** The implementation of a method of the contract. */
    interface Method<R> {
        R answer() throws StatusException;
    }

    /** Answers a call with the result of a method, or with the status that the method throws. */
    static <R> void answer(StreamObserver<R> caller, Method<R> method) {
        R response;
        try {
            response = method.answer();
        } catch (StatusException e) {
            caller.onError(e);
            return;
        } catch (RuntimeException e) {
            Log.error("a call failed with an unexpected error", e);
            caller.onError(Status.INTERNAL
                    .withDescription("internal error in invoices; see its log")
                    .asException());
            return;
        }
        caller.onNext(response);
        caller.onCompleted();
    }

    /** Returns why the current call ended early: at its deadline, or by cancellation. */
    static Status ended() {
        Deadline deadline = Context.current().getDeadline();
        return deadline != null && deadline.isExpired()
                ? Status.DEADLINE_EXCEEDED.withDescription(
                        "invoices could not answer in the time allowed; try again with the same request")
                : Status.CANCELLED.withDescription("the client cancelled the call");
    }

    @Override
    public <Q, R> ServerCall.Listener<Q> interceptCall(
            ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
        String method = call.getMethodDescriptor().getFullMethodName();
        if (!method.startsWith("shop.")) {
            return next.startCall(call, headers);
        }
        long started = System.nanoTime();
        Deadline stated = Context.current().getDeadline();
        Double remaining = stated == null ? null : milliseconds(stated.timeRemaining(TimeUnit.NANOSECONDS));
        Context bounded = Context.current().withDeadlineAfter(longest.toNanos(), TimeUnit.NANOSECONDS, CLOCK);
        return Contexts.interceptCall(
                bounded,
                new SimpleForwardingServerCall<>(call) {
                    @Override
                    public void close(Status status, Metadata trailers) {
                        trailers.put(SERVED_BY, HOST);
                        super.close(status, trailers);
                        Status.Code code = call.isCancelled() ? ended().getCode() : status.getCode();
                        double took = milliseconds(System.nanoTime() - started);
                        Log.info("call", "method", "/" + method, "code", code, "ms", took, "deadlineMs", remaining);
                    }
                },
                headers,
                next);
    }

    private static double milliseconds(long nanoseconds) {
        return TimeUnit.NANOSECONDS.toMicros(nanoseconds) / 1000.0;
    }

    private static String host() {
        try {
            return InetAddress.getLocalHost().getHostName();
        } catch (UnknownHostException e) {
            return "unknown";
        }
    }
}
