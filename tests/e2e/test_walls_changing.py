"""Twelve services with changing declarations: reachability is as declared at all times.

After each change three tables are equal: the declared, the simulated (by the live policies) and the probed pairs.
During a change, no connection opens that neither the old nor the new declarations allow, and no connection is refused
that both allow.
"""

from __future__ import annotations

import os
import secrets
import statistics
import time
import uuid
from collections.abc import Iterator

import pytest

from tests.e2e.support.cluster import Cluster, Space
from tests.e2e.support.continuous_probing import Probing
from tests.e2e.support.policy_testbed import Estate
from tests.e2e.support.random_declarations import CHANGES, KNOWN_SEED, Change, Declarations, beginning, changes
from tests.e2e.support.reachability import Pair, declared, differences, lasting, members, pairs, simulated

pytestmark = pytest.mark.alone

WITHIN = 10
"""Seconds within which a change must be enforced everywhere, and proven."""
PROBERS_WITHIN = 60
"""Seconds within which all probers must have started and finished a round."""
AGAIN = "FREEHOLD_WALLS_SEED"
OTHER_SEED = int(os.environ.get(AGAIN) or secrets.randbelow(1_000_000))
LEAST_SHUT, LEAST_OPEN = 10_000, 1_000


@pytest.fixture(scope="module")
def estate(cluster: Cluster) -> Iterator[Estate]:
    """The services of the first declarations, running."""
    names = [f"e2e-{word}-{uuid.uuid4().hex[:5]}" for word in ("north", "south", "west")]
    spaces = {name: Space(cluster, name) for name in names}
    estate = Estate(cluster, spaces, beginning(names))
    try:
        estate.settle_in()
        yield estate
    finally:
        cluster.kubectl("delete", "namespace", *names, "--wait=false", "--ignore-not-found")


@pytest.mark.parametrize(
    "seed", [pytest.param(KNOWN_SEED, id="known"), pytest.param(OTHER_SEED, id="any", marks=pytest.mark.campaign)]
)
def test_walls_follow_declarations(estate: Estate, seed: int) -> None:
    """Declared, simulated and probed reachability agree after each of twenty changes."""
    start, again = beginning(list(estate.spaces)), f"{AGAIN}={seed}"
    seconds = []
    with Probing(estate.cluster) as probing:
        estate.change(start, probing)
        _all_agree(estate, probing, f"{again}, before all changes")
        estate.aim(probing)
        _agree(estate, probing, f"{again}, before the first change")
        for number, change in enumerate(changes(seed, start, CHANGES), 1):
            where = f"{again}, change {number}: {change.says}"
            print(where)
            seconds.append(_brought_about(estate, probing, change, where))
        probing.expect_nothing()
        _all_agree(estate, probing, f"{again}, after all changes")

    tally = probing.tally
    print(f"{again}: {tally.shut} attempts shut, {tally.open - tally.missed} of {tally.open} open, as declared;")
    print(f"changes proven after {statistics.median(seconds):.1f} s in the median, {max(seconds):.1f} s at most")
    assert tally.shut > LEAST_SHUT
    assert tally.open > LEAST_OPEN


def _brought_about(estate: Estate, probing: Probing, change: Change, where: str) -> float:
    """Make a change and prove it; return the seconds from the declaration until every attempt ended as declared."""
    before, after = estate.now, change.after
    old, new = declared(before, _asked(before)), declared(after, _asked(after))
    probing.expect(old & new, old | new)
    estate.change(after, probing)
    made = time.monotonic()
    probing.until(new, WITHIN)
    seconds = time.monotonic() - made
    # A change without effect on the table must be observed as well before the next change.
    estate.until_observed(before)
    _agree(estate, probing, where)
    assert not probing.tally.wrong, "\n".join([where, *probing.tally.wrong[:20]])
    assert seconds < WITHIN, where
    return seconds


def _agree(estate: Estate, probing: Probing, where: str) -> None:
    """Assert that the declared, simulated and probed pairs are equal, for all pods that no rollout replaces."""
    seen, asked = estate.snapshot(), _asked(estate.now)
    said = declared(seen.declarations, asked)
    addresses = {member: place.address for member, place in estate.places(seen).items()}
    probed = probing.until(said, WITHIN)
    unlike = differences(declared=said, simulated=simulated(seen.objects, addresses, asked), probed=probed)
    assert not unlike, "\n".join([where, *unlike])


def _all_agree(estate: Estate, probing: Probing, where: str) -> None:
    """Assert the same for every pod, the operator's pods included."""
    estate.until_running()
    estate.aim(probing, all_pods=True)
    seen = estate.snapshot()
    places, asked = estate.places(seen), pairs(members(estate.now), members(estate.now))
    said = declared(seen.declarations, asked)
    addresses = {member: place.address for member, place in places.items()}
    probed = probing.until({pair for pair in said if not pair.source.real}, PROBERS_WITHIN)
    probed |= estate.reached_from_real(places)
    unlike = differences(declared=said, simulated=simulated(seen.objects, addresses, asked), probed=probed)
    assert not unlike, "\n".join([where, *unlike])


def _asked(said: Declarations) -> set[Pair]:
    """Return the pairs from each pod of the story to each pod that outlives rollouts."""
    return pairs([m for m in members(said) if not m.real], filter(lasting, members(said)))
