"""Tests of image recipes: the reading of Dockerfiles, and the fingerprint."""

from __future__ import annotations

import configparser
import dataclasses
from pathlib import Path

import pytest

from localcluster import images
from localcluster.errors import LocalClusterError
from localcluster.images import builder, machine, recipes
from localcluster.images.recipes import Recipe

DOCKERFILE = """\
# COPY this is a comment
ARG BASE=debian:bookworm-slim
ARG GO_IMAGE=golang:1.26-bookworm
FROM ${GO_IMAGE} AS build
COPY go.mod go.sum \\
  # between two lines
     ./
copy --chown=1:1 src /src
RUN echo COPY nothing
FROM ${BASE}
COPY --from=build /out /out
ADD page.html /page.html
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    for name in ("go.mod", "go.sum", "src/main.go", "src/deep/er.go", "page.html", "not-copied", "src/.venv/junk"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    (tmp_path / ".dockerignore").write_text("# comment\n\n**/.venv\n**/*.pyc\n")
    return Recipe("thing", "dev", tmp_path / "Dockerfile", context=tmp_path)


def fingerprint(recipe: Recipe) -> str:
    return recipes.fingerprint(recipe, recipes.by_name())


def test_copied_excludes_other_stages() -> None:
    """Sources of COPY and ADD lines are found, except those from other build stages."""
    assert recipes.copied(DOCKERFILE) == ["go.mod", "go.sum", "src", "page.html"]


def test_parents_are_declared_arguments(recipe: Recipe) -> None:
    """The parent images are those whose build argument the Dockerfile declares."""
    assert recipe.parents == {"BASE": "base", "GO_IMAGE": "base"}


def test_inputs_exclude_ignored_files(recipe: Recipe) -> None:
    """Files excluded by .dockerignore are no inputs."""
    (recipe.context / "src/main.pyc").write_text("")
    found = [str(file.relative_to(recipe.context)) for file in recipes.inputs(recipe)]
    assert found == ["go.mod", "go.sum", "page.html", "src/deep/er.go", "src/main.go"]


@pytest.mark.parametrize("file", ["not-copied", "src/.venv/junk"])
def test_fingerprint_ignores_other_files(recipe: Recipe, file: str) -> None:
    """A file that is not copied does not change the fingerprint."""
    before = fingerprint(recipe)
    (recipe.context / file).write_text("other")
    assert fingerprint(recipe) == before


@pytest.mark.parametrize("file", ["src/deep/er.go", "Dockerfile", "go.sum"])
def test_fingerprint_changes_with_input(recipe: Recipe, file: str) -> None:
    """The content of a copied file or of the Dockerfile changes the fingerprint."""
    before = fingerprint(recipe)
    path = recipe.context / file
    path.write_text(path.read_text() + "\n# more")
    assert fingerprint(recipe) != before


def test_fingerprint_changes_with_name_and_mode(recipe: Recipe) -> None:
    """The name and the executable bit of a copied file change the fingerprint."""
    seen = {fingerprint(recipe)}
    (recipe.context / "src/main.go").chmod(0o755)
    seen.add(fingerprint(recipe))
    (recipe.context / "src/main.go").rename(recipe.context / "src/other.go")
    seen.add(fingerprint(recipe))
    assert len(seen) == 3


def test_fingerprint_changes_with_parent(recipe: Recipe) -> None:
    """A change of a parent image changes the fingerprint."""
    known = recipes.by_name()
    newer = {**known, "base": dataclasses.replace(known["base"], fill_version=lambda: "newer")}
    assert recipes.fingerprint(recipe, newer) != recipes.fingerprint(recipe, known)


def test_inputs_missing_source(recipe: Recipe) -> None:
    """A missing source of a COPY line is reported with its name."""
    (recipe.context / "page.html").unlink()
    with pytest.raises(LocalClusterError, match=r"copies page\.html, which is not in"):
        fingerprint(recipe)


def test_dockerignore_ambiguous_pattern(recipe: Recipe) -> None:
    """A .dockerignore pattern that builders interpret differently is refused."""
    (recipe.context / ".dockerignore").write_text("node_modules\n")
    with pytest.raises(LocalClusterError, match=r"'node_modules' must have the form \*\*/NAME"):
        fingerprint(recipe)


def test_reference_unknown_image() -> None:
    """The error for an unknown image lists the known ones."""
    with pytest.raises(LocalClusterError, match=r"no image is named postgers; there are: base, .*postgres"):
        images.reference("postgers")


def test_folder_recipe(recipe: Recipe) -> None:
    """The image of a folder is named after the folder, and the folder is the build context."""
    folder = recipe.context.rename(recipe.context.with_name("order-book"))
    found = recipes.from_folder(folder)
    assert (found.reference, found.context) == ("localhost/freehold/order-book:dev", folder)
    assert "src/main.go" in {str(file.relative_to(folder)) for file in recipes.inputs(found)}


@pytest.mark.parametrize(("name", "sentence"), [("users", "of Freehold's own"), ("empty", "has no Dockerfile")])
def test_folder_recipe_invalid(tmp_path: Path, name: str, sentence: str) -> None:
    """A folder without a Dockerfile, or with the name of a built-in image, is refused."""
    (tmp_path / "users").mkdir()
    (tmp_path / "users/Dockerfile").touch()
    with pytest.raises(LocalClusterError, match=sentence):
        recipes.from_folder(tmp_path / name)


def test_reference_has_pinned_version() -> None:
    """The tag of a system image is the version of the pinned Go module."""
    assert images.reference("postgres") == "localhost/freehold/postgres:15"
    pins = (recipes.HERE.parent / "tools/system/go.mod").read_text()
    version = images.reference("coredns").removeprefix("localhost/freehold/coredns:")
    assert f"github.com/coredns/coredns v{version}" in pins


def test_archive_path(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """The archive's name has the image, the tag and the fingerprint."""
    monkeypatch.setenv("FREEHOLD_CACHE", "/cache")
    assert builder.archive(recipe, recipes.by_name()) == Path(f"/cache/images/thing-dev-{fingerprint(recipe)}.tar")


