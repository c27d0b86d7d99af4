"""Pauses before the rewrites of an object that somebody keeps undoing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from freehold.core.model.resources import Key, Object, Ref
from freehold.kube.errors import ContestedError
from freehold.kube.rewrites import AT_ONCE, LONGEST_PAUSE, MOST_ADMITTED, QUIET_SECONDS, Rewrites

USERS, POLICY = Key("shop", "users"), Ref("NetworkPolicy", "users")


class Undone:
    """An object that is undone as soon as it is written."""

    def __init__(self) -> None:
        self.now = 0.0
        self.rewrites = Rewrites(lambda: self.now)

    def write(self, content: str = "a", *managers: str) -> float:
        """Write the object when due; return the pause before."""
        began = self.now
        try:
            self.rewrites.check(USERS, POLICY, content)
        except ContestedError as error:
            self.now += error.retry_after
            self.rewrites.check(USERS, POLICY, content)
        self.rewrites.record(USERS, POLICY, content, managers)
        return self.now - began

    def pauses(self) -> Iterator[float]:
        while True:
            yield self.write()


def test_pauses_grow_up_to_five_minutes() -> None:
    """The first write and some rewrites are done at once; the pauses then grow from one second to five minutes."""
    pauses = Undone().pauses()
    assert [next(pauses) for _ in range(AT_ONCE + 12)] == [
        *[0.0] * (AT_ONCE + 1),
        *(1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0),
        *(LONGEST_PAUSE, LONGEST_PAUSE),
    ]


def test_other_content_is_written_at_once() -> None:
    """A changed declaration is written at once, and so is an object after a quiet time."""
    undone = Undone()
    for _ in range(AT_ONCE + 5):
        undone.write()
    assert undone.write("b") == 0.0
    for _ in range(AT_ONCE + 5):
        undone.write("b")
    undone.now += QUIET_SECONDS + 1
    assert [undone.write("b") for _ in range(AT_ONCE + 2)] == [*[0.0] * (AT_ONCE + 1), 1.0]


def test_deletion_by_freehold_is_no_contest() -> None:
    """An object that Freehold deletes and makes again is written at once."""
    undone = Undone()
    for _ in range(AT_ONCE + 5):
        undone.write()
        undone.rewrites.forget(USERS, POLICY)
    assert undone.now == 0.0


def test_message_names_the_managers() -> None:
    """The message names the field managers, bounded and printable."""
    undone = Undone()
    for _ in range(AT_ONCE + 1):
        undone.write("a", "x\x1b[31m" + "y" * 200, "kubectl-edit", "kubectl-edit", "u", "v")
    with pytest.raises(ContestedError) as raised:
        undone.rewrites.check(USERS, POLICY, "a")
    message = raised.value.message
    assert message.startswith(
        'NetworkPolicy users is not as declared; field manager "kubectl-edit", "u", "v" and 1 more changes'
    )
    assert len(message) < 400
    undone.rewrites.record(USERS, POLICY, "a", ["x\x1b[31m" + "y" * 200])
    with pytest.raises(ContestedError, match=r'field manager "x␛\[31my{54}" changes'):
        undone.rewrites.check(USERS, POLICY, "a")


def test_memory_is_bounded() -> None:
    """Objects that stay as written are forgotten."""
    undone = Undone()
    for index in range(1000):
        undone.now += 10
        undone.rewrites.record(USERS, Ref("Secret", str(index)), "a")
    assert len(undone.rewrites._written) <= QUIET_SECONDS / 10 + 2


def body(image: str, kind: str = "Deployment", name: str = "users", label: str = "a") -> Object:
    return {"kind": kind, "metadata": {"name": name, "labels": {"a": label}}, "spec": {"image": image}, "status": {}}


def test_workload_as_admission_changed_it() -> None:
    """A workload is as written if it is as the API server returned it, and if its metadata are as declared."""
    rewrites, wanted, returned = Rewrites(), body("users:1"), body("mirror.example/users:1")
    assert not rewrites.is_admitted(USERS, returned, wanted)
    rewrites.record_admitted(USERS, returned, wanted)
    assert rewrites.is_admitted(USERS, {**returned, "status": {"replicas": 1}}, wanted)
    assert not rewrites.is_admitted(USERS, body("evil:1"), wanted)
    assert not rewrites.is_admitted(USERS, returned, body("users:1", label="b"))
    assert not rewrites.is_admitted(Key("shop", "payments"), returned, wanted)
    rewrites.record_admitted(USERS, wanted, wanted)
    assert not rewrites.is_admitted(USERS, returned, wanted), "the last answer counts"


@pytest.mark.parametrize("kind", ["NetworkPolicy", "Service", "Secret", "ServiceAccount"])
def test_other_kind_as_admission_changed_it(kind: str) -> None:
    """An object of another kind that admission changes is not as written."""
    rewrites = Rewrites()
    rewrites.record_admitted(USERS, body("b", kind), body("a", kind))
    assert not rewrites.is_admitted(USERS, body("b", kind), body("a", kind))


def test_memory_of_admission_is_bounded() -> None:
    """The oldest answers are forgotten, and that of a deleted object at once."""
    rewrites = Rewrites()
    for index in range(MOST_ADMITTED + 1):
        rewrites.record_admitted(USERS, body("b", name=str(index)), body("a", name=str(index)))
    assert not rewrites.is_admitted(USERS, body("b", name="0"), body("a", name="0"))
    assert rewrites.is_admitted(USERS, body("b", name="1"), body("a", name="1"))
    rewrites.forget(USERS, Ref("Deployment", "1"))
    assert not rewrites.is_admitted(USERS, body("b", name="1"), body("a", name="1"))
