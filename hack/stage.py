"""The cluster for the demo and the tests (local cluster, kind, or current context), and the installation of Freehold.

CLUSTER=local|kind|current selects the cluster. The default is kind where Docker or Podman runs, otherwise the local
cluster with the name in LOCAL_CLUSTER. The current context is used only with CLUSTER=current, and after the user has
confirmed its name.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcluster import cluster, images, tools
from localcluster.images.builder import archive, build_with
from localcluster.images.recipes import by_name, chosen, from_folder
from localcluster.paths import DEFAULT_NAME, ClusterPaths, cache, tools_bin
from localcluster.progress import Step, step

ROOT = Path(__file__).resolve().parent.parent
KIND_NAME = "freehold"
SYSTEM_NAMESPACE = "freehold-system"
IMAGES = ("operator", "postgres", "users", "payments", "invoices", "storefront")


class StageError(Exception):
    """An error the user can act on; printed without a traceback."""


@dataclass(frozen=True)
class Stage:
    """A cluster. kind: local, kind or current. kubeconfig: the file with its address and credentials.

    audit_log: the API server's audit log, if requested and supported by the kind of cluster.
    """

    kind: str
    kubeconfig: Path
    audit_log: Path | None = None

    def environment(self) -> dict[str, str]:
        """Return the environment for kubectl and helm: pinned tools first in PATH, and the cluster's kubeconfig."""
        path = f"{tools_bin()}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "KUBECONFIG": str(self.kubeconfig)}

    def run(self, *command: str | Path, text: str | None = None) -> str:
        """Run a command against the cluster and return its output; raise StageError with its errors on failure."""
        done = subprocess.run(
            list(map(str, command)), env=self.environment(), input=text, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise StageError(f"{' '.join(map(str, command))}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def put_on_nodes(self, folder: Path) -> None:
        """Build the image of a folder with a Dockerfile (localhost/freehold/FOLDER:dev) and load it on the nodes."""
        if self.kind == "local":
            cluster.load(_where(), images.ensure_folders([folder]).values())
        elif self.kind == "kind":
            reference = from_folder(folder).reference
            self.run(container_engine() or "docker", "build", "--tag", reference, folder)
            self.run("kind", "load", "docker-image", reference, "--name", KIND_NAME)
        else:
            raise StageError(f"cannot load the image of {folder} on the nodes of this cluster; push it to a registry")


def choose() -> str:
    """Return the kind of cluster to use."""
    choice = os.environ.get("CLUSTER", "")
    if choice not in ("", "local", "kind", "current"):
        raise StageError(f"CLUSTER is {choice!r}; set it to local, kind or current")
    return choice or ("kind" if container_engine() else "local")


def container_engine() -> str | None:
    """Return docker or podman if one of them runs, otherwise None."""
    for engine in ("docker", "podman"):
        if shutil.which(engine) and not _status([engine, "info"]):
            return engine
    return None


def introduce(what: str, kind: str) -> None:
    """Print which cluster will be used, before anything changes."""
    where = {
        "local": "No Docker found: using the local Kubernetes (localcluster/), nothing else on this machine changes.",
        "kind": "Using kind: a cluster named freehold in its own containers.",
        "current": "Using the cluster of your current context.",
    }
    print(f"{what}. {where[kind]}")
    if kind == "local" and not (tools_bin() / "kubelet").exists():
        print(
            "The first run builds Kubernetes from its Go modules, 10 to 15 minutes on two cores; later runs reuse it."
        )


def prepare(kind: str, names: Sequence[str] = IMAGES, *, audit: bool = False) -> Stage:
    """Create the missing tools, cluster and images. audit: whether a local cluster keeps an audit log."""
    with step("tools") as progress:
        tools.ensure(tools.DEFAULT_GROUPS, progress)
        progress.detail = "kubectl, helm" if kind != "local" else "kube-apiserver, kubelet, …, kubectl, helm"
    if kind == "current":
        return _current()
    stage = _kind() if kind == "kind" else _local(audit=audit)
    with step("images") as progress:
        if kind == "kind":
            _load_into_kind(stage, names, progress)
        else:
            cluster.load(_where(), list(images.ensure(names, progress).values()))
        progress.detail = ", ".join(names)
    return stage


def install(stage: Stage, *arguments: str) -> None:
    """Install or upgrade Freehold with its chart, and wait until the operator runs the loaded image."""
    with step("freehold") as progress:
        progress.detail = "helm install freehold charts/freehold"
        # Take over a CRD that an earlier installation left, or that was applied without Helm.
        release = ("--create-namespace", "--take-ownership", "--force-conflicts", "--wait", "--timeout", "3m")
        # The tag is the same for every build; the annotation with the fingerprint makes the Deployment roll.
        made_of = ("--set-string", f"podAnnotations.freehold\\.dev/made-of={_fingerprint(stage)}")
        options = ("--namespace", SYSTEM_NAMESPACE, *release, *made_of, *_tag(stage), *arguments)
        stage.run("helm", "upgrade", "--install", "freehold", ROOT / "charts/freehold", *options)


def grant(namespace: str) -> dict[str, Any]:
    """Return the RoleBinding that lets Freehold manage Secrets in a namespace."""
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "freehold", "namespace": namespace},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "freehold-secrets"},
        "subjects": [{"kind": "ServiceAccount", "name": "freehold", "namespace": SYSTEM_NAMESPACE}],
    }


