"""Which images there are, what each is made from, and the fingerprint that says whether it must be made again.

An image is built from a Dockerfile that Docker would build as well. What its COPY lines name is all it may depend on
besides its parent images, so their content, the Dockerfile and the parents make its fingerprint.
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
# The arguments by which a Dockerfile names its parent images: each defaults to an official image, and is set to one
# made here. GO_IMAGE is the plain base: the machine's own Go is mounted into the build (machine.py).
PARENTS = {"BASE": "base", "GO_IMAGE": "base", "MAVEN_IMAGE": "maven", "NODE_IMAGE": "node"}
SYSTEM = {  # image → the tool group that compiles its program, and the module that carries its version
    "coredns": ("system", "github.com/coredns/coredns"),
    "local-path-provisioner": ("system", "github.com/rancher/local-path-provisioner"),
    "metrics-server": ("metrics", "sigs.k8s.io/metrics-server"),
}
SERVICES = ("users", "payments", "invoices", "storefront")


@dataclass(frozen=True)
class Recipe:
    """One image. COPY lines start at `context`, or at an empty folder that `fill` has filled.

    `fill_version` stands for the content of that folder in the fingerprint.
    """

    name: str
    tag: str
    dockerfile: Path
    context: Path = PROJECT
    fill: Callable[[Path], None] | None = None
    fill_version: Callable[[], str] | None = None

    @property
    def reference(self) -> str:
        """The name by which a pod asks for it."""
        return f"{REGISTRY}/{self.name}:{self.tag}"

    @property
    def parents(self) -> dict[str, str]:
        """Build argument → name of the recipe whose image it is set to."""
        return {arg: PARENTS[arg] for arg in arguments(self.dockerfile.read_text()) if arg in PARENTS}


def by_name() -> dict[str, Recipe]:
    """Every image by its name."""
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
    """The image of a folder with a Dockerfile of its own, named after the folder, as `freehold new` makes them."""
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
    # current/bin holds links; a build cannot follow one out of its context.
    program = (paths.tools_bin() / name).resolve()
    return Recipe(name, found.group(1), HERE / name / "Dockerfile", context=program.parent)


def chosen(names: Iterable[str]) -> list[Recipe]:
    """The recipes of these names, in their order; an unknown name is an error that lists the known ones."""
    known = by_name()
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise LocalClusterError(f"no image is named {', '.join(unknown)}; there are: {', '.join(sorted(known))}")
    return [known[name] for name in names]


def fingerprint(recipe: Recipe, known: Mapping[str, Recipe]) -> str:
    """Twelve hexadecimal digits that change when anything changes that the image is made from."""
    said = hashlib.sha256(recipe.dockerfile.read_bytes())
    for parent in sorted(set(recipe.parents.values())):
        said.update(f"parent {parent} {fingerprint(known[parent], known)}\n".encode())
    if recipe.fill_version:
        said.update(recipe.fill_version().encode())
    else:
        for file in inputs(recipe):
            said.update(_described(file, recipe.context))
    return said.hexdigest()[:12]


def _described(file: Path, root: Path) -> bytes:
    with file.open("rb") as opened:
        content = hashlib.file_digest(opened, "sha256").hexdigest()
    return f"{file.relative_to(root)} {file.stat().st_mode & 0o111:o} {content}\n".encode()


def inputs(recipe: Recipe) -> list[Path]:
    """The files that the COPY lines take from the context, sorted."""
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
    """The names that .dockerignore leaves out wherever they are: its lines are all of the form `**/NAME`."""
    file = folder / ".dockerignore"
    lines = [line for line in file.read_text().splitlines() if line and line[0] != "#"] if file.exists() else []
    for line in lines:
        if not line.startswith("**/"):
            raise LocalClusterError(
                f"{file}: {line!r} must have the form **/NAME, which means the same to all builders"
            )
    return [line.removeprefix("**/") for line in lines]


def copied(dockerfile: str) -> list[str]:
    """What the COPY and ADD lines of a Dockerfile take from its context."""
    sources: list[str] = []
    for instruction, rest in instructions(dockerfile):
        words = shlex.split(rest) if instruction in ("COPY", "ADD") else []
        if words and not any(word.startswith("--from=") for word in words):
            sources += [word for word in words if not word.startswith("--")][:-1]
    return sources


def arguments(dockerfile: str) -> list[str]:
    """The names of the build arguments that a Dockerfile declares."""
    return [rest.partition("=")[0].strip() for instruction, rest in instructions(dockerfile) if instruction == "ARG"]


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """Each instruction in upper case with its arguments, continued lines joined."""
    without_comments = re.sub(r"^\s*#.*\n", "", dockerfile, flags=re.MULTILINE)
    joined = re.sub(r"\\\n", " ", without_comments)
    found = (line.strip().partition(" ") for line in joined.splitlines() if line.strip())
    return [(word.upper(), rest.strip()) for word, _, rest in found]
