"""Builds recipes: with buildah into archives that containerd imports, or with Docker or Podman into their own store."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from .. import paths
from ..errors import LocalClusterError
from ..progress import Step
from ..run import run, succeeds
from . import machine
from .context import EPOCH
from .recipes import PROJECT, Recipe, fingerprint

BUILD_SECONDS = 1800
ENGINES = ("docker", "podman")
# Steps of earlier builds that buildah keeps so as not to repeat them, 100 MB or so each.
KEPT_STEPS = 40


def folder() -> Path:
    """The archives, and beside them buildah's own store: nothing of it is kept anywhere else on the machine."""
    return paths.cache() / "images"


def clear_interrupted() -> None:
    """Removes what builds left behind that were killed; only while the lock is held."""
    _buildah("rm", "--all")
    shutil.rmtree(folder() / "tmp", ignore_errors=True)


def archive(recipe: Recipe, known: Mapping[str, Recipe]) -> Path:
    """Where the image of these very inputs is, once it has been built."""
    return folder() / f"{recipe.name}-{recipe.tag}-{fingerprint(recipe, known)}.tar"


def build(recipe: Recipe, known: Mapping[str, Recipe], step: Step) -> Path:
    """Builds an image, and its parents before it, unless its archive is there; returns the archive."""
    target = archive(recipe, known)
    if target.exists():
        return target
    parents = {argument: _stored(known[name], known, step) for argument, name in recipe.parents.items()}
    step.say(f"building {recipe.name}")
    with tempfile.TemporaryDirectory(prefix="build-", dir=_made(folder() / "tmp")) as work:
        _build(recipe, parents, _store_name(recipe, target), Path(work))
        fresh = Path(work) / "image.tar"
        _buildah("push", "--quiet", _store_name(recipe, target), f"oci-archive:{fresh}:{recipe.reference}")
        if archive(recipe, known) != target:  # edited meanwhile: the image may be of either content
            return build(recipe, known, step)
        fresh.rename(target)
    _forget_older(recipe, target)
    return target


def _build(recipe: Recipe, parents: Mapping[str, str], name: str, work: Path) -> None:
    context = recipe.context
    if recipe.fill:
        context = _made(work / "context")
        recipe.fill(context)
    volumes = machine.mounts(recipe.dockerfile.read_text(), work)
    _buildah(
        *("bud", "--isolation=chroot", "--layers", "--pull=never", "--identity-label=false", f"--timestamp={EPOCH}"),
        *(f"--build-arg={argument}={parent}" for argument, parent in parents.items()),
        *(f"--volume={volume}" for volume in volumes),
        *(f"--file={recipe.dockerfile}", f"--tag={name}", context),
    )


def _stored(recipe: Recipe, known: Mapping[str, Recipe], step: Step) -> str:
    """The name of a parent image in buildah's store, where it is put again when it is in the archive alone."""
    target = build(recipe, known, step)
    name = _store_name(recipe, target)
    if not succeeds(_command("inspect", "--type=image", name)):
        _buildah("tag", _buildah("pull", "--quiet", f"oci-archive:{target}").strip(), name)
    return name


def _store_name(recipe: Recipe, target: Path) -> str:
    """Its reference with the fingerprint, so that no build takes an outdated parent."""
    return f"{recipe.reference}-{target.stem.rpartition('-')[2]}"


def _forget_older(recipe: Recipe, target: Path) -> None:
    """Removes what earlier inputs gave: archives, images in the store, and all kept steps once they are many."""
    for file in folder().glob(f"{recipe.name}-{recipe.tag}-????????????.tar"):
        if file != target:
            file.unlink()
    names = _buildah("images", "--format={{.Name}}:{{.Tag}}").split()
    for name in names:
        if name.startswith(f"{recipe.reference}-") and name != _store_name(recipe, target):
            _buildah("rmi", name)
    if len(_buildah("images", "--quiet", "--filter=dangling=true").split()) > KEPT_STEPS:
        _buildah("rmi", "--prune")


def _command(*arguments: str | Path) -> list[str | Path]:
    store = folder() / "store"
    options = [f"--root={store / 'root'}", f"--runroot={store / 'run'}", "--storage-driver=overlay"]
    return ["buildah", *options, *arguments]


def _buildah(*arguments: str | Path) -> str:
    return run(_command(*arguments), env={"TMPDIR": str(_made(folder() / "tmp"))}, timeout=BUILD_SECONDS)


def _made(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def build_with(engine: str, recipe: Recipe, step: Step) -> None:
    """Builds with Docker or Podman from the official parent images; the image stays in the engine's own store."""
    if engine not in ENGINES:
        raise LocalClusterError(f"{engine} is not a builder; there are: buildah, {', '.join(ENGINES)}")
    if recipe.context != PROJECT or recipe.fill:
        raise LocalClusterError(f"{recipe.name} is made for the local cluster only; {engine} has no use for it")
    if not shutil.which(engine) or not succeeds([engine, "info"]):
        raise LocalClusterError(
            f"{engine} does not run here (`{engine} info` failed); start it, or use --builder=buildah"
        )
    step.say(f"building {recipe.name} with {engine}")
    run(
        [engine, "build", f"--file={recipe.dockerfile}", f"--tag={recipe.reference}", recipe.context],
        timeout=BUILD_SECONDS,
    )
