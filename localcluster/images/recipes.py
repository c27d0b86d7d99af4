"""The list of images, the inputs of each, and the fingerprint that detects changes.

Docker can build the same Dockerfiles. An image depends on its Dockerfile, the files in its COPY lines and its parent
images only; the fingerprint covers these.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from .. import paths
from ..errors import LocalClusterError
from . import context

REGISTRY = "localhost/freehold"
HERE = Path(__file__).parent
PROJECT = HERE.parents[1]
# Build arguments that name parent images. Each defaults to an official image and is set to an image built here.
# GO_IMAGE is the plain base image: the machine's own Go is mounted into the build (machine.py).
PARENTS = {"BASE": "base", "GO_IMAGE": "base", "MAVEN_IMAGE": "maven", "NODE_IMAGE": "node"}
SYSTEM = {  # image → the tool group that compiles its program, and the module that carries its version
    "coredns": ("system", "github.com/coredns/coredns"),
    "local-path-provisioner": ("system", "github.com/rancher/local-path-provisioner"),
    "metrics-server": ("metrics", "sigs.k8s.io/metrics-server"),
}
SERVICES = ("users", "payments", "invoices", "storefront")


@dataclass(frozen=True)
class Recipe:
    """One image. COPY lines are relative to `context`, or to an empty folder that `fill` fills.

    `fill_version` replaces the content of the filled folder in the fingerprint.
    """

    name: str
    tag: str
    dockerfile: Path
    context: Path = PROJECT
    fill: Callable[[Path], None] | None = None
    fill_version: Callable[[], str] | None = None

    @property
    def reference(self) -> str:
        """The image name for a pod spec."""
        return f"{REGISTRY}/{self.name}:{self.tag}"

    @property
    def parents(self) -> dict[str, str]:
        """The parent images: build argument → name of the recipe."""
        return {arg: PARENTS[arg] for arg in arguments(self.dockerfile.read_text()) if arg in PARENTS}


def by_name() -> dict[str, Recipe]:
    """Return all recipes by name."""
    own = [
        Recipe("base", "bookworm", HERE / "base/Dockerfile", fill=context.debian, fill_version=context.debian_version),
        Recipe("node", "20", HERE / "node/Dockerfile", fill=context.node, fill_version=context.node_version),
        Recipe("maven", "17", HERE / "maven/Dockerfile"),
        Recipe("pause", "1", HERE / "pause/Dockerfile"),
        Recipe("postgres", "15", HERE / "postgres/Dockerfile"),
        Recipe("operator", "dev", PROJECT / "operator/Dockerfile"),
    ]
    services = [Recipe(name, "dev", PROJECT / "services" / name / "Dockerfile") for name in SERVICES]
    return {recipe.name: recipe for recipe in [*own, *services, *map(_system, SYSTEM)]}


def from_folder(folder: Path) -> Recipe:
    """Return the recipe of a folder with a Dockerfile, named after the folder (see `freehold new`)."""
    folder = folder.resolve()
    if not (folder / "Dockerfile").is_file():
        raise LocalClusterError(f"{folder} has no Dockerfile")
    if folder.name in by_name():
        raise LocalClusterError(f"{folder}: {folder.name} is an image of Freehold's own; give the folder another name")
    return Recipe(folder.name, "dev", folder / "Dockerfile", context=folder)


def _system(name: str) -> Recipe:
    group, module = SYSTEM[name]
    pins = HERE.parent / "tools" / group / "go.mod"
    found = re.search(rf"{re.escape(module)} v(\S+)", pins.read_text())
    if not found:
        raise LocalClusterError(f"{pins} does not require {module}, which the image {name} is made from")
    # current/bin contains links, and a build cannot follow links out of its context.
    program = (paths.tools_bin() / name).resolve()
    return Recipe(name, found.group(1), HERE / name / "Dockerfile", context=program.parent)


def chosen(names: Iterable[str]) -> list[Recipe]:
    """Return the recipes of these names, in order; raise LocalClusterError for an unknown name."""
    known = by_name()
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise LocalClusterError(f"no image is named {', '.join(unknown)}; there are: {', '.join(sorted(known))}")
    return [known[name] for name in names]


def fingerprint(recipe: Recipe, known: Mapping[str, Recipe]) -> str:
    """Return twelve hexadecimal digits that change with any input of the image."""
    digest = hashlib.sha256(recipe.dockerfile.read_bytes())
    for parent in sorted(set(recipe.parents.values())):
        digest.update(f"parent {parent} {fingerprint(known[parent], known)}\n".encode())
    if recipe.fill_version:
        digest.update(recipe.fill_version().encode())
    else:
        for file in inputs(recipe):
            digest.update(_described(file, recipe.context))
    return digest.hexdigest()[:12]


def _described(file: Path, root: Path) -> bytes:
    with file.open("rb") as opened:
        content = hashlib.file_digest(opened, "sha256").hexdigest()
    return f"{file.relative_to(root)} {file.stat().st_mode & 0o111:o} {content}\n".encode()


def inputs(recipe: Recipe) -> list[Path]:
    """Return the files that the COPY lines take from the context, sorted."""
    ignore = ignored_names(recipe.context)
    found: set[Path] = set()
    for source in copied(recipe.dockerfile.read_text()):
        matches = list(recipe.context.glob(source.strip("/"))) if source != "." else [recipe.context]
        if not matches:
            hint = "; `python -m localcluster tools` compiles it" if recipe.name in SYSTEM else ""
            raise LocalClusterError(f"{recipe.dockerfile} copies {source}, which is not in {recipe.context}{hint}")
        found.update(file for match in matches for file in _files(match, ignore))
    return sorted(found)


def _files(path: Path, ignore: list[str]) -> Iterator[Path]:
    if any(fnmatch(path.name, pattern) for pattern in ignore):
        return
    if path.is_dir():
        for child in path.iterdir():
            yield from _files(child, ignore)
    else:
        yield path


def ignored_names(folder: Path) -> list[str]:
    """Return the names excluded by .dockerignore; every line must have the form `**/NAME`."""
    file = folder / ".dockerignore"
    lines = [line for line in file.read_text().splitlines() if line and line[0] != "#"] if file.exists() else []
    for line in lines:
        if not line.startswith("**/"):
            raise LocalClusterError(
                f"{file}: {line!r} must have the form **/NAME, which means the same to all builders"
            )
    return [line.removeprefix("**/") for line in lines]


def copied(dockerfile: str) -> list[str]:
    """Return the sources of the COPY and ADD lines that come from the context."""
    sources: list[str] = []
    for instruction, rest in instructions(dockerfile):
        words = shlex.split(rest) if instruction in ("COPY", "ADD") else []
        if words and not any(word.startswith("--from=") for word in words):
            sources += [word for word in words if not word.startswith("--")][:-1]
    return sources


def arguments(dockerfile: str) -> list[str]:
    """Return the names of the build arguments that a Dockerfile declares."""
    return [rest.partition("=")[0].strip() for instruction, rest in instructions(dockerfile) if instruction == "ARG"]


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """Return the instructions in upper case with their arguments; continued lines are joined."""
    without_comments = re.sub(r"^\s*#.*\n", "", dockerfile, flags=re.MULTILINE)
    joined = re.sub(r"\\\n", " ", without_comments)
    found = (line.strip().partition(" ") for line in joined.splitlines() if line.strip())
    return [(word.upper(), rest.strip()) for word, _, rest in found]
