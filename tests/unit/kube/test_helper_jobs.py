"""The bound on the helper Jobs that run at the same time for a namespace."""

from __future__ import annotations

from freehold.core.model.resources import Key, Object
from freehold.kube.cache import Cache
from freehold.kube.helper_jobs import CREATION_SECONDS, MOST, HelperJobs

from tests.unit.kube.caches import microservice

COMPLETE = {"conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": "2026-01-02T03:04:05Z"}]}


def job(key: Key, capability: str = "contracts", version: int = 1, status: Object | None = None) -> Object:
    labels = {"app.kubernetes.io/instance": key.name, "freehold.dev/capability": capability}
    metadata = {"name": f"{key.name}-job", "namespace": key.namespace, "labels": labels, "uid": key.name}
    return {"kind": "Job", "metadata": {**metadata, "resourceVersion": str(version)}, "status": status or {}}


def keys(namespace: str, number: int) -> list[Key]:
    return [Key(namespace, f"s{index}") for index in range(number)]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def full() -> tuple[Cache, HelperJobs, Clock]:
    """A namespace with as many helper Jobs as may run at the same time."""
    clock, cache = Clock(), Cache(lambda _: None)
    for key in (*keys("evil", MOST), Key("evil", "late")):
        cache.put_service(microservice(key), frozenset())
    helpers = HelperJobs(cache, clock)
    assert all(helpers.admits(key, job(key)) for key in keys("evil", MOST))
    return cache, helpers, clock


def test_helper_jobs_bounded() -> None:
    """A namespace has a number of helper Jobs at the same time; other namespaces and other objects do not wait."""
    _, helpers, _ = full()
    late, shop = Key("evil", "late"), Key("shop", "users")
    assert not helpers.admits(late, job(late, "verification"))
    assert helpers.admits(shop, job(shop))
    assert helpers.admits(late, job(late, "migrations"))
    assert helpers.admits(late, {**job(late), "kind": "ConfigMap"})
    assert helpers.pause(late) is not None
    assert helpers.pause(shop) is None
    assert not helpers.freed("evil")


def test_helper_job_ended_leaves_place() -> None:
    """A Job that ended leaves its place to the next; a Job that runs keeps the place for as long as it runs."""
    cache, helpers, clock = full()
    for key in keys("evil", MOST):
        cache.put_owned(job(key))
    clock.now = 10 * CREATION_SECONDS
    late = Key("evil", "late")
    assert not helpers.admits(late, job(late))
    cache.put_owned(job(keys("evil", 1)[0], version=2, status=COMPLETE))
    assert helpers.freed("evil") == [late]
    assert helpers.admits(late, job(late))
    assert helpers.pause(late) is None
    assert not helpers.admits(Key("evil", "later"), job(Key("evil", "later")))


def test_helper_job_never_created_leaves_place() -> None:
    """A Job whose creation failed leaves its place after a while."""
    _, helpers, clock = full()
    late = Key("evil", "late")
    assert not helpers.admits(late, job(late))
    clock.now = CREATION_SECONDS
    assert helpers.admits(late, job(late))
