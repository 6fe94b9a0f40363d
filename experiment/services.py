"""The services that alpha pushes out: how each is deployed, and the image with its data."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from configuration.resolved import SnapshotSettings
from testbed.shell import File, Shell
from workloads.service_a import deploy as service_a
from workloads.service_c import deploy as service_c
from workloads.topology import WORKLOADS


@dataclass(frozen=True)
class Service:
    """``files``: what it consists of besides packages and data. ``wait_ready``: see the deploy modules."""

    files: Callable[[SnapshotSettings], list[File]]
    wait_ready: Callable[[Shell, str | None, float], None]


def files_of_a(own: SnapshotSettings) -> list[File]:
    settings = own.service_a
    return service_a.files(service_a.ServiceA(settings.buffer_pool, settings.title, settings.httpd_processes))


def files_of_c(own: SnapshotSettings) -> list[File]:
    settings = own.service_c
    title = own.service_a.title
    return service_c.files(service_c.ServiceC(title, settings.httpd_processes, settings.application_processes))


SERVICES = {
    "service_a": Service(files_of_a, service_a.wait_ready),
    "service_c": Service(files_of_c, service_c.wait_ready),
}
# What a service's state in a guest depends on besides its settings.
RECIPE = tuple(path for name in SERVICES for path in (WORKLOADS / name / "files", Path(WORKLOADS / name / "deploy.py")))
