"""The Tiltfile: what it asks of Tilt, and that what it names is there. Tilt itself is not run."""

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
"""Made by a `…-compile` resource before anything reads it."""


def calls(context: str, name: str) -> list[Given]:
    return [given for call, given in evaluate(context) if call == name]


def builds(context: str) -> dict[str, Given]:
    """Image → how it is built."""
    found = calls(context, "docker_build") + calls(context, "custom_build")
    return {given["ref"].removeprefix("localhost/freehold/"): given for given in found}


def resources(context: str) -> dict[str, Given]:
    return {given["name"]: given for given in calls(context, "k8s_resource")}


def watched(build: Given) -> list[str]:
    """The files whose change makes Tilt do something about an image."""
    return list(build.get("only") or build["deps"])


def paths(context: str) -> Iterator[str]:
    """Every file and folder of the project that any call names."""
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
def test_every_file_it_names_exists(context: str) -> None:
    named = set(paths(context))
    assert len(named) > 20
    assert sorted(path for path in named if not (ROOT / path).exists() and not MADE.match(path)) == []


def test_it_runs_against_the_two_clusters_of_a_desk_alone() -> None:
    assert calls(KIND, "allow_k8s_contexts") == [{"contexts": [KIND, LOCAL]}]


def test_docker_builds_for_kind_and_buildah_for_the_local_cluster() -> None:
    assert {given["ref"] for given in calls(KIND, "docker_build")} == {f"localhost/freehold/{name}" for name in IMAGES}
    assert not calls(KIND, "custom_build") and not calls(LOCAL, "docker_build")
    for given in calls(LOCAL, "custom_build"):
        assert given["skips_local_docker"] and given["disable_push"]
        assert given["command"][-1] == given["outputs_image_ref_to"]


@pytest.mark.parametrize("name", IMAGES)
def test_both_builders_make_the_same_image(name: str) -> None:
    docker, buildah = builds(KIND)[name], builds(LOCAL)[name]
    assert docker["contents"] == buildah["contents"]
    assert docker["live_update"] == buildah["live_update"]
    assert {*docker["only"], *path_of(name)} == set(buildah["deps"])


@pytest.mark.parametrize("name", ["operator", "users"])
def test_the_name_of_a_local_image_follows_what_it_is_made_from(name: str, tmp_path: Path) -> None:
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
def test_an_image_sees_what_its_dockerfile_copies_and_nothing_more(name: str) -> None:
    build = builds(KIND)[name]
    wanted = set(copied(build["contents"]))
    assert wanted - set(build["only"]) == set(), "copied, but not in the build's context"
    assert set(build["only"]) - wanted == set(), "in the build's context, but copied by nothing"


@pytest.mark.parametrize("name", IMAGES)
def test_a_change_of_code_is_synced_and_restarts_the_command(name: str) -> None:
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
def test_live_update_follows_tilts_rules_of_order_and_reach(name: str) -> None:
    build = builds(KIND)[name]
    order = [step["step"] for step in build["live_update"]]
    assert order == sorted(order, key=["fall_back_on", "sync", "run"].index)
    for step in steps(build, "fall_back_on"):
        assert all(any(file.startswith(root) for root in watched(build)) for file in step["files"])


@pytest.mark.parametrize("name", ["payments", "invoices", "storefront"])
def test_what_is_compiled_is_compiled_before_and_its_sources_build_no_image(name: str) -> None:
    (compile_,) = [one for one in calls(KIND, "local_resource") if one["name"] == f"{name}-compile"]
    assert compile_["name"] in resources(KIND)[name]["resource_deps"]
    assert set(compile_["deps"]) <= {step["from"] for step in steps(builds(KIND)[name], "sync")}


def test_the_services_mirror_each_other() -> None:
    found = resources(KIND)
    for name in SERVICES:
        body = yaml.safe_load((ROOT / f"manifests/examples/shop/{name}.yaml").read_text())
        consumed = [one["name"] for one in body["spec"].get("consumes", [])]
        assert (body["metadata"]["name"], body["kind"]) == (name, "Microservice")
        assert body["spec"]["image"].startswith(f"localhost/freehold/{name}:")
        assert found[name]["labels"] == ["shop"]
        assert found[name]["resource_deps"][: 1 + len(consumed)] == ["freehold", *consumed]
        assert found[name]["discovery_strategy"] == "selectors-only"
        assert found[name]["extra_pod_selectors"]["app.kubernetes.io/component"] == "service"
        assert found[name]["extra_pod_selectors"]["app.kubernetes.io/instance"] == name


def test_tilt_finds_the_image_in_the_resource_and_waits_for_its_pods() -> None:
    assert calls(KIND, "k8s_kind") == [
        {
            "kind": "Microservice",
            "api_version": "freehold.dev/v1alpha1",
            "image_json_path": "{.spec.image}",
            "pod_readiness": "wait",
        }
    ]


def test_every_object_of_the_chart_is_with_the_operator_or_the_canaries() -> None:
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


def test_a_built_in_that_tilt_does_not_have_is_found_out() -> None:
    with pytest.raises(starlark_go.EvalError, match="unexpected keyword argument"):
        evaluate(KIND, "docker_build('x', '.', narrow=['y'])")
