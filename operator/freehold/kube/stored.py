"""The cache's form of an object: compressed, and without managedFields."""

from __future__ import annotations

import json
import sys
import zlib
from dataclasses import dataclass

from freehold.core.model.resources import Key, Object, Ref, StorageClass
from freehold.core.objects import meta
from freehold.kube import diff
from freehold.kube.received import UnusableObjectError

DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
LARGEST = 768 * 1024
"""The most characters of a stored object; the largest of Freehold's, a contract of 512 KiB in base64, has fewer."""
OVERHEAD = 1024
"""The bytes of an object in the cache besides the compressed text: names, and entries of dictionaries."""
EXAMPLE_BYTES = 32 * 1024
"""The most bytes of an example; compression looks back no further (RFC 1951, section 2)."""
_EXAMPLES: dict[str, bytes] = {}
"""The text of the first object of each kind, as the preset dictionary (RFC 1950) for all objects of the kind: what they
have in common takes memory once."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object of the cluster. foreign: whether another field manager owns part of the object. packed: the compressed
    text. example: the preset dictionary of the compression."""

    version: int
    uid: str
    foreign: bool
    packed: bytes
    example: bytes

    @property
    def size(self) -> int:
        """The memory that the object takes, in bytes."""
        return len(self.packed) + OVERHEAD

    def unpack(self) -> Object:
        decoded: Object = json.loads(zlib.decompressobj(zdict=self.example).decompress(self.packed))
        return decoded


def store(live: Object) -> Stored:
    """Return an object in the cache's form. Raises UnusableObjectError for more than LARGEST characters."""
    metadata = {k: v for k, v in live["metadata"].items() if k != "managedFields"}
    text = json.dumps({**live, "metadata": metadata}, separators=(",", ":"))
    if len(text) > LARGEST:
        raise UnusableObjectError(f"the object has more than {LARGEST} characters")
    encoded, kind = text.encode(), live["kind"]
    if len(encoded) <= EXAMPLE_BYTES:
        _EXAMPLES.setdefault(kind, encoded)
    example = _EXAMPLES.get(kind, b"")
    packer = zlib.compressobj(6, zdict=example)
    packed = packer.compress(encoded) + packer.flush()
    return Stored(int(metadata["resourceVersion"]), metadata["uid"], diff.foreign(live), packed, example)


def store_if_small(live: Object) -> Stored | None:
    """Return an object in the cache's form; None for one that is too large."""
    try:
        return store(live)
    except UnusableObjectError:
        return None


def service_and_ref(live: Object) -> tuple[Key, Ref]:
    """Return the service of an object, by its label, and the object's kind and name."""
    metadata = live["metadata"]
    # The JSON decoder creates a new string for each occurrence; these strings occur in every object.
    key = Key(sys.intern(metadata["namespace"]), sys.intern(metadata["labels"].get(meta.INSTANCE, "")))
    return key, Ref(sys.intern(live["kind"]), metadata["name"])


def storage_class(live: Object) -> StorageClass:
    """Return what is known of a storage class."""
    metadata = live["metadata"]
    is_default = metadata.get("annotations", {}).get(DEFAULT_CLASS) == "true"
    return StorageClass(metadata["name"], is_default, bool(live.get("allowVolumeExpansion")))
