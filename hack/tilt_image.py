"""Builds an image for Tilt without Docker, puts it on the local cluster's nodes, and says under which name.

    DOCKERFILE='FROM …' python -m hack.tilt_image NAME FILE

The name, written to FILE, ends in a digest of all the image is made from: an unchanged image keeps its name, and so its
pods.
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
from localcluster.paths import ClusterPaths


def main() -> None:
    name, answer = sys.argv[1], Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as work, progress.step(name) as step:
        file = Path(work) / "Dockerfile"
        file.write_text(os.environ["DOCKERFILE"])
        reference = put_on_nodes(Recipe(name, "live", file), step)
    answer.parent.mkdir(parents=True, exist_ok=True)
    answer.write_text(reference)


def put_on_nodes(recipe: Recipe, step: progress.Step) -> str:
    """The image's full name, once every node has it."""
    known = by_name()
    tagged = replace(recipe, tag=f"live-{fingerprint(recipe, known)}")
    with locked(builder.folder() / ".lock", "another build of images"):
        archive = builder.build(tagged, known, step)
        cluster.load(ClusterPaths(), [archive])
        archive.unlink()
    return tagged.reference


if __name__ == "__main__":
    main()
