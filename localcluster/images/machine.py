"""Settings of the machine for builds: certificates, package caches, and the configuration of package registries.

All are mounted into the RUN steps of a build; no image contains them.
"""

from __future__ import annotations

import configparser
import json
import os
import shutil
from pathlib import Path

from ..errors import LocalClusterError
from ..run import run

CERTIFICATES = Path("/etc/ssl/certs")
BUNDLE = CERTIFICATES / "ca-certificates.crt"
APT_SETTINGS = ("Acquire::http", "Acquire::https", "Acquire::Check-Date", "Acquire::Check-Valid-Until")
PIP_FILES = (Path("/etc/pip.conf"), Path("~/.config/pip/pip.conf"))
PIP_SETTINGS = ("index-url", "extra-index-url", "trusted-host")
GO_SETTINGS = ("GOPROXY", "GOSUMDB", "GOPRIVATE", "GONOSUMDB", "GONOPROXY")


def mounts(dockerfile: str, folder: Path) -> list[str]:
    """Return the `--volume` values for the RUN steps of a Dockerfile.

    The settings files are written to `folder`, which must exist until the build ends. Each is mounted over a folder of
    every image, with a temporary overlay (`O`): neither files written to the mount nor mount points enter the image.
    """
    settings = {
        "apt/99machine": apt_settings(),
        "home/.config/pip/pip.conf": pip_settings(),
        "home/.npmrc": npm_settings(),
    }
    found = _go(settings) if "GO_IMAGE" in dockerfile else []
    found += _maven(settings) if "MAVEN_IMAGE" in dockerfile else []
    for name, text in settings.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    if BUNDLE.exists():
        found.insert(0, f"{CERTIFICATES}:{CERTIFICATES}:O")
    return [f"{folder}/apt:/etc/apt/apt.conf.d:O", f"{folder}/home:/root:O", *found]


def apt_settings() -> str:
    """Return proxies and date checks of the machine's apt configuration, in apt's syntax."""
    lines = run(["apt-config", "dump"]).splitlines()
    return "".join(f"{line}\n" for line in lines if line.startswith(APT_SETTINGS) and not line.endswith(' "";'))


def pip_settings() -> str:
    """Return the machine's pip.conf with the PIP_… variables that name an index, and the machine's certificates."""
    parser = configparser.RawConfigParser()
    parser.read(file.expanduser() for file in PIP_FILES)
    settings = dict(parser["global"]) if parser.has_section("global") else {}
    for name in PIP_SETTINGS:
        if value := os.environ.get("PIP_" + name.upper().replace("-", "_")):
            settings[name] = value
    if BUNDLE.exists():
        settings["cert"] = str(BUNDLE)
    return "[global]\n" + "".join(f"{name} = {value}\n" for name, value in settings.items())


def npm_settings() -> str:
    """Return the user's .npmrc with the registry from the environment, and the machine's certificates."""
    file = Path("~/.npmrc").expanduser()
    text = file.read_text().rstrip() + "\n" if file.exists() else ""
    if registry := os.environ.get("NPM_CONFIG_REGISTRY"):
        text += f"registry={registry}\n"
    return text + (f"cafile={BUNDLE}\n" if BUNDLE.exists() else "")


def _go(settings: dict[str, str]) -> list[str]:
    """Return mounts of the machine's Go and its caches at the paths of the official image."""
    if not shutil.which("go"):
        raise LocalClusterError(
            "Go is needed to build this image. Install Go 1.26 or newer (go.dev/dl) and run this again."
        )
    environment = json.loads(run(["go", "env", "-json"]))
    chosen = (f"{name}={environment[name]}\n" for name in GO_SETTINGS if environment.get(name))
    settings["home/.config/go/env"] = "".join(chosen)
    for cache in ("GOMODCACHE", "GOCACHE"):
        Path(environment[cache]).mkdir(parents=True, exist_ok=True)
    return [
        f"{environment['GOROOT']}:/usr/local/go:ro",
        f"{environment['GOMODCACHE']}:/root/go/pkg/mod",
        f"{environment['GOCACHE']}:/root/.cache/go-build",
    ]


def _maven(settings: dict[str, str]) -> list[str]:
    """Return a mount of the machine's Maven repository; add the user's Maven settings to `settings`."""
    own = Path("~/.m2").expanduser()
    if (own / "settings.xml").exists():
        settings["home/.m2/settings.xml"] = (own / "settings.xml").read_text()
    (own / "repository").mkdir(parents=True, exist_ok=True)
    return [f"{own}/repository:/root/.m2/repository"]