def _fingerprint(stage: Stage) -> str:
    """Return the fingerprint of the operator's image, or an empty string for an image from a registry."""
    return "" if stage.kind == "current" else archive(chosen(["operator"])[0], by_name()).stem.rpartition("-")[2]


def _tag(stage: Stage) -> tuple[str, ...]:
    """Return the option with the tag of the loaded image; none for an image from a registry."""
    return () if stage.kind == "current" else ("--set-string", f"image.tag={chosen(['operator'])[0].tag}")


def _where() -> ClusterPaths:
    return ClusterPaths(os.environ.get("LOCAL_CLUSTER", DEFAULT_NAME))


def _local(*, audit: bool) -> Stage:
    where = _where()
    if os.geteuid():
        raise StageError(
            "the local cluster needs root to create network namespaces; run as root, or install Docker for kind"
        )
    # `audit=False` would turn off the log of a cluster that another user of the cluster has turned on.
    cluster.up(where, audit=audit or None)
    return Stage("local", where.kubeconfig, where.audit_log if audit else None)


def _kind() -> Stage:
    """Create the cluster of localcluster/kind.yaml unless present; images have the same Dockerfiles."""
    kubeconfig = cache() / "kind-kubeconfig"
    stage = Stage("kind", kubeconfig)
    with step("cluster") as progress:
        progress.detail = "2 nodes, zones a and b, by kind"
        if container_engine() == "podman":
            os.environ["KIND_EXPERIMENTAL_PROVIDER"] = "podman"
        if KIND_NAME not in stage.run("kind", "get", "clusters").split():
            stage.run("kind", "create", "cluster", "--name", KIND_NAME, "--config", ROOT / "localcluster/kind.yaml")
        stage.run("kind", "export", "kubeconfig", "--name", KIND_NAME, "--kubeconfig", kubeconfig)
    return stage


def _current() -> Stage:
    """Return the user's own cluster, after the user has typed the name of its context."""
    files = os.environ.get("KUBECONFIG", str(Path("~/.kube/config").expanduser())).split(os.pathsep)
    stage = Stage("current", Path(files[0]))
    context = stage.run("kubectl", "config", "current-context").strip()
    print(f"The current context is {context}. Freehold and its examples will be installed in that cluster.")
    print("Its nodes must be able to pull the images of charts/freehold and manifests/examples.")
    if os.environ.get("CONFIRM") != context and input("Type the name of the context to continue: ").strip() != context:
        raise StageError(f"not confirmed; nothing was changed in {context}")
    return stage


def _load_into_kind(stage: Stage, names: Iterable[str], progress: Step) -> None:
    """Build the images with the container engine of kind's nodes, and load them into the nodes."""
    engine = container_engine() or "docker"
    for recipe in chosen(names):
        build_with(engine, recipe, progress)
        stage.run("kind", "load", "docker-image", recipe.reference, "--name", KIND_NAME)


def _status(command: list[str]) -> int:
    return subprocess.run(command, capture_output=True, check=False).returncode


def main() -> None:
    """Run `python -m hack.stage`: create cluster and images, and install Freehold."""
    kind = choose()
    introduce("Freehold", kind)
    stage = prepare(kind)
    install(stage)
    print(f"\nNext         export KUBECONFIG={stage.kubeconfig} PATH={tools_bin()}:$PATH")


if __name__ == "__main__":
    try:
        main()
    except StageError as error:
        sys.exit(f"freehold: {error}")
