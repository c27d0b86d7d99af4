"""The pins of the tools, and what of them decides whether a compilation is needed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from localcluster import tools


@pytest.mark.parametrize("group", tools.GROUPS)
def test_every_group_pins_what_it_compiles(group: str) -> None:
    module = (tools.SOURCES / group / "go.mod").read_text()
    required = re.findall(r"^\t?(?:require )?(\S+) v\S+", module, re.MULTILINE)
    sums = (tools.SOURCES / group / "go.sum").read_text()
    for package in tools.commands(module):
        assert any(package == name or package.startswith(f"{name}/") for name in required), package
        assert any(name in sums for name in required if package.startswith(name)), package


def test_commands_are_the_last_word_of_their_package_save_etcd() -> None:
    block = "tool (\n\tgo.etcd.io/etcd/server/v3\n\tk8s.io/kubernetes/cmd/kubelet\n)\n"
    assert tools.commands(block) == {
        "go.etcd.io/etcd/server/v3": "etcd",
        "k8s.io/kubernetes/cmd/kubelet": "kubelet",
    }
    assert tools.commands("tool sigs.k8s.io/kind\n") == {"sigs.k8s.io/kind": "kind"}


def test_versions_that_programs_report_come_from_their_pins() -> None:
    flags = tools.link_flags("require k8s.io/kubernetes v1.34.4\n")
    assert "-X k8s.io/component-base/version.gitVersion=v1.34.4" in flags
    assert "-X k8s.io/component-base/version.gitMinor=34" in flags
    assert tools.link_flags("require example.org/x v1.0.0\n") == "-s -w"


def test_the_gateway_apis_definitions_are_those_whose_checksum_is_known() -> None:
    folder = tools.SOURCES / "gatewayapi"
    (pinned,) = re.findall(r"^require (sigs\.k8s\.io/gateway-api v\S+)$", (folder / "go.mod").read_text(), re.MULTILINE)
    assert f"{pinned} h1:" in (folder / "go.sum").read_text()


def test_staging_modules_have_the_version_of_kubernetes() -> None:
    module = (tools.SOURCES / "kubernetes" / "go.mod").read_text()
    minor_and_patch = tools.kubernetes_version().removeprefix("1.")
    replaced = re.findall(r"=> (k8s\.io/\S+) (v\S+)", module)
    assert len(replaced) > 25
    assert {version for _, version in replaced} == {f"v0.{minor_and_patch}"}


def test_a_group_is_compiled_anew_when_a_checksum_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "SOURCES", tmp_path)
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "go.mod").write_text("tool sigs.k8s.io/kind\n")
    (tmp_path / "one" / "go.sum").write_text("a")
    before = tools.read("one")
    assert tools.read("one").digest == before.digest
    (tmp_path / "one" / "go.sum").write_text("b")
    assert tools.read("one").digest != before.digest
