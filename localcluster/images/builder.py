"""Builds images: with buildah into archives for containerd, or with Docker or Podman into their own store."""

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
# The limit for cached build layers in buildah's store, about 100 MB each.
KEPT_STEPS = 40


def folder() -> Path:
    """Return the folder of the archives, which also has buildah's storage."""
    return paths.cache() / "images"


def clear_interrupted() -> None:
    """Remove the remains of builds that were killed; call only with the lock held."""
    _buildah("rm", "--all")
    shutil.rmtree(folder() / "tmp", ignore_errors=True)


def archive(recipe: Recipe, known: Mapping[str, Recipe]) -> Path:
    """Return the path of the archive for the current inputs; the file exists once the image is built."""
    return folder() / f"{recipe.name}-{recipe.tag}-{fingerprint(recipe, known)}.tar"


def build(recipe: Recipe, known: Mapping[str, Recipe], step: Step) -> Path:
    """Build an image and its parents unless the archive exists; return the archive."""
    target = archive(recipe, known)
    if target.exists():
        return target
    parents = {argument: _stored(known[name], known, step) for argument, name in recipe.parents.items()}
    step.say(f"building {recipe.name}")
    with tempfile.TemporaryDirectory(prefix="build-", dir=_made(folder() / "tmp")) as work:
        _build(recipe, parents, _store_name(recipe, target), Path(work))
        fresh = Path(work) / "image.tar"
        _buildah("push", "--quiet", _store_name(recipe, target), f"oci-archive:{fresh}:{recipe.reference}")
        if archive(recipe, known) != target:  # an input changed during the build; the content is undefined
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
    """Return the name of a parent image in buildah's store; import the image from its archive if missing."""
    target = build(recipe, known, step)
    name = _store_name(recipe, target)
    if not succeeds(_command("inspect", "--type=image", name)):
        _buildah("tag", _buildah("pull", "--quiet", f"oci-archive:{target}").strip(), name)
    return name


def _store_name(recipe: Recipe, target: Path) -> str:
    """Return the reference with the fingerprint appended, which keeps outdated parents out of builds."""
    return f"{recipe.reference}-{target.stem.rpartition('-')[2]}"


def _forget_older(recipe: Recipe, target: Path) -> None:
    """Remove archives and stored images of earlier inputs, and all cached layers above the limit."""
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
    """Build with Docker or Podman from the official parent images; the image stays in the engine's store."""
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
