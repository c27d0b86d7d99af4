"""Builds an image for Tilt without Docker, loads it on the local cluster's nodes, and writes its name to a file.

    DOCKERFILE='FROM …' python -m hack.tilt_image NAME FILE

The name ends in a digest of the image's inputs, so that pods of an unchanged image are not restarted.
"""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from localcluster import cluster, progress
from localcluster.images import builder
from localcluster.images.recipes import Recipe, by_name, fingerprint
from localcluster.locks import locked
from localcluster.paths import DEFAULT_NAME, ClusterPaths


def main() -> None:
    name, output = sys.argv[1], Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as work, progress.step(name) as step:
        file = Path(work) / "Dockerfile"
        file.write_text(os.environ["DOCKERFILE"])
        image = recipe(name, file)
        put_on_nodes(image, step)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(image.reference)


def recipe(name: str, dockerfile: Path) -> Recipe:
    """Return the recipe of a Dockerfile, with a digest of all inputs as tag."""
    untagged = Recipe(name, "", dockerfile)
    return replace(untagged, tag=f"live-{fingerprint(untagged, by_name())}")


def put_on_nodes(image: Recipe, step: progress.Step) -> None:
    """Build the image and import it on every node."""
    with locked(builder.folder() / ".lock", "another build of images"):
        archive = builder.build(image, by_name(), step)
        cluster.load(ClusterPaths(os.environ.get("LOCAL_CLUSTER", DEFAULT_NAME)), [archive])
        archive.unlink()


if __name__ == "__main__":
    main()
