"""The Tiltfile's calls of Tilt, and the files that they name. Tilt is not run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import starlark_go
import yaml

from hack import tilt_image
from hack.generate import ROOT
from localcluster.images.recipes import copied
from localcluster.paths import DEFAULT_NAME
from tests.unit.delivery.helm import render
from tests.unit.delivery.tilt import Given, evaluate

KIND, LOCAL = "kind-freehold", DEFAULT_NAME
SERVICES = ("users", "payments", "invoices", "storefront")
IMAGES = ("operator", *SERVICES)
MADE = re.compile(r"^services/\w+/dist$")
"""Folders that a `…-compile` resource creates first."""


def calls(context: str, name: str) -> list[Given]:
    return [given for call, given in evaluate(context) if call == name]


def builds(context: str) -> dict[str, Given]:
    """Return the arguments of each image's build."""
    found = calls(context, "docker_build") + calls(context, "custom_build")
    return {given["ref"].removeprefix("localhost/freehold/"): given for given in found}


def resources(context: str) -> dict[str, Given]:
    return {given["name"]: given for given in calls(context, "k8s_resource")}


def watched(build: Given) -> list[str]:
    """Return the files that Tilt watches for an image."""
    return list(build.get("only") or build["deps"])


def paths(context: str) -> Iterator[str]:
    """Yield every file and folder that a call names."""
    for call, given in evaluate(context):
        for key in ("only", "deps", "file_path", "pathToChartDir", "dir"):
            named = given.get(key, [])
            yield from [named] if isinstance(named, str) else named
        if call == "k8s_yaml" and isinstance(given["yaml"], str):
            yield given["yaml"]
        for step in given.get("live_update", []):
            yield from [step["from"]] if "from" in step else step.get("files", step.get("trigger"))


def steps(build: Given, kind: str) -> list[Given]:
    return [step for step in build["live_update"] if step["step"] == kind]


@pytest.mark.parametrize("context", [KIND, LOCAL])
def test_named_files_exist(context: str) -> None:
    """Every file that the Tiltfile names exists."""
    named = set(paths(context))
    assert len(named) > 20
    assert sorted(path for path in named if not (ROOT / path).exists() and not MADE.match(path)) == []


def test_contexts_allowed() -> None:
    """Only kind's and the local cluster's contexts are allowed."""
    assert calls(KIND, "allow_k8s_contexts") == [{"contexts": [KIND, LOCAL]}]


def test_builder_by_cluster() -> None:
    """Docker builds for kind, and buildah for the local cluster."""
    assert {given["ref"] for given in calls(KIND, "docker_build")} == {f"localhost/freehold/{name}" for name in IMAGES}
    assert not calls(KIND, "custom_build") and not calls(LOCAL, "docker_build")
    for given in calls(LOCAL, "custom_build"):
        assert given["skips_local_docker"] and given["disable_push"]
        assert given["command"][-1] == given["outputs_image_ref_to"]


@pytest.mark.parametrize("name", IMAGES)
def test_builders_equivalent(name: str) -> None:
    """Both builders use the same Dockerfile, sources and live updates."""
    docker, buildah = builds(KIND)[name], builds(LOCAL)[name]
    assert docker["contents"] == buildah["contents"]
    assert docker["live_update"] == buildah["live_update"]
    assert {*docker["only"], *path_of(name)} == set(buildah["deps"])


@pytest.mark.parametrize("name", ["operator", "users"])
def test_local_image_name_by_content(name: str, tmp_path: Path) -> None:
    """The name of a local image changes with its Dockerfile."""
    file = tmp_path / "Dockerfile"
    contents = builds(LOCAL)[name]["contents"]
    references = []
    for text in (contents, contents, f"{contents}\nENV CHANGED=yes"):
        file.write_text(text)
        references.append(tilt_image.recipe(name, file).reference)
    assert re.fullmatch(rf"localhost/freehold/{name}:live-[0-9a-f]{{12}}", references[0])
    assert references[0] == references[1] != references[2]


def path_of(name: str) -> list[str]:
    return ["operator/Dockerfile" if name == "operator" else f"services/{name}/Dockerfile"]


@pytest.mark.parametrize("name", IMAGES)
def test_build_context_is_what_is_copied(name: str) -> None:
    """The build context contains exactly the files that the Dockerfile copies."""
    build = builds(KIND)[name]
    wanted = set(copied(build["contents"]))
    assert wanted - set(build["only"]) == set(), "copied, but not in the build's context"
    assert set(build["only"]) - wanted == set(), "in the build's context, but copied by nothing"


