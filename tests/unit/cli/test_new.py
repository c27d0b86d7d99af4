"""Command `new`: files of a new service, forms of its name, and refused names."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from freehold.api import naming
from freehold.api.v1alpha1.microservice import Microservice
from freehold.cli.commands import new
from freehold.cli.main import freehold

from localcluster.images.recipes import copied, from_folder, inputs
from tests.unit.delivery.tilt import evaluate

TEMPLATES = Path(str(new.TEMPLATES))
LANGUAGES = sorted(folder.name for folder in TEMPLATES.iterdir() if folder.is_dir() and folder.name != "common")
LONGEST = "a-service-with-the-longest-name-there-is"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(freehold, ["new", *arguments])


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["n", "order-book", LONGEST])
def made(request: pytest.FixtureRequest, language: str, tmp_path: Path) -> Path:
    """The directory of a new service."""
    return new.make(request.param, language, tmp_path)


def files(folder: Path) -> dict[str, str]:
    """The texts of all files by path."""
    found = (file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): file.read_text() for file in found}


def test_new_replaces_template_name(made: Path) -> None:
    """No form of the template's name remains in texts or paths."""
    named = re.compile("example.?service", re.IGNORECASE)
    assert [path for path, text in files(made).items() if named.search(path) or named.search(text)] == []


def test_new_files(language: str) -> None:
    """A service has the files of the templates, without files created by work on the templates."""
    found = new.rendered("order-book", language)
    assert found.keys() >= {
        *(".dockerignore", ".gitignore", "Dockerfile", "Makefile", "README.md", "Tiltfile", "microservice.yaml"),
        *("migrations/0001_create_notes.sql", "proto/order_book/v1/notes.proto", "with-postgres"),
    }
    assert not [path for path in found if set(path.split("/")) & set(new.NOT_COPIED)]


def test_new_common_text_first(language: str) -> None:
    """In a file of both templates, the common text comes first."""
    makefile = new.rendered("order-book", language)["Makefile"]
    targets = re.findall(r"^\.PHONY: (\w+)$", makefile, re.MULTILINE)
    assert targets[:2] == ["help", "image"]
    assert {"generate", "lint", "test"} <= set(targets)


def test_new_scripts_are_executable(made: Path) -> None:
    """Exactly the scripts are executable."""
    runnable = {path for path in files(made) if (made / path).stat().st_mode & 0o111}
    assert runnable == {path for path, text in files(made).items() if text.startswith("#!")}
    assert "with-postgres" in runnable


def test_new_microservice_valid(made: Path) -> None:
    """The Microservice conforms to the schema and names the image of the directory."""
    body = yaml.safe_load((made / "microservice.yaml").read_text())
    spec = Microservice.model_validate({"spec": body["spec"]}).spec
    assert body["metadata"] == {"name": made.name}
    assert spec.image == from_folder(made).reference
    assert spec.database and spec.database.migrations
    assert spec.database.migrations.command == [made.name, "migrate"]


def test_new_image_inputs(made: Path) -> None:
    """The image is built from existing files."""
    assert inputs(from_folder(made)) != []
    assert "microservice.yaml" not in copied((made / "Dockerfile").read_text())


def test_new_tiltfile_image(made: Path) -> None:
    """Tilt builds the image of the Microservice."""
    calls = evaluate("kind-freehold", (made / "Tiltfile").read_text())
    (built,) = [given for call, given in calls if call == "docker_build"]
    (resource,) = [given for call, given in calls if call == "k8s_resource"]
    assert (built["ref"], resource["name"]) == (from_folder(made).reference.removesuffix(":dev"), made.name)


