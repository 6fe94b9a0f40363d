"""What a run was made with and on: written into every result."""

import os
import platform
import time
from pathlib import Path
from typing import Any

import libvirt

import measure.install
import prefetch.install
import workloads.alpha.install
from testbed.accelerator import Accelerator, machine_key
from testbed.cache import digest_files
from testbed.errors import HostError
from testbed.image import Image
from testbed.process import run
from workloads.service_a.dataset import Dataset

PROJECT = Path(__file__).resolve().parent.parent


def make_manifest(
    name: str, accelerator: Accelerator, dataset: Dataset, image: Image, snapshots: dict[str, str]
) -> dict[str, Any]:
    """The manifest as JSON values; ``snapshots`` maps a base to its cache entry's name."""
    machine = machine_key()
    memory_kib = next(
        (int(line.split()[1]) for line in Path("/proc/meminfo").read_text().splitlines() if "MemTotal" in line),
        0,
    )
    return {
        "run": name,
        "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "accelerator": accelerator.name,
        "accelerator_reason": accelerator.reason,
        "dataset": {"source": dataset.source, "identity": dataset.identity, "label": dataset.label},
        "guest": {"kernel": image.kernel_release, "packages": image.packages},
        "host": {
            "cpu": machine["cpu"].partition(":")[2].strip(),
            "cores": os.cpu_count(),
            "memory_mib": memory_kib // 1024,
            "kernel": platform.release(),
            "system": system_name(),
            "python": platform.python_version(),
            "qemu": machine["qemu"],
            "libvirt": libvirt_version(),
        },
        "digests": {
            "image": image.folder.name,
            "snapshots": snapshots,
            "alpha": digest_files(workloads.alpha.install.BINARY),
            "sampler": digest_files(measure.install.BINARY),
            "prefetcher": digest_files(*prefetch.install.BINARIES),
        },
        "git": git_state(),
    }


def system_name() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "unknown")
    except OSError:
        return "unknown"


def libvirt_version() -> str:
    number = libvirt.getVersion()
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"


def git_state() -> dict[str, Any]:
    """Commit and whether the tree was changed; None outside a checkout."""
    git: list[str | Path] = ["git", "-c", f"safe.directory={PROJECT}", "-C", PROJECT]
    try:
        return {
            "commit": run([*git, "rev-parse", "HEAD"]).strip(),
            "changed": bool(run([*git, "status", "--porcelain"]).strip()),
        }
    except HostError:
        return {"commit": None, "changed": None}
