"""The manifests are what a cluster takes, under the strictest of its standards for pods, and fit together."""

from __future__ import annotations

import re
from typing import Any

import pytest
from cli_words import assert_is_taken
from manifests import FILES, Manifest, beside, manifests

ALL = manifests()
WITH_PODS = [one for one in ALL if one.pod]
CONTAINERS = [pytest.param(one, container, id=f"{one.label}-{container['name']}")
              for one in WITH_PODS for container in one.containers]
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
#: Kinds of volume that the restricted standard for pods leaves.
_VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}

every_object = pytest.mark.parametrize("manifest", ALL, ids=lambda one: one.label)
every_pod = pytest.mark.parametrize("manifest", WITH_PODS, ids=lambda one: one.label)
every_container = pytest.mark.parametrize(("manifest", "container"), CONTAINERS)


def test_there_are_manifests_with_pods() -> None:
    assert "sidecar" in {path.stem for path in FILES}
    assert {path.stem for path in FILES} >= {one.file.stem for one in WITH_PODS} >= {"sidecar"}


@every_object
def test_the_published_schema_of_the_api_takes_it(manifest: Manifest) -> None:
    schemas = pytest.importorskip("kubernetes_validate", reason="not installed: pip install kubernetes-validate")
    if manifest.is_built_in:
        schemas.validate(manifest.data, schemas.latest_version(), strict=True)


@every_object
def test_names_can_be_names(manifest: Manifest) -> None:
    assert all(_LABEL.fullmatch(part) for part in manifest.name.split("."))
    if manifest.kind == "ConfigMap":
        assert all(_CONFIG_KEY.fullmatch(key) for key in manifest.data["data"])
        assert all(isinstance(value, str) for value in manifest.data["data"].values())


@every_object
def test_no_secret_is_written_down(manifest: Manifest) -> None:
    assert manifest.kind != "Secret"


@every_pod
def test_the_pod_keeps_to_the_restricted_standard(manifest: Manifest) -> None:
    pod = manifest.pod or {}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & {name for name, value in pod.items() if value}
    assert all(set(volume) - {"name"} <= _VOLUMES for volume in pod.get("volumes", []))
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
    assert pod["automountServiceAccountToken"] is False


@every_container
def test_the_container_keeps_to_the_restricted_standard(manifest: Manifest, container: dict[str, Any]) -> None:
    security = container["securityContext"]
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert security["readOnlyRootFilesystem"] is True
    assert not security.get("privileged")
    assert security.get("runAsUser", 65532) > 0
    assert not any("hostPort" in port for port in container.get("ports", []))


@every_container
def test_the_container_is_bounded_and_pinned(manifest: Manifest, container: dict[str, Any]) -> None:
    assert container["resources"]["limits"]["memory"]
    assert {"cpu", "memory"} <= set(container["resources"]["requests"])
    tag = container["image"].rpartition("/")[2].partition(":")[2]
    assert re.fullmatch(r"v?\d+(\.\d+)+[-.\w]*", tag)


@every_container
def test_what_is_mounted_exists(manifest: Manifest, container: dict[str, Any]) -> None:
    volumes = {volume["name"]: volume for volume in (manifest.pod or {}).get("volumes", [])}
    configs = {one.name: one.data["data"] for one in beside(manifest, "ConfigMap")}
    for mount in container.get("volumeMounts", []):
        config = volumes[mount["name"]].get("configMap")
        if config:
            assert mount["readOnly"] is True
            assert {item["key"] for item in config.get("items", [])} <= set(configs[config["name"]])


@every_container
def test_what_is_asked_for_health_is_a_port_of_the_container(manifest: Manifest, container: dict[str, Any]) -> None:
    ports = {port["name"] for port in container.get("ports", [])} | {
        port["containerPort"] for port in container.get("ports", [])}
    probes = [probe for name, probe in container.items() if name.endswith("Probe")]
    for probe in probes:
        (asked,) = [probe[kind] for kind in ("httpGet", "tcpSocket", "grpc") if kind in probe]
        assert asked["port"] in ports
    if "iam-guard" in container["image"]:
        assert {"readinessProbe", "livenessProbe"} <= set(container)


@every_container
def test_what_is_run_exists(manifest: Manifest, container: dict[str, Any], tmp_path_factory: Any) -> None:
    if "iam-guard" in container["image"]:
        file = tmp_path_factory.mktemp("etc") / "iam-guard.yaml"
        file.touch()
        assert "command" not in container
        mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
        words = container["args"]
        named = [word for word in words if word.startswith("/")]
        assert named
        assert all(any(word.startswith(f"{mount}/") for mount in mounts) for word in named)
        assert_is_taken([str(file) if word in named else word for word in words])


@every_pod
def test_selectors_find_the_pod(manifest: Manifest) -> None:
    if manifest.kind != "Pod":
        labels = manifest.data["spec"]["template"]["metadata"]["labels"]
        selected = manifest.data["spec"]["selector"]["matchLabels"]
        assert selected.items() <= labels.items()
        services = list(beside(manifest, "Service"))
        matching = [one for one in services if one.data["spec"]["selector"].items() <= labels.items()]
        ports = {port["name"] for container in manifest.containers for port in container.get("ports", [])}
        assert matching
        assert {port["targetPort"] for one in matching for port in one.data["spec"]["ports"]} <= ports


def test_the_application_of_the_sidecar_is_reached_through_the_guard_only() -> None:
    (deployment,) = [one for one in WITH_PODS if one.file.stem == "sidecar"]
    ports = {container["name"]: container.get("ports", []) for container in deployment.containers}
    assert ports["app"] == []
    assert len(ports["guard"]) > 0
