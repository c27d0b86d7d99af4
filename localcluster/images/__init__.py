"""The images of the local cluster, built from Dockerfiles without a registry and kept in the cache by their content.

`ensure` builds what is missing and returns the archives; `reference` says under which name a pod asks for an image.
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

# What Freehold and its examples run. The rest is made when something needs it.
DEFAULT = ("operator", "postgres", "users", "payments", "invoices", "storefront")


def ensure(names: Iterable[str], step: Step | None = None) -> dict[str, Path]:
    """Name → archive (OCI, its reference inside) of each image; builds those that no archive has yet.

    The programs of coredns, local-path-provisioner and metrics-server must have been compiled before (tools.ensure).
    """
    return _built(chosen(names), step or Step("images"))


def ensure_folders(folders: Iterable[Path], step: Step | None = None) -> dict[str, Path]:
    """The same for folders with a Dockerfile of their own: the image of `orders/` is localhost/freehold/orders:dev."""
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
    """The full name of an image, such as `localhost/freehold/postgres:15`."""
    return chosen([name])[0].reference


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m localcluster images [NAME…]`: builds images; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m localcluster images", description="Build the images.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"without one: {', '.join(DEFAULT)}")
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
