"""`freehold new`: which files a service gets, how its name is written in them, and what is refused."""

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
    """The folder of a new service."""
    return new.make(request.param, language, tmp_path)


def files(folder: Path) -> dict[str, str]:
    found = (file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): file.read_text() for file in found}


def test_no_form_of_the_templates_name_is_left(made: Path) -> None:
    named = re.compile("example.?service", re.IGNORECASE)
    assert [path for path, text in files(made).items() if named.search(path) or named.search(text)] == []


def test_a_service_has_what_the_templates_have_and_nothing_that_work_left_there(language: str) -> None:
    found = new.rendered("order-book", language)
    assert found.keys() >= {
        *(".dockerignore", ".gitignore", "Dockerfile", "Makefile", "README.md", "Tiltfile", "microservice.yaml"),
        *("migrations/0001_create_notes.sql", "proto/order_book/v1/notes.proto", "with-postgres"),
    }
    assert not [path for path in found if set(path.split("/")) & set(new.NOT_COPIED)]


def test_a_text_of_a_language_follows_the_common_one(language: str) -> None:
    makefile = new.rendered("order-book", language)["Makefile"]
    targets = re.findall(r"^\.PHONY: (\w+)$", makefile, re.MULTILINE)
    assert targets[:2] == ["help", "image"]
    assert {"generate", "lint", "test"} <= set(targets)


def test_scripts_can_be_run(made: Path) -> None:
    runnable = {path for path in files(made) if (made / path).stat().st_mode & 0o111}
    assert runnable == {path for path, text in files(made).items() if text.startswith("#!")}
    assert "with-postgres" in runnable


def test_the_resource_is_one_that_the_operator_takes(made: Path) -> None:
    body = yaml.safe_load((made / "microservice.yaml").read_text())
    spec = Microservice.model_validate({"spec": body["spec"]}).spec
    assert body["metadata"] == {"name": made.name}
    assert spec.image == from_folder(made).reference
    assert spec.database and spec.database.migrations
    assert spec.database.migrations.command == [made.name, "migrate"]


def test_its_image_is_built_from_files_it_has(made: Path) -> None:
    assert inputs(from_folder(made)) != []
    assert "microservice.yaml" not in copied((made / "Dockerfile").read_text())


def test_tilt_builds_the_image_that_the_resource_names(made: Path) -> None:
    calls = evaluate("kind-freehold", (made / "Tiltfile").read_text())
    (built,) = [given for call, given in calls if call == "docker_build"]
    (resource,) = [given for call, given in calls if call == "k8s_resource"]
    assert (built["ref"], resource["name"]) == (from_folder(made).reference.removesuffix(":dev"), made.name)


def test_the_style_of_a_python_service_does_not_depend_on_its_name(tmp_path: Path) -> None:
    ruff = Path(sys.executable).with_name("ruff")
    for name in ("n", "order-book", "zoo", LONGEST):
        folder = new.make(name, "python", tmp_path)
        for command in (["check"], ["format", "--check"]):
            done = subprocess.run([ruff, *command, "--no-cache", folder], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout


def test_the_style_of_a_go_service_does_not_depend_on_its_name(tmp_path: Path) -> None:
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
def test_a_package_is_no_word_that_a_language_has_taken(name: str, package: str) -> None:
    assert new.forms(name)["example_service"] == package


def test_no_package_hides_one_that_the_python_template_installs() -> None:
    locked = re.findall("^([a-z0-9-]+)==", (TEMPLATES / "python/requirements-dev.lock").read_text(), re.MULTILINE)
    modules = {name.replace("-", "_") for name in locked if not name.startswith(("types-", "grpcio", "protobuf"))}
    assert {"psycopg", "pytest"} < modules <= new.TAKEN


@pytest.mark.parametrize("name", ["Notes", "1st", "order_book", "-a", "a-", "", "ä", "a" * 41, "notes\n", "../notes"])
def test_a_name_that_the_api_refuses_is_refused_in_its_words(name: str, tmp_path: Path) -> None:
    done = run("--lang=go", f"--out={tmp_path}", "--", name)
    assert (done.exit_code, list(tmp_path.iterdir())) == (2, [])
    assert f"metadata.name '{name}' must be at most 40 lower-case letters, digits and hyphens" in done.stderr


@pytest.mark.parametrize("name", ["database", "my-database", "my-database-2"])
def test_the_names_of_databases_are_refused(name: str, tmp_path: Path) -> None:
    done = run(name, "--lang=go", f"--out={tmp_path}")
    assert (done.exit_code, done.stderr) == (2, f"Error: {naming.refusal(name)}\n")


@pytest.mark.parametrize("name", new.PROGRAMS)
def test_what_runs_services_is_not_the_name_of_one(name: str, tmp_path: Path) -> None:
    done = run(name, "--lang=python", f"--out={tmp_path}")
    assert done.exit_code == 2
    assert f"a new service is not named '{name}'" in done.stderr


def test_what_exists_is_left_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    done = run("notes", "--lang=go", f"--out={tmp_path}")
    assert done.exit_code == 2
    assert done.stderr == f"Error: {folder} exists, and nothing there was changed; name another place by --out\n"
    assert list(folder.iterdir()) == []


def test_it_says_what_was_made_and_what_is_next(tmp_path: Path) -> None:
    done = run("order-book", "--lang=go", f"--out={tmp_path / 'services'}")
    assert done.exit_code == 0
    first, _, *following = done.stdout.splitlines()
    assert first.startswith(f"Made {tmp_path / 'services/order-book'}/ (go): ")
    words = ("cd ", "make lint test", "make image", "kubectl apply -f microservice.yaml", "status order-book")
    assert all(word in line for word, line in zip(words, following, strict=True))


def test_the_wheel_has_the_templates(tmp_path: Path) -> None:
    """What `pip install .` installs, dotfiles included."""
    root = Path(__file__).parents[3]
    program = f"import hatchling.build; print(hatchling.build.build_wheel({str(tmp_path)!r}))"
    subprocess.run([sys.executable, "-c", program], cwd=root, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    shutil.unpack_archive(wheel, tmp_path / "unpacked", format="zip")
    tracked = subprocess.run(["git", "ls-files", TEMPLATES], cwd=root, check=True, capture_output=True, text=True)
    expected = {str((root / line).relative_to(TEMPLATES)) for line in tracked.stdout.splitlines()}
    assert files(tmp_path / "unpacked/freehold/scaffold").keys() == expected