@pytest.mark.parametrize("name", IMAGES)
def test_code_synced_and_restarted(name: str) -> None:
    """A change of code is synced, and restarts the command."""
    build = builds(KIND)[name]
    synced = {step["from"]: step["to"] for step in steps(build, "sync")}
    (restart,) = steps(build, "run")
    (live,) = restart["trigger"]
    assert restart["cmd"] == "kill -USR1 1"
    assert synced[live].startswith("/tmp/live/")
    assert f"COPY {live} {synced[live].replace('/tmp', '', 1)}" in build["contents"]
    *_, entrypoint = re.findall(r"^ENTRYPOINT (.+)$", build["contents"], re.MULTILINE)
    assert json.loads(entrypoint)[:3] == ["live", "/live", "/tmp/live"]


@pytest.mark.parametrize("name", IMAGES)
def test_live_update_order(name: str) -> None:
    """Steps of live updates are in Tilt's order, and name watched files."""
    build = builds(KIND)[name]
    order = [step["step"] for step in build["live_update"]]
    assert order == sorted(order, key=["fall_back_on", "sync", "run"].index)
    for step in steps(build, "fall_back_on"):
        assert all(any(file.startswith(root) for root in watched(build)) for file in step["files"])


@pytest.mark.parametrize("name", ["payments", "invoices", "storefront"])
def test_compiled_services_compiled_first(name: str) -> None:
    """Compiled services are compiled first, and their sources are synced without a build."""
    (compile_,) = [given for given in calls(KIND, "local_resource") if given["name"] == f"{name}-compile"]
    assert compile_["name"] in resources(KIND)[name]["resource_deps"]
    assert set(compile_["deps"]) <= {step["from"] for step in steps(builds(KIND)[name], "sync")}


def test_services_alike() -> None:
    """All services of the shop have the same kind of resource, dependencies and selectors."""
    found = resources(KIND)
    for name in SERVICES:
        body = yaml.safe_load((ROOT / f"manifests/examples/shop/{name}.yaml").read_text())
        consumed = [provider["name"] for provider in body["spec"].get("consumes", [])]
        assert (body["metadata"]["name"], body["kind"]) == (name, "Microservice")
        assert body["spec"]["image"].startswith(f"localhost/freehold/{name}:")
        assert found[name]["labels"] == ["shop"]
        assert found[name]["resource_deps"][: 1 + len(consumed)] == ["freehold", *consumed]
        assert found[name]["discovery_strategy"] == "selectors-only"
        assert found[name]["extra_pod_selectors"]["app.kubernetes.io/component"] == "service"
        assert found[name]["extra_pod_selectors"]["app.kubernetes.io/instance"] == name


def test_microservice_kind_declared() -> None:
    """Tilt knows where a Microservice names the image, and waits for the pods."""
    assert calls(KIND, "k8s_kind") == [
        {
            "kind": "Microservice",
            "api_version": "freehold.dev/v1alpha1",
            "image_json_path": "{.spec.image}",
            "pod_readiness": "wait",
        }
    ]


def test_chart_objects_assigned() -> None:
    """Every object of the chart belongs to the resource of the operator or the canaries."""
    (chart,) = calls(KIND, "helm")
    objects = render(*chart["set"])
    expected = {f"{body['metadata']['name']}:{body['kind'].lower()}" for body in objects}
    # Tilt finds workloads, and the Services in front of them, by itself.
    expected -= {"freehold:deployment", "freehold-canary:daemonset", "freehold-canary:service"}
    placed = {*resources(KIND)["freehold"]["objects"], *resources(KIND)["freehold-canary"]["objects"]}
    assert placed - {"freehold-system:namespace"} == expected
    assert resources(KIND)["freehold"]["resource_deps"] == ["crd", "postgres"]


@pytest.mark.parametrize(("context", "command"), [(KIND, "kind load docker-image"), (LOCAL, "localcluster")])
def test_the_image_of_databases_is_put_on_the_nodes(context: str, command: str) -> None:
    """No manifest names it, so that Tilt does not know that it is needed."""
    (load,) = [one for one in calls(context, "local_resource") if one["name"] == "postgres"]
    assert command in load["cmd"] and "postgres" in load["cmd"]


def test_unknown_parameter_refused() -> None:
    """A parameter that Tilt does not have is refused."""
    with pytest.raises(starlark_go.EvalError, match="unexpected keyword argument"):
        evaluate(KIND, "docker_build('x', '.', narrow=['y'])")