def test_new_python_style(tmp_path: Path) -> None:
    """A Python service passes its linters with names of any length."""
    ruff = Path(sys.executable).with_name("ruff")
    for name in ("n", "order-book", "zoo", LONGEST):
        folder = new.make(name, "python", tmp_path)
        for command in (["check"], ["format", "--check"]):
            done = subprocess.run([ruff, *command, "--no-cache", folder], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout


def test_new_go_style(tmp_path: Path) -> None:
    """A Go service is formatted with names of any length."""
    for name in ("n", "order-book", "zoo", LONGEST):
        folder = new.make(name, "go", tmp_path)
        assert subprocess.run(["gofmt", "-l", folder], capture_output=True, text=True, check=True).stdout == ""


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("notes", "notes"),
        ("order-book", "order_book"),
        *((word, f"{word}_service") for word in ("class", "import", "go", "package", "function", "logging", "grpc")),
    ],
)
def test_new_package_name_of_keyword(name: str, package: str) -> None:
    """A name that is a keyword or a module receives the suffix `_service` as a package."""
    assert new.forms(name)["example_service"] == package


def test_new_python_dependencies_are_taken() -> None:
    """The modules of all dependencies of the Python template are invalid package names."""
    locked = re.findall("^([a-z0-9-]+)==", (TEMPLATES / "python/requirements-dev.lock").read_text(), re.MULTILINE)
    modules = {name.replace("-", "_") for name in locked if not name.startswith(("types-", "grpcio", "protobuf"))}
    assert {"psycopg", "pytest"} < modules <= new.TAKEN


@pytest.mark.parametrize("name", ["Notes", "1st", "order_book", "-a", "a-", "", "ä", "a" * 41, "notes\n", "../notes"])
def test_new_name_refused_like_api(name: str, tmp_path: Path) -> None:
    """A name that the API refuses is refused with the message of the API."""
    done = run("--lang=go", f"--out={tmp_path}", "--", name)
    assert (done.exit_code, list(tmp_path.iterdir())) == (2, [])
    assert f"metadata.name '{name}' must be at most 40 lower-case letters, digits and hyphens" in done.stderr


@pytest.mark.parametrize("name", ["database", "my-database", "my-database-2"])
def test_new_name_of_database(name: str, tmp_path: Path) -> None:
    """Names of databases are refused with the message of the API."""
    done = run(name, "--lang=go", f"--out={tmp_path}")
    assert (done.exit_code, done.stderr) == (2, f"Error: {naming.refusal(name)}\n")


@pytest.mark.parametrize("name", new.PROGRAMS)
def test_new_name_of_interpreter(name: str, tmp_path: Path) -> None:
    """Names of interpreters are refused."""
    done = run(name, "--lang=python", f"--out={tmp_path}")
    assert done.exit_code == 2
    assert f"a new service cannot have the name '{name}'" in done.stderr


def test_new_existing_directory(tmp_path: Path) -> None:
    """An existing directory is not changed."""
    folder = tmp_path / "notes"
    folder.mkdir()
    done = run("notes", "--lang=go", f"--out={tmp_path}")
    assert done.exit_code == 2
    assert done.stderr == f"Error: {folder} exists and was not changed; name another directory with --out\n"
    assert list(folder.iterdir()) == []


def test_new_prints_next_commands(tmp_path: Path) -> None:
    """The output names the directory and the next commands."""
    done = run("order-book", "--lang=go", f"--out={tmp_path / 'services'}")
    assert done.exit_code == 0
    first, _, *following = done.stdout.splitlines()
    assert first.startswith(f"Created {tmp_path / 'services/order-book'}/ (go): ")
    words = ("cd ", "make lint test", "make image", "kubectl apply -f microservice.yaml", "status order-book")
    assert all(word in line for word, line in zip(words, following, strict=True))


def test_new_templates_in_wheel(tmp_path: Path) -> None:
    """The wheel contains all files of the templates, dotfiles included."""
    root = Path(__file__).parents[3]
    program = f"import hatchling.build; print(hatchling.build.build_wheel({str(tmp_path)!r}))"
    subprocess.run([sys.executable, "-c", program], cwd=root, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    shutil.unpack_archive(wheel, tmp_path / "unpacked", format="zip")
    tracked = subprocess.run(["git", "ls-files", TEMPLATES], cwd=root, check=True, capture_output=True, text=True)
    expected = {str((root / line).relative_to(TEMPLATES)) for line in tracked.stdout.splitlines()}
    assert files(tmp_path / "unpacked/freehold/scaffold").keys() == expected
