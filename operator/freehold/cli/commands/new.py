"""Command `new`: a new service from the templates in freehold/scaffold.

Each template is a complete service with the name `example-service`. A new service receives the files of `common` and of
its language; of a file in both, the common text comes first. Only the name is replaced, in texts and paths, in the
forms listed by `forms`.
"""

from __future__ import annotations

import keyword
import sys
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import click

from freehold.api import naming
from freehold.views.errors import Failure

TEMPLATES = files("freehold") / "scaffold"
NOT_COPIED = (".venv", "__pycache__", "node_modules", "gen", "target", "dist")
"""Files created by work on a template."""
PROGRAMS = ("java", "node", "python", "python3")
"""Interpreters in the images of services; the command of a service with such a name would replace them."""
PYTHON = """ast_serialize colorama conftest google grpc grpc_health grpc_reflection grpc_tools harness iniconfig librt
mypy mypy_extensions mypy_protobuf mypyc packaging pathspec pip pluggy psycopg psycopg_binary psycopg_pool py pygments
pytest pytest_timeout ruff setuptools test tests typing_extensions tzdata"""
"""The modules in the Python template and its dependencies."""
GO = "chan const defer fallthrough func go interface map package range select struct switch type var"
JAVA = """abstract boolean byte case catch char com const default dev do double enum extends final float goto implements
instanceof int interface io long native new null org package private protected public short static strictfp super switch
synchronized this throw throws transient true false void volatile"""
JAVASCRIPT = "arguments debugger delete eval export function let typeof undefined var"
TAKEN = {*keyword.kwlist, *sys.stdlib_module_names, *f"{PYTHON} {GO} {JAVA} {JAVASCRIPT}".split()}
"""Invalid package names: the keywords of all languages, and Python's existing modules."""


def run(name: str, language: str, where: Path) -> None:
    """Create a service and print the next commands."""
    folder = make(name, language, where)
    click.echo("\n".join(text(folder, name, language)))


def make(name: str, language: str, where: Path) -> Path:
    """Create and return the directory of a service. Raises Failure for an invalid name or an existing directory."""
    if message := refusal(name):
        raise Failure(message)
    service, folder = rendered(name, language), where / name
    try:
        folder.mkdir(parents=True)
    except FileExistsError as error:
        raise Failure(f"{folder} exists and was not changed; name another directory with --out") from error
    except OSError as error:
        raise Failure(f"{folder} cannot be created: {error.strerror}") from error
    for path, text in service.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        if text.startswith("#!"):
            file.chmod(0o755)
    return folder


def refusal(name: str) -> str | None:
    """The reason to refuse a name, or None; for names that the API refuses, the message of the API."""
    if name in PROGRAMS:
        return f"a new service cannot have the name '{name}': an interpreter in its image has the same name"
    return naming.refusal(name)


def rendered(name: str, language: str) -> dict[str, str]:
    """The texts of a new service by path, relative to its directory."""
    service: dict[str, str] = {}
    for folder in ("common", language):
        for path, text in _texts(TEMPLATES / folder, ""):
            path, text = (_rename(path, name), _rename(text, name))
            service[path] = f"{service[path]}\n{text}" if path in service else text
    return service


def forms(name: str) -> dict[str, str]:
    """The forms of the template's name, with the same forms of a service's name."""
    package = name.replace("-", "_")
    package = f"{package}_service" if package in TAKEN else package
    return {
        "example-service": name,
        "example_service": package,
        "EXAMPLE_SERVICE": name.upper().replace("-", "_"),
        "ExampleService": "".join(word.capitalize() for word in package.split("_")),
    }


def _rename(text: str, name: str) -> str:
    for old, new in forms(name).items():
        text = text.replace(old, new)
    return text


def _texts(folder: Traversable, path: str) -> Iterator[tuple[str, str]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_file():
            yield path + entry.name, entry.read_text(encoding="utf-8")
        elif entry.name not in NOT_COPIED and not entry.name.endswith("_cache"):
            yield from _texts(entry, f"{path}{entry.name}/")


def text(folder: Path, name: str, language: str) -> Iterator[str]:
    """The lines about a new service and the next commands."""
    yield f"Created {folder}/ ({language}): a service that stores notes, with contract, migration, tests and image"
    yield ""
    yield f"Next   cd {folder}"
    yield "       make lint test                        README.md lists their requirements"
    yield f"       make image                            localhost/freehold/{name}:dev"
    yield "       kubectl apply -f microservice.yaml    -n selects the namespace"
    yield f"       kubectl freehold status {name}"
