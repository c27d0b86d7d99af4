"""The work for latency budgets in large call graphs, in calls that are considered."""

from __future__ import annotations

from collections.abc import Iterator

from freehold.core import latency as budgets
from freehold.core.latency import call_graph
from freehold.core.latency.plan import MOST_CALLS
from freehold.core.model.case import Case
from freehold.core.model.conditions import Condition
from freehold.core.model.resources import Call, CallNode, Key

from tests.unit.core.worlds import observed, peer, peers, service

considered = 0


class CountedCalls(tuple[Call, ...]):
    """The calls of a service; each iteration adds their number to `considered`."""

    def __iter__(self) -> Iterator[Call]:
        global considered
        considered += len(self)
        return super().__iter__()


def counted(services: int, calls: int) -> dict[Key, CallNode]:
    """A graph in which each service calls the next ones, each with a longer budget."""
    names = [Key("evil", f"s{index}") for index in range(services)]
    return {
        key: CallNode(
            1000 + index, CountedCalls(Call(names[(index + step) % services]) for step in range(1, calls + 1))
        )
        for index, key in enumerate(names)
    }


def condition(graph: dict[Key, CallNode], calls: int) -> Condition:
    consumes = [{"name": f"s{index}"} for index in range(1, calls + 1)]
    subject = service("s0", "evil", latencyBudget="1s", consumes=consumes)
    others = peers(*(peer(f"s{index}", "evil") for index in range(1, calls + 1)))
    found = budgets.plan(Case(subject, observed(peers=others, graph=graph))).condition
    assert found is not None
    return found


def test_work_is_bounded() -> None:
    """Each call within the bound is considered a few times, however many services one namespace has."""
    global considered
    graph = counted(400, 32)
    considered = 0
    message = condition(graph, 32).message
    assert considered < 12 * MOST_CALLS
    assert message.endswith(f"; only the nearest {MOST_CALLS} of the calls below are considered")


def test_all_calls_are_considered_within_the_bound() -> None:
    """A graph within the bound is considered as a whole."""
    assert "nearest" not in condition(counted(60, 32), 32).message


def test_nearest_services_are_kept() -> None:
    """Of a graph beyond the bound the nearest services are kept, the service itself first."""
    part, is_complete = call_graph.nearest(Key("evil", "s0"), counted(10, 2), 9)
    assert [key.name for key in part] == ["s0", "s1", "s2", "s3"]
    assert not is_complete
