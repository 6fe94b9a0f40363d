"""What a run was made with and on: written into every result."""

import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import libvirt

import measure.install
import prefetch.install
import workloads.alpha.install
from configuration.load import Configuration
from experiment.building.prepare import Prepared
from experiment.run_folder import Store
from testbed.accelerator import machine_key
from testbed.cache import digest_files
from testbed.errors import HostError, UsageError
from testbed.process import PROJECT, run


def make_manifest(prepared: Prepared) -> dict[str, Any]:
    """What cells that are forked from ``prepared`` are made with and on, as JSON values."""
    accelerator, dataset, image = prepared.accelerator, prepared.dataset, prepared.image
    machine = machine_key()
    memory_kib = next(
        (int(line.split()[1]) for line in Path("/proc/meminfo").read_text().splitlines() if "MemTotal" in line),
        0,
    )
    return {
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
            "snapshots": {base: snapshot.folder.name for base, snapshot in prepared.snapshots.items()},
            "alpha": digest_files(workloads.alpha.install.BINARY),
            "sampler": digest_files(measure.install.BINARY),
            "prefetcher": digest_files(*prefetch.install.BINARIES),
        },
        "git": git_state(),
    }


def suite_used(configuration: Configuration) -> dict[str, Any]:
    """For the manifest: the suites' names, none with conditions of one's own, and what was run of them."""
    return {
        "names": [] if configuration.run.conditions else list(configuration.run.suite),
        "conditions": list(configuration.conditions),
        "replicates": configuration.replicates,
    }


def of_hosts(manifests: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """One manifest of several hosts': the first one's, with the sources' digest, each host's own below ``hosts``.

    Raises UsageError if the cells of two of them could not stand in one table.
    """
    (first_name, one), *others = sorted(manifests.items())
    for name, other in others:
        if differ := changes(labels(one), labels(other)):
            raise UsageError(
                f"hosts {first_name} and {name} differ:\n    " + "\n    ".join(differ),
                "make them alike, or start no worker on one of them",
            )
    own = ("host", "accelerator", "accelerator_reason", "guest", "digests", "git", "guests")
    first = {key: value for key, value in one.items() if key != "name"}
    hosts = {name: {key: manifest[key] for key in own} for name, manifest in sorted(manifests.items())}
    return {**first, "digests": {"sources": sources()}, "hosts": hosts}


def accept(store: Store, manifest: dict[str, Any]) -> None:
    """Write a new run's manifest, or add hosts to it; refuse to go on with a run that was made with something else.

    Raises UsageError.
    """
    before = store.manifest()
    changed: list[str] = []
    if before:
        changed += changes(before.get("digests", {}), manifest["digests"])
        changed += changes(labels(before), labels(manifest))
    hosts = {**before.get("hosts", {}), **manifest.get("hosts", {})}
    for name, now in manifest.get("hosts", {}).items():
        if name in before.get("hosts", {}):
            changed += [f"{name}: {line}" for line in changes(before["hosts"][name]["digests"], now["digests"])]
    if changed:
        raise UsageError(
            f"run {store.run} was made with other programs or images, so its cells cannot be compared:\n    "
            + "\n    ".join(changed),
            "start a new run: python run.py",
        )
    if not before:
        store.write_manifest(manifest)
    elif hosts != before.get("hosts", {}):
        store.write_manifest({**before, "hosts": hosts})


def labels(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What stands on every figure of a run, so that it must be that of every cell."""
    return {
        "accelerator": manifest.get("accelerator"),
        "dataset": manifest.get("dataset", {}).get("identity"),
        "guest kernel": manifest.get("guest", {}).get("kernel"),
    }


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [f"{key}: {before.get(key)} -> {value}" for key, value in now.items() if before.get(key) != value]


def sources() -> str:
    """SHA-256 (hex) of this program's own files, without what is built of them."""
    parts = (
        "guest_c", "testbed", "workloads", "prefetch", "measure", "peers", "configuration", "analysis", "experiment"
    )  # fmt: skip
    files = [path for part in parts for path in sorted((PROJECT / part).rglob("*")) if path.is_file()]
    return digest_files(*(path for path in files if not {"build", "__pycache__"} & {*path.parts}))


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
    if not (PROJECT / ".git").exists():
        return {"commit": None, "changed": None}
    git: list[str | Path] = ["git", "-c", f"safe.directory={PROJECT}", "-C", PROJECT]
    try:
        return {
            "commit": run([*git, "rev-parse", "HEAD"]).strip(),
            "changed": bool(run([*git, "status", "--porcelain"]).strip()),
        }
    except HostError:
        return {"commit": None, "changed": None}
