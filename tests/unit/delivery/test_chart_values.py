"""The chart's values: what is refused, and the notes after an installation."""

from __future__ import annotations

import pytest
import yaml
from freehold.api.v1alpha1.microservice import Microservice

from hack.generate import CHART
from tests.unit.delivery.helm import render, run, template


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("logLevel=loud", "at '/logLevel': value must be one of 'debug', 'info', 'warning', 'error'"),
        ("namespaces={Shop}", "at '/namespaces/0': 'Shop' does not match pattern"),
        ("namespaces=shop", "at '/namespaces': got string, want array"),
        ("replica=2", "additional properties 'replica' not allowed"),
        ("replicas=0", "at '/replicas': minimum: got 0, want 1"),
        ("metrics.scrapers={all}", "at '/metrics/scrapers/0': got string, want object"),
        ("image.tag=-dev", "at '/image/tag': '-dev' does not match pattern"),
        ("image.repository=freehold:dev", "at '/image/repository': 'freehold:dev' does not match pattern"),
        ("postgresql.image=postgres:15", "at '/postgresql/image': 'postgres:15' does not match pattern"),
        ("networkPolicy.apiServer.ports={0}", "at '/networkPolicy/apiServer/ports/0': minimum: got 0, want 1"),
        ("crds.keep=maybe", "at '/crds/keep': got string, want boolean"),
    ],
)
def test_invalid_value_refused(setting: str, message: str) -> None:
    """An invalid value is refused by name."""
    done = template(setting)
    assert done.returncode != 0
    assert message in done.stderr


def test_old_kubernetes_refused() -> None:
    """A Kubernetes version that is too old is refused."""
    done = template(kube_version="1.30.9")
    assert done.returncode != 0 and "1.31" in done.stderr


def test_usable_as_dependency() -> None:
    """Global values of a parent chart are accepted."""
    assert render("global.team=platform")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ((), ["manages every namespace", "kubectl -n freehold-system rollout status deployment/freehold"]),
        (("namespaces={shop,accounts}",), ["the namespaces shop, accounts", "kubectl -n shop apply"]),
        (("networkPolicy.enabled=false",), ["no NetworkPolicy"]),
        (("crds.keep=false",), ["Take care: crds.keep is false"]),
    ],
)
def test_notes(settings: tuple[str, ...], expected: list[str]) -> None:
    """The notes name the next steps for the given values."""
    sets = [part for setting in settings for part in ("--set", setting)]
    where = ["--namespace", "freehold-system", "--dry-run=client"]
    done = run("install", "freehold", str(CHART), *where, *sets)
    notes = " ".join(done.stdout.partition("NOTES:")[2].split())
    assert done.returncode == 0, done.stderr
    assert [words for words in expected if words not in notes] == []


def test_notes_example_valid() -> None:
    """The Microservice in the notes is accepted by the models."""
    text = (CHART / "templates/NOTES.txt").read_text()
    example = text.partition("<<'EOF'\n")[2].partition("  EOF")[0]
    body = yaml.safe_load(example)
    Microservice.model_validate(body)
