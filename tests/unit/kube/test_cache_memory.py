"""The cache's memory: objects that anybody labelled as Freehold's take a bounded part."""

from __future__ import annotations

import json
import tracemalloc
import zlib

import pytest
from freehold.core.model.resources import Key, Object
from freehold.kube.cache import Cache
from freehold.kube.stored import store


def junk(number: int, characters: int) -> Object:
    labels = {"app.kubernetes.io/instance": f"nobody-{number}"}
    metadata = {"namespace": "evil", "name": f"junk-{number}", "uid": str(number), "resourceVersion": "1"}
    return {"kind": "ConfigMap", "metadata": {**metadata, "labels": labels}, "data": {"x": "x" * characters}}


def test_same_content_stored_once() -> None:
    """What the objects of a kind have in common takes memory once."""
    words = [str(number**9) for number in range(100)]
    first, second = ({**junk(number, 1), "kind": "Shared", "data": {"x": words}} for number in (1, 2))
    alone = len(zlib.compress(json.dumps(second).encode()))
    store(first)
    stored = store(second)
    assert stored.unpack() == second
    assert len(stored.packed) < alone / 4


@pytest.mark.parametrize("characters", [10, 100_000], ids=["small", "large"])
def test_stored_unchanged(characters: int) -> None:
    """An object is the same after the way through the cache, whatever the first object of the kind was."""
    objects = [{**junk(number, characters), "kind": f"Of{characters}"} for number in range(3)]
    assert [store(live).unpack() for live in objects] == objects


def test_large_objects_take_no_memory() -> None:
    """Of objects that are too large, or too many in a namespace, only the names are kept."""
    cache = Cache(lambda _: None)
    tracemalloc.start()
    for number in range(200):
        cache.put_owned(junk(number, 1_000_000))
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used < 1_000_000 and not cache.owned
    assert len(cache.omitted) == 200


def test_namespace_has_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects beyond the bytes of a namespace are omitted, and return when others are gone."""
    monkeypatch.setattr("freehold.kube.cache.NAMESPACE_BYTES", 5_000)
    cache = Cache(lambda _: None)
    for number in range(10):
        cache.put_owned(junk(number, 10))
    kept = sorted(ref.name for refs in cache.owned.values() for ref in refs)
    assert kept == ["junk-0", "junk-1", "junk-2", "junk-3"], "each has about a thousand bytes"
    cache.drop_owned(junk(0, 10))
    cache.put_owned(junk(9, 10))
    cache.put_owned({**junk(5, 10), "metadata": {**junk(5, 10)["metadata"], "namespace": "shop"}})
    kept = sorted(f"{key.namespace}/{ref.name}" for key, refs in cache.owned.items() for ref in refs)
    assert kept == ["evil/junk-1", "evil/junk-2", "evil/junk-3", "evil/junk-9", "shop/junk-5"]
    cache.forget_objects(None, "evil")
    assert [key.namespace for key in (*cache.owned, *cache.omitted)] == ["shop"]


def test_omitted_data_named() -> None:
    """A volume that is omitted is named, since the service must not be planned as if the volume did not exist."""
    cache = Cache(lambda _: None)
    claim = {**junk(1, 1_000_000), "kind": "PersistentVolumeClaim"}
    cache.put_owned(claim)
    assert cache.hidden_data(Key("evil", "nobody-1")) == "PersistentVolumeClaim junk-1"
    cache.put_owned({**junk(1, 10), "kind": "PersistentVolumeClaim"})
    assert cache.hidden_data(Key("evil", "nobody-1")) == ""