def test_images_have_numeric_user() -> None:
    """Pod Security 'restricted' needs a numeric non-root user; parent images may run as root."""
    for recipe in recipes.by_name().values():
        if recipe.name not in ("base", "maven", "node"):
            users = [rest for word, rest in recipes.instructions(recipe.dockerfile.read_text()) if word == "USER"]
            assert users, recipe.name
            assert int(users[-1].partition(":")[0]) > 0, recipe.name


def test_mounts_by_dockerfile(tmp_path: Path) -> None:
    """A build has mounts for the package managers its Dockerfile uses."""
    places = {mount.split(":")[1] for mount in machine.mounts("RUN pip install x", tmp_path)}
    assert {"/root", "/etc/apt/apt.conf.d"} <= places <= {"/root", "/etc/apt/apt.conf.d", "/etc/ssl/certs"}
    with_go = {mount.split(":")[1] for mount in machine.mounts(DOCKERFILE, tmp_path)}
    assert with_go - places == {"/usr/local/go", "/root/go/pkg/mod", "/root/.cache/go-build"}


def test_mounts_are_temporary(tmp_path: Path) -> None:
    """Files that a build writes to mounted settings folders are discarded."""
    assert all(mount.endswith(":O") for mount in machine.mounts("RUN npm ci", tmp_path))


def test_pip_settings_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """pip in a build uses the index from the environment."""
    monkeypatch.setattr(machine, "PIP_FILES", ())
    monkeypatch.setenv("PIP_INDEX_URL", "https://packages.example/simple")
    parser = configparser.RawConfigParser()
    parser.read_string(machine.pip_settings())
    assert parser["global"]["index-url"] == "https://packages.example/simple"
