"""HAProxy: the one that is installed, or Debian's package, unpacked into a cache of the user."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sysconfig
from collections.abc import Mapping
from pathlib import Path

SECONDS = 120


def find_haproxy() -> tuple[Path, Mapping[str, str]] | str:
    """The program and its environment, or why there is none."""
    if installed := shutil.which("haproxy"):
        return Path(installed), {}
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        return "HAProxy is not installed, and this is not Debian, whose package could be unpacked"
    folder = _cache()
    program = folder / "usr/sbin/haproxy"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test files run at the same time
        if not program.exists() and (fault := _unpack(folder)):
            return f"HAProxy is not installed, and Debian's package cannot be had: {fault}"
    multiarch = sysconfig.get_config_var("MULTIARCH") or ""
    return program, {"LD_LIBRARY_PATH": str(folder / "usr/lib" / multiarch)}


def _cache() -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "iam-guard-tests" / "haproxy"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _unpack(folder: Path) -> str:
    """Download and unpack; the fault, if there is one."""
    try:
        for package in _packages():
            _said(folder, "apt-get", "download", package)
        # The program last: who finds it finds everything.
        for archive in sorted(folder.glob("*.deb"), key=lambda one: one.name.startswith("haproxy")):
            _said(folder, "dpkg-deb", "-x", archive.name, ".")
    except subprocess.CalledProcessError as error:
        return str(error.stderr).strip().rpartition("\n")[2]
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return ""


def _packages() -> list[str]:
    """The package, and those of its libraries that this machine does not have."""
    needed = _said(Path.cwd(), "apt-cache", "depends", "--recurse", "--no-recommends", "--no-suggests",
                   "--no-conflicts", "--no-breaks", "--no-replaces", "--no-enhances", "haproxy").splitlines()
    installed = _said(Path.cwd(), "dpkg-query", "-W", "-f", "${Package}\n").splitlines()
    return ["haproxy", *sorted({name for name in needed if name.startswith("lib")} - set(installed))]


def _said(folder: Path, *command: str) -> str:
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=SECONDS).stdout
