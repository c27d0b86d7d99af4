"""Random declarations of the stories: every change is valid, and equal seeds give equal changes."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from freehold.api.v1alpha1.microservice import MicroserviceSpec

from tests.e2e.support.random_declarations import CHANGES, KNOWN_SEED, Change, Declarations, beginning, changes, control
from tests.e2e.support.reachability import declared, members, pairs

HOMES = ("north", "south", "west")
START = beginning(HOMES)
SEEDS = range(25)


def states(seed: int) -> list[Declarations]:
    return [START, *(change.after for change in changes(seed, START, CHANGES))]


def test_random_declarations_seeds() -> None:
    """Equal seeds give equal changes, and different seeds different changes."""
    assert changes(1, START, CHANGES) == changes(1, START, CHANGES)
    assert changes(1, START, CHANGES) != changes(2, START, CHANGES)


def test_random_declarations_namespace_names() -> None:
    """The names of the namespaces do not influence the changes."""
    renamed = dict(zip(HOMES, ("z", "a", "m"), strict=True))

    def descriptions(made: list[Change]) -> list[str]:
        return [change.says for change in made]

    others = descriptions(changes(3, beginning(list(renamed.values())), CHANGES))
    for old, new in renamed.items():
        others = [words.replace(f"{new}/", f"{old}/").replace(f"'{new}'", f"'{old}'") for words in others]
        others = [words.replace(f"namespace {new} ", f"namespace {old} ") for words in others]
    assert others == descriptions(changes(3, START, CHANGES))


@pytest.mark.parametrize("seed", SEEDS)
def test_random_declarations_valid(seed: int) -> None:
    """Every change gives valid specs."""
    for state in states(seed):
        for (home, name), spec in state.services.items():
            MicroserviceSpec.model_validate(spec)
            consumed = spec.get("consumes", [])
            assert len({entry["name"] for entry in consumed}) == len(consumed)
            assert (home, name) not in {(entry.get("namespace", home), entry["name"]) for entry in consumed}
            assert spec.get("grpc") is not None or spec.get("http") is not None
            rule = (spec.get("grpc") or {}).get("consumers", {})
            assert (rule.get("from") == "Selector") == ("selector" in rule)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_declarations_single_team(seed: int) -> None:
    """Each change concerns a single service or namespace, and never the control group."""
    kept = {key: START.services[key] for key in control(START)}
    for before, after in pairwise(states(seed)):
        both = before.services.keys() | after.services.keys()
        differing = [key for key in both if before.services.get(key) != after.services.get(key)]
        relabelled = [home for home in HOMES if before.namespaces[home] != after.namespaces[home]]
        assert len(differing) + len(relabelled) == 1
        assert {key: after.services[key] for key in kept} == kept
        listed = [member for member in members(after) if member.key in kept and not member.real]
        assert declared(after, pairs(listed, listed)), "the control group must be open at all times"
        assert len(after.services) >= len(START.services) - 1
        assert all(START.services[key].get("replicas") == 0 for key in START.services.keys() - after.services.keys())


def test_random_declarations_known_seed() -> None:
    """The known seed makes every kind of change, and most changes affect reachability."""
    known = changes(KNOWN_SEED, START, CHANGES)
    words = ("consumes", "any more", "admits", "is labelled", "listens on", "is deleted", "is declared again")
    kinds = Counter(word for change in known for word in words if word in change.says)
    assert set(kinds) == set(words), kinds

    tables = [declared(state, pairs(members(state), members(state))) for state in states(KNOWN_SEED)]
    effective = sum(before != after for before, after in pairwise(tables))
    assert CHANGES // 2 <= effective < CHANGES
