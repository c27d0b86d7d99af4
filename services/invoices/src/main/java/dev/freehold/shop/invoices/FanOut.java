package dev.freehold.shop.invoices;

import com.google.common.util.concurrent.FutureCallback;
import com.google.common.util.concurrent.Futures;
import com.google.common.util.concurrent.ListenableFuture;
import com.google.common.util.concurrent.MoreExecutors;
import java.util.Collection;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;

/** Calls one provider for many keys concurrently, with a limit. */
final class FanOut<K, V> {
    private static final int LANES = 16;

    /** The responses by key, and the errors by key. */
    record Answers<K, V>(Map<K, V> found, Map<K, Throwable> missing) {}

    private final Queue<K> waiting;
    private final Function<K, ListenableFuture<V>> ask;
    private final AtomicInteger open;
    private final Answers<K, V> answers = new Answers<>(new ConcurrentHashMap<>(), new ConcurrentHashMap<>());
    private final CompletableFuture<Answers<K, V>> all = new CompletableFuture<>();

    private FanOut(Set<K> keys, Function<K, ListenableFuture<V>> ask) {
        this.waiting = new ConcurrentLinkedQueue<>(keys);
        this.ask = ask;
        this.open = new AtomicInteger(keys.size());
    }

    /** Makes one call per distinct key. The result is complete when all calls have ended. */
    static <K, V> CompletableFuture<Answers<K, V>> each(Collection<K> keys, Function<K, ListenableFuture<V>> ask) {
        Set<K> distinct = Set.copyOf(keys);
        FanOut<K, V> fanOut = new FanOut<>(distinct, ask);
        if (distinct.isEmpty()) {
            fanOut.all.complete(fanOut.answers);
        }
        for (int lane = 0; lane < LANES; lane++) {
            fanOut.next();
        }
        return fanOut.all;
    }

    private void next() {
        K key = waiting.poll();
        if (key == null) {
            return;
        }
        Futures.addCallback(
                ask.apply(key),
                new FutureCallback<V>() {
                    @Override
                    public void onSuccess(V answer) {
                        answers.found().put(key, answer);
                        end();
                    }

                    @Override
                    public void onFailure(Throwable reason) {
                        answers.missing().put(key, reason);
                        end();
                    }
                },
                MoreExecutors.directExecutor());
    }

    private void end() {
        if (open.decrementAndGet() == 0) {
            all.complete(answers);
        } else {
            next();
        }
    }
}
