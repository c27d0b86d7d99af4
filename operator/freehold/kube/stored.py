"""The cache's form of an object: compressed, and without managedFields."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass

from freehold.core.model.resources import Object
from freehold.kube import diff


@dataclass(frozen=True, slots=True)
class Stored:
    """An object of the cluster. foreign: whether another field manager owns part of the object."""

    version: int
    uid: str
    foreign: bool
    packed: bytes

    def unpack(self) -> Object:
        decoded: Object = json.loads(zlib.decompress(self.packed))
        return decoded


def store(live: Object) -> Stored:
    """Return an object in the cache's form."""
    metadata = {k: v for k, v in live["metadata"].items() if k != "managedFields"}
    text = json.dumps({**live, "metadata": metadata}, separators=(",", ":"))
    return Stored(
        int(metadata["resourceVersion"]), metadata["uid"], diff.foreign(live), zlib.compress(text.encode(), 1)
    )
