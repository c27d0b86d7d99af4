"""The images of the local cluster, built from Dockerfiles without a registry and cached by their content.

`ensure` builds missing images and returns their archives; `reference` returns the name for a pod spec.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from .. import progress
from ..errors import LocalClusterError
from ..locks import locked
from ..progress import Step
from .builder import ENGINES, archive, build, build_with, clear_interrupted, folder
from .recipes import SYSTEM, Recipe, by_name, chosen, from_folder

# The images of Freehold and its examples; other images are built on demand.
DEFAULT = ("operator", "postgres", "users", "payments", "invoices", "storefront")


def ensure(names: Iterable[str], step: Step | None = None) -> dict[str, Path]:
    """Build missing images and return name → OCI archive for each name; the archive contains the reference.

    coredns, local-path-provisioner and metrics-server need their compiled programs (tools.ensure).
    """
    return _built(chosen(names), step or Step("images"))


def ensure_folders(folders: Iterable[Path], step: Step | None = None) -> dict[str, Path]:
    """Build images of folders with a Dockerfile: the image of `orders/` is localhost/freehold/orders:dev."""
    return _built([from_folder(folder) for folder in folders], step or Step("images"))


def _built(wanted: Sequence[Recipe], step: Step) -> dict[str, Path]:
    known = by_name()
    archives = {recipe.name: archive(recipe, known) for recipe in wanted}
    if missing := [recipe for recipe in wanted if not archives[recipe.name].exists()]:
        step.say("to build: " + ", ".join(recipe.name for recipe in missing))
        with locked(folder() / ".lock", "another build of images"):
            clear_interrupted()
            archives |= {recipe.name: build(recipe, known, step) for recipe in missing}
    step.detail = ", ".join(archives)
    return archives


def reference(name: str) -> str:
    """Return the full name of an image, such as `localhost/freehold/postgres:15`."""
    return chosen([name])[0].reference


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `python -m localcluster images [NAME…]`: build images and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m localcluster images", description="Build the images.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: {', '.join(DEFAULT)}")
    parser.add_argument("--builder", choices=("buildah", *ENGINES), default="buildah")
    parser.add_argument("--system", action="store_true", help="the local cluster's own images as well")
    options = parser.parse_args(arguments)
    names = [*(options.names or DEFAULT), *(["base", "pause", *SYSTEM] if options.system else [])]
    try:
        with progress.step("images") as step:
            if options.builder == "buildah":
                ensure(names, step)
            else:
                for recipe in chosen(names):
                    build_with(options.builder, recipe, step)
                step.detail = ", ".join(names)
    except LocalClusterError as error:
        print(error, file=sys.stderr)
        return 1
    return 0
