"""Kubernetes manifests: what they hold, and what a kubelet would make of their volumes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from integration_runs import INTEGRATIONS

FILES = sorted((INTEGRATIONS / "kubernetes").glob("*.yaml"))
#: Where in a kind of object a pod is described.
_PODS = {"Pod": ("spec",), "Deployment": ("spec", "template", "spec"), "DaemonSet": ("spec", "template", "spec"),
         "StatefulSet": ("spec", "template", "spec")}
#: Groups of the API that every cluster has end so, or have no dot.
_BUILT_IN = ".k8s.io"


@dataclass(frozen=True)
class Manifest:
    """One object.

    Attributes:
        file: Where it stands.
        data: What it says.
    """

    file: Path
    data: dict[str, Any]

    @property
    def kind(self) -> str:
        return str(self.data["kind"])

    @property
    def name(self) -> str:
        return str(self.data["metadata"]["name"])

    @property
    def label(self) -> str:
        return f"{self.file.stem}-{self.kind}-{self.name}"

    @property
    def is_built_in(self) -> bool:
        group = str(self.data["apiVersion"]).rpartition("/")[0]
        return "." not in group or group.endswith(_BUILT_IN)

    @property
    def pod(self) -> dict[str, Any] | None:
        """What it says about pods, if it makes some."""
        found: Any = self.data
        for member in _PODS.get(self.kind, ("nothing",)):
            found = found.get(member)
        return found

    @property
    def containers(self) -> list[dict[str, Any]]:
        pod = self.pod or {}
        return [*pod.get("initContainers", []), *pod.get("containers", [])]


def manifests() -> list[Manifest]:
    """All objects of all files."""
    return [Manifest(path, data) for path in FILES for data in yaml.safe_load_all(path.read_text("utf-8")) if data]


def beside(manifest: Manifest, kind: str) -> Iterator[Manifest]:
    """Objects of a kind in the same file."""
    return (one for one in manifests() if one.file == manifest.file and one.kind == kind)


class Mounted:
    """The volume of a ConfigMap in a container, swapped as a whole by way of links, as a kubelet does it.

    Args:
        folder: Where it is mounted.
        volume: What the pod says about it.
        config: The ConfigMap.
    """

    def __init__(self, folder: Path, volume: dict[str, Any], config: dict[str, str]) -> None:
        self._folder = folder
        self._items = volume["configMap"].get("items") or [{"key": key, "path": key} for key in config]
        self._versions = 0
        self.put(config)
        for top in {item["path"].split("/")[0] for item in self._items}:
            (folder / top).symlink_to(f"..data/{top}")

    def put(self, config: dict[str, str]) -> None:
        """Show another version of the ConfigMap."""
        self._versions += 1
        version = self._folder / f"..version_{self._versions}"
        for item in self._items:
            path = version / item["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(config[item["key"]], "utf-8")
        (self._folder / "..data_tmp").symlink_to(version.name)
        os.replace(self._folder / "..data_tmp", self._folder / "..data")
