"""Tests of the pinned tools, and of the digest that decides about a compilation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from localcluster import tools


@pytest.mark.parametrize("group", tools.GROUPS)
def test_group_pins_its_commands(group: str) -> None:
    """The go.mod of a group requires, and go.sum has checksums for, the modules of all commands."""
    module = (tools.SOURCES / group / "go.mod").read_text()
    required = re.findall(r"^\t?(?:require )?(\S+) v\S+", module, re.MULTILINE)
    sums = (tools.SOURCES / group / "go.sum").read_text()
    for package in tools.commands(module):
        assert any(package == name or package.startswith(f"{name}/") for name in required), package
        assert any(name in sums for name in required if package.startswith(name)), package


def test_command_names() -> None:
    """A command is named after the last element of its package path, except etcd."""
    block = "tool (\n\tgo.etcd.io/etcd/server/v3\n\tk8s.io/kubernetes/cmd/kubelet\n)\n"
    assert tools.commands(block) == {
        "go.etcd.io/etcd/server/v3": "etcd",
        "k8s.io/kubernetes/cmd/kubelet": "kubelet",
    }
    assert tools.commands("tool sigs.k8s.io/kind\n") == {"sigs.k8s.io/kind": "kind"}


def test_link_flags_have_pinned_versions() -> None:
    """The linker flags set the versions that programs report to the pinned ones."""
    flags = tools.link_flags("require k8s.io/kubernetes v1.34.4\n")
    assert "-X k8s.io/component-base/version.gitVersion=v1.34.4" in flags
    assert "-X k8s.io/component-base/version.gitMinor=34" in flags
    assert tools.link_flags("require example.org/x v1.0.0\n") == "-s -w"


def test_gateway_api_checksum_known() -> None:
    """go.sum has the checksum of the pinned Gateway API module."""
    folder = tools.SOURCES / "gatewayapi"
    (pinned,) = re.findall(r"^require (sigs\.k8s\.io/gateway-api v\S+)$", (folder / "go.mod").read_text(), re.MULTILINE)
    assert f"{pinned} h1:" in (folder / "go.sum").read_text()


def test_staging_modules_match_kubernetes() -> None:
    """All staging modules have the version that belongs to the pinned Kubernetes version."""
    module = (tools.SOURCES / "kubernetes" / "go.mod").read_text()
    minor_and_patch = tools.kubernetes_version().removeprefix("1.")
    replaced = re.findall(r"=> (k8s\.io/\S+) (v\S+)", module)
    assert len(replaced) > 25
    assert {version for _, version in replaced} == {f"v0.{minor_and_patch}"}


def test_group_digest_changes_with_checksum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed go.sum changes the digest of a group."""
    monkeypatch.setattr(tools, "SOURCES", tmp_path)
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "go.mod").write_text("tool sigs.k8s.io/kind\n")
    (tmp_path / "one" / "go.sum").write_text("a")
    before = tools.read("one")
    assert tools.read("one").digest == before.digest
    (tmp_path / "one" / "go.sum").write_text("b")
    assert tools.read("one").digest != before.digest
