"""What the stories share: one cluster, one installation by Helm, a shop, their order, and the output of a failure.

Most stories run beside others, each file in one process; stories marked `alone` follow one by one. All are one run,
which is identified by the time of its start.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from hack.stage import choose, install, prepare
from localcluster.locks import locked
from localcluster.paths import cache
from tests.e2e.support.cluster import BEGUN, OPERATOR_PODS, OURS, Cluster, Space
from tests.e2e.support.microservices import front_end, payments, users
from tests.e2e.support.storefront_client import Storefront, forwarded
from tests.e2e.support.story_times import StoryTimes

LOG_LINES = "60"
LONGEST_SECTION = 12_000
"""Characters of evidence in a failure report, which people read."""
INSTALLED = pytest.StashKey[Cluster]()


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(StoryTimes())


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Stories marked `first` come first and those marked `last` come last; otherwise the order stays."""
    items.sort(key=lambda item: (item.get_closest_marker("first") is None, item.get_closest_marker("last") is not None))


@pytest.fixture(scope="session")
def begun() -> datetime:
    """The start time of this run."""
    return datetime.strptime(BEGUN, "%Y-%m-%dT%H-%M-%SZ").replace(tzinfo=UTC)


@pytest.fixture(scope="session")
def cluster(pytestconfig: pytest.Config, begun: datetime) -> Cluster:  # noqa: ARG001 - before its first request
    """The cluster with Freehold of this checkout installed by the chart, and without leftovers of earlier runs."""
    with locked(cache() / "locks" / "stories", "another process of this run"):
        stage = prepare(choose(), audit=True)
        install(stage)
        here = pytestconfig.stash[INSTALLED] = Cluster(stage)
        here.kubectl("delete", "namespaces", "-l", f"{OURS},{OURS}!={BEGUN}", "--timeout=180s")
    return here


@pytest.fixture(scope="session")
def shop(cluster: Cluster) -> Iterator[Space]:
    """users, payments and storefront, Ready. A story that changes one of them restores it."""
    space = _space(cluster, "shop")
    try:
        space.apply(users(), payments(), front_end())
        space.until_ready("users", "payments", "storefront")
        yield space
    finally:
        _remove(space)


@pytest.fixture
def storefront(shop: Space) -> Iterator[Storefront]:
    """A client of the shop's front end, which is connected to both services."""
    with forwarded(shop) as front:
        for path in ("/api/users", "/api/payments"):
            front.until(path, 200)
        yield front


@pytest.fixture(scope="module")
def yard(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Space]:
    """A namespace for all tests of a file."""
    story = request.path.stem.removeprefix("test_").replace("_", "-")
    space = _space(cluster, story)
    yield space
    _remove(space)


@pytest.fixture
def spaces(cluster: Cluster) -> Iterator[Callable[..., Space]]:
    """A function that creates namespaces for one test, by a part of the name and labels."""
    made: list[Space] = []

    def make(word: str, **labels: str) -> Space:
        made.append(_space(cluster, word, **labels))
        return made[-1]

    yield make
    for space in made:
        _remove(space)


def _space(cluster: Cluster, word: str, **labels: str) -> Space:
    space = Space(cluster, f"e2e-{word}-{uuid.uuid4().hex[:5]}")
    space.make(**labels)
    return space


def _remove(space: Space) -> None:
    """Start the deletion of a namespace; only stories about deletion wait for the end."""
    space.cluster.kubectl("delete", "namespace", space.name, "--wait=false", "--ignore-not-found")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Add the cluster's objects, Events and logs to the report of a failed test."""
    report: pytest.TestReport = yield  # type: ignore[assignment]
    cluster = item.config.stash.get(INSTALLED, None)
    if report.failed and report.when != "teardown" and cluster:
        for title, text in _evidence(cluster, _names(item, str(report.longrepr))):
            report.sections.append((title, text[-LONGEST_SECTION:]))
    return report  # type: ignore[return-value]


def _names(item: pytest.Item, failure: str) -> set[str]:
    """Return the namespaces of a test."""
    own = {value.name for value in getattr(item, "funcargs", {}).values() if isinstance(value, Space)}
    return own | set(re.findall(r"\be2e-[a-z-]+-[0-9a-f]{5}\b", failure))


def _evidence(cluster: Cluster, namespaces: set[str]) -> Iterator[tuple[str, str]]:
    for name in sorted(namespaces):
        yield f"{name}: what there is", _said(cluster, "-n", name, "get", "msvc,pods,pvc,jobs", "-o", "wide")
        yield f"{name}: events", _said(cluster, "-n", name, "get", "events", "--sort-by=.lastTimestamp")
        yield f"{name}: services", _said(cluster, "-n", name, "describe", "msvc")
    yield "operator", _said(cluster, "logs", *OPERATOR_PODS, "--prefix", f"--tail={LOG_LINES}")


def _said(cluster: Cluster, *arguments: str) -> str:
    done = cluster.tried(*arguments)
    return done.stdout + done.stderr
