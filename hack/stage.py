"""Where Freehold is tried: the local cluster, kind, or the cluster of the current context; and how it gets there.

CLUSTER=local|kind|current chooses; left out, kind where Docker or Podman runs, else the local cluster: the usual one,
or the one that LOCAL_CLUSTER names. The current context is used only when asked for by that word, and after it was
named and confirmed.
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
    """Something the user must know or correct; shown as it is, without a traceback."""


@dataclass(frozen=True)
class Stage:
    """A cluster to work in. kind: local, kind or current. kubeconfig: the file that leads to it.

    audit_log: what its API server was asked, where that was wanted and the cluster can.
    """

    kind: str
    kubeconfig: Path
    audit_log: Path | None = None

    def environment(self) -> dict[str, str]:
        """For kubectl and helm: the pinned tools first, this cluster and no other."""
        path = f"{tools_bin()}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "KUBECONFIG": str(self.kubeconfig)}

    def run(self, *command: str | Path, text: str | None = None) -> str:
        """Run a command against this cluster; what it printed. Raises StageError with what it said."""
        done = subprocess.run(
            list(map(str, command)), env=self.environment(), input=text, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise StageError(f"{' '.join(map(str, command))}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def put_on_nodes(self, folder: Path) -> None:
        """Build the image of a folder with a Dockerfile, localhost/freehold/FOLDER:dev, for the nodes to have."""
        if self.kind == "local":
            cluster.load(_where(), images.ensure_folders([folder]).values())
        elif self.kind == "kind":
            reference = from_folder(folder).reference
            self.run(container_engine() or "docker", "build", "--tag", reference, folder)
            self.run("kind", "load", "docker-image", reference, "--name", KIND_NAME)
        else:
            raise StageError(f"the nodes of this cluster cannot be given the image of {folder}; push it to a registry")


def choose() -> str:
    """The kind of cluster to use."""
    asked = os.environ.get("CLUSTER", "")
    if asked not in ("", "local", "kind", "current"):
        raise StageError(f"CLUSTER is {asked!r}; it can be local, kind or current")
    return asked or ("kind" if container_engine() else "local")


def container_engine() -> str | None:
    """Docker or Podman, where one of them runs."""
    for engine in ("docker", "podman"):
        if shutil.which(engine) and not _status([engine, "info"]):
            return engine
    return None


def introduce(what: str, kind: str) -> None:
    """Say what is about to be used, before anything is."""
    where = {
        "local": "No Docker here: using a local Kubernetes of its own (localcluster/), nothing else on this machine is"
        " touched.",
        "kind": "Using kind: a cluster named freehold in containers of its own.",
        "current": "Using the cluster of your current context.",
    }
    print(f"{what}. {where[kind]}")
    if kind == "local" and not (tools_bin() / "kubelet").exists():
        print(
            "The first run builds Kubernetes from its Go modules, 10 to 15 minutes on two cores; later runs reuse it."
        )


def prepare(kind: str, names: Sequence[str] = IMAGES, *, audit: bool = False) -> Stage:
    """Tools, cluster and images, each made where it is not there yet. audit: whether a local cluster keeps a log."""
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
    """Install or upgrade Freehold by its chart, and wait until the operator runs the image that was just loaded."""
    with step("freehold") as progress:
        progress.detail = "helm install freehold charts/freehold"
        # A definition that an earlier install kept, or that was applied by hand, is taken into the release.
        taking = ("--create-namespace", "--take-ownership", "--force-conflicts", "--wait", "--timeout", "3m")
        # The tag stays the same while the image changes, so what it is made of tells the Deployment to roll.
        made_of = ("--set-string", f"podAnnotations.freehold\\.dev/made-of={_fingerprint(stage)}")
        options = ("--namespace", SYSTEM_NAMESPACE, *taking, *made_of, *arguments)
        stage.run("helm", "upgrade", "--install", "freehold", ROOT / "charts/freehold", *options)


def grant(namespace: str) -> dict[str, Any]:
    """What lets Freehold keep Secrets in a namespace."""
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "freehold", "namespace": namespace},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "freehold-secrets"},
        "subjects": [{"kind": "ServiceAccount", "name": "freehold", "namespace": SYSTEM_NAMESPACE}],
    }


def _fingerprint(stage: Stage) -> str:
    """Stands for the content of the operator's image; empty where it comes from a registry."""
    return "" if stage.kind == "current" else archive(chosen(["operator"])[0], by_name()).stem.rpartition("-")[2]


def _where() -> ClusterPaths:
    return ClusterPaths(os.environ.get("LOCAL_CLUSTER", DEFAULT_NAME))


def _local(*, audit: bool) -> Stage:
    where = _where()
    if os.geteuid():
        raise StageError("the local cluster makes network namespaces; run this as root, or install Docker for kind")
    # One that logs already goes on to: what else uses the cluster has chosen so.
    cluster.up(where, audit=audit or None)
    return Stage("local", where.kubeconfig, where.audit_log if audit else None)


def _kind() -> Stage:
    """The cluster of localcluster/kind.yaml; images come from the same Dockerfiles."""
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
    """The user's own cluster, once they have typed its name."""
    files = os.environ.get("KUBECONFIG", str(Path("~/.kube/config").expanduser())).split(os.pathsep)
    stage = Stage("current", Path(files[0]))
    context = stage.run("kubectl", "config", "current-context").strip()
    print(f"The current context is {context}. Freehold and its examples will be installed there.")
    print("Its nodes must be able to pull the images that charts/freehold and manifests/examples name.")
    if os.environ.get("CONFIRM") != context and input("Type its name to go on: ").strip() != context:
        raise StageError(f"not confirmed; nothing was changed in {context}")
    return stage


def _load_into_kind(stage: Stage, names: Iterable[str], progress: Step) -> None:
    """The same Dockerfiles, built by the engine that kind's nodes run in."""
    engine = container_engine() or "docker"
    for recipe in chosen(names):
        build_with(engine, recipe, progress)
        stage.run("kind", "load", "docker-image", recipe.reference, "--name", KIND_NAME)


def _status(command: list[str]) -> int:
    return subprocess.run(command, capture_output=True, check=False).returncode


def main() -> None:
    """`python -m hack.stage`: cluster, images and Freehold, ready to apply to."""
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
