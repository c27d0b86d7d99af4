"""A service to begin with, made from the folders of freehold/scaffold.

A template is itself a service, named `example-service`, and each of its files is what it looks like. A new service gets
the files of `common` and those of its language; where both have a file, the language's text follows the common one.
Nothing is replaced but the name, in the forms that `forms` lists, in texts and in paths.
"""

from __future__ import annotations

import keyword
import sys
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from freehold.api import naming
from freehold.views.errors import Failure

TEMPLATES = files("freehold") / "scaffold"
NOT_COPIED = (".venv", "__pycache__", "node_modules", "gen", "target", "dist")
"""What working on a template leaves beside its files."""
PROGRAMS = ("java", "node", "python", "python3")
"""What runs services in their images; a command of that name would run in its place."""
PYTHON = """ast_serialize colorama conftest google grpc grpc_health grpc_reflection grpc_tools harness iniconfig librt
mypy mypy_extensions mypy_protobuf mypyc packaging pathspec pip pluggy psycopg psycopg_binary psycopg_pool py pygments
pytest pytest_timeout ruff setuptools test tests typing_extensions tzdata"""
"""The modules that the Python template has or installs."""
GO = "chan const defer fallthrough func go interface map package range select struct switch type var"
JAVA = """abstract boolean byte case catch char com const default dev do double enum extends final float goto implements
instanceof int interface io long native new null org package private protected public short static strictfp super switch
synchronized this throw throws transient true false void volatile"""
JAVASCRIPT = "arguments debugger delete eval export function let typeof undefined var"
TAKEN = {*keyword.kwlist, *sys.stdlib_module_names, *f"{PYTHON} {GO} {JAVA} {JAVASCRIPT}".split()}
"""What no package can be called in one of the languages: their words, and in Python the modules there are."""


def make(name: str, language: str, where: Path) -> Path:
    """Makes the folder of a service, and returns it. Raises Failure for a name or a place that cannot be had."""
    if said := refusal(name):
        raise Failure(said)
    service, folder = rendered(name, language), where / name
    try:
        folder.mkdir(parents=True)
    except FileExistsError as error:
        raise Failure(f"{folder} exists, and nothing there was changed; name another place by --out") from error
    except OSError as error:
        raise Failure(f"{folder} cannot be made: {error.strerror}") from error
    for path, text in service.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        if text.startswith("#!"):
            file.chmod(0o755)
    return folder


def refusal(name: str) -> str | None:
    """Why there can be no service of this name, in the API server's words where it would refuse it."""
    if name in PROGRAMS:
        return f"a new service is not named '{name}', like the program that runs services of that language"
    return naming.refusal(name)


def rendered(name: str, language: str) -> dict[str, str]:
    """Path from the service's folder → text."""
    service: dict[str, str] = {}
    for folder in ("common", language):
        for path, text in _texts(TEMPLATES / folder, ""):
            path, text = (_named(one, name) for one in (path, text))
            service[path] = f"{service[path]}\n{text}" if path in service else text
    return service


def forms(name: str) -> dict[str, str]:
    """How the name is written in a template → how it is written for a service."""
    package = name.replace("-", "_")
    package = f"{package}_service" if package in TAKEN else package
    return {
        "example-service": name,
        "example_service": package,
        "EXAMPLE_SERVICE": name.upper().replace("-", "_"),
        "ExampleService": "".join(word.capitalize() for word in package.split("_")),
    }


def _named(text: str, name: str) -> str:
    for written, form in forms(name).items():
        text = text.replace(written, form)
    return text


def _texts(folder: Traversable, path: str) -> Iterator[tuple[str, str]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_file():
            yield path + entry.name, entry.read_text(encoding="utf-8")
        elif entry.name not in NOT_COPIED and not entry.name.endswith("_cache"):
            yield from _texts(entry, f"{path}{entry.name}/")


def text(folder: Path, name: str, language: str) -> Iterator[str]:
    """What was made, and what to do next."""
    yield f"Made {folder}/ ({language}): a service that keeps notes, with its contract, migration, tests and image"
    yield ""
    yield f"Next   cd {folder}"
    yield "       make lint test                        README.md says what they need"
    yield f"       make image                            localhost/freehold/{name}:dev"
    yield "       kubectl apply -f microservice.yaml    into the namespace that -n names"
    yield f"       kubectl freehold status {name}"
