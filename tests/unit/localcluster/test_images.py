"""What an image is made from is read off its Dockerfile: these readings, and what must change the fingerprint."""

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


def marks(recipe: Recipe) -> str:
    return recipes.fingerprint(recipe, recipes.by_name())


def test_copied_names_what_comes_from_the_context_and_from_no_other_stage() -> None:
    assert recipes.copied(DOCKERFILE) == ["go.mod", "go.sum", "src", "page.html"]


def test_parents_are_the_arguments_a_dockerfile_declares(recipe: Recipe) -> None:
    assert recipe.parents == {"BASE": "base", "GO_IMAGE": "base"}


def test_inputs_are_the_copied_files_without_the_ignored(recipe: Recipe) -> None:
    (recipe.context / "src/main.pyc").write_text("")
    found = [str(file.relative_to(recipe.context)) for file in recipes.inputs(recipe)]
    assert found == ["go.mod", "go.sum", "page.html", "src/deep/er.go", "src/main.go"]


@pytest.mark.parametrize("file", ["not-copied", "src/.venv/junk"])
def test_a_file_that_is_not_copied_changes_nothing(recipe: Recipe, file: str) -> None:
    before = marks(recipe)
    (recipe.context / file).write_text("other")
    assert marks(recipe) == before


@pytest.mark.parametrize("file", ["src/deep/er.go", "Dockerfile", "go.sum"])
def test_an_input_changes_the_fingerprint(recipe: Recipe, file: str) -> None:
    before = marks(recipe)
    path = recipe.context / file
    path.write_text(path.read_text() + "\n# more")
    assert marks(recipe) != before


def test_a_renamed_file_and_an_executable_bit_change_the_fingerprint(recipe: Recipe) -> None:
    seen = {marks(recipe)}
    (recipe.context / "src/main.go").chmod(0o755)
    seen.add(marks(recipe))
    (recipe.context / "src/main.go").rename(recipe.context / "src/other.go")
    seen.add(marks(recipe))
    assert len(seen) == 3


def test_a_parent_changes_the_fingerprint(recipe: Recipe) -> None:
    known = recipes.by_name()
    newer = {**known, "base": dataclasses.replace(known["base"], fill_version=lambda: "newer")}
    assert recipes.fingerprint(recipe, newer) != recipes.fingerprint(recipe, known)


def test_a_missing_source_is_named(recipe: Recipe) -> None:
    (recipe.context / "page.html").unlink()
    with pytest.raises(LocalClusterError, match=r"copies page\.html, which is not in"):
        marks(recipe)


def test_an_ignored_name_that_builders_understand_differently_is_refused(recipe: Recipe) -> None:
    (recipe.context / ".dockerignore").write_text("node_modules\n")
    with pytest.raises(LocalClusterError, match=r"'node_modules' must have the form \*\*/NAME"):
        marks(recipe)


def test_an_unknown_image_is_refused_with_the_known_ones() -> None:
    with pytest.raises(LocalClusterError, match=r"no image is named postgers; there are: base, .*postgres"):
        images.reference("postgers")


def test_the_image_of_a_folder_is_called_after_it(recipe: Recipe) -> None:
    folder = recipe.context.rename(recipe.context.with_name("order-book"))
    found = recipes.from_folder(folder)
    assert (found.reference, found.context) == ("localhost/freehold/order-book:dev", folder)
    assert "src/main.go" in {str(file.relative_to(folder)) for file in recipes.inputs(found)}


@pytest.mark.parametrize(("name", "sentence"), [("users", "of Freehold's own"), ("empty", "has no Dockerfile")])
def test_a_folder_that_is_no_image_of_its_own_is_refused(tmp_path: Path, name: str, sentence: str) -> None:
    (tmp_path / "users").mkdir()
    (tmp_path / "users/Dockerfile").touch()
    with pytest.raises(LocalClusterError, match=sentence):
        recipes.from_folder(tmp_path / name)


def test_references_carry_the_version_of_the_pinned_module() -> None:
    assert images.reference("postgres") == "localhost/freehold/postgres:15"
    pins = (recipes.HERE.parent / "tools/system/go.mod").read_text()
    version = images.reference("coredns").removeprefix("localhost/freehold/coredns:")
    assert f"github.com/coredns/coredns v{version}" in pins


def test_an_archive_is_named_by_image_tag_and_fingerprint(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FREEHOLD_CACHE", "/cache")
    assert builder.archive(recipe, recipes.by_name()) == Path(f"/cache/images/thing-dev-{marks(recipe)}.tar")


def test_every_image_of_the_project_has_a_numeric_user() -> None:
    """Pod Security 'restricted' refuses a user it cannot tell from root; parents run as root."""
    for recipe in recipes.by_name().values():
        if recipe.name not in ("base", "maven", "node"):
            users = [rest for word, rest in recipes.instructions(recipe.dockerfile.read_text()) if word == "USER"]
            assert users, recipe.name
            assert int(users[-1].partition(":")[0]) > 0, recipe.name


def test_a_dockerfile_gets_the_mounts_of_what_it_uses(tmp_path: Path) -> None:
    places = {mount.split(":")[1] for mount in machine.mounts("RUN pip install x", tmp_path)}
    assert {"/root", "/etc/apt/apt.conf.d"} <= places <= {"/root", "/etc/apt/apt.conf.d", "/etc/ssl/certs"}
    with_go = {mount.split(":")[1] for mount in machine.mounts(DOCKERFILE, tmp_path)}
    assert with_go - places == {"/usr/local/go", "/root/go/pkg/mod", "/root/.cache/go-build"}


def test_what_a_build_writes_over_the_machines_settings_is_thrown_away(tmp_path: Path) -> None:
    assert all(mount.endswith(":O") for mount in machine.mounts("RUN npm ci", tmp_path))


def test_pip_is_told_the_index_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "PIP_FILES", ())
    monkeypatch.setenv("PIP_INDEX_URL", "https://packages.example/simple")
    parser = configparser.RawConfigParser()
    parser.read_string(machine.pip_settings())
    assert parser["global"]["index-url"] == "https://packages.example/simple"
