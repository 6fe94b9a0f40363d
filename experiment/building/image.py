"""The image of a configuration: the dataset, and the services' stages that load it, between testbed's root and disk."""

from pathlib import Path

from configuration.load import Configuration
from testbed.cache import Cache
from testbed.images.image import Image, disk_stage, root_stage
from workloads.service_a import dataset as employees
from workloads.service_a.dataset import Dataset
from workloads.service_a.stage import database_stage
from workloads.services import SERVICES


def resolve(configuration: Configuration, cache: Cache) -> Dataset:
    """The dataset that the configuration stands for on this machine, now."""
    with cache.own("dataset") as folder:
        return employees.resolve(configuration.dataset, folder)


def build_image(
    cache: Cache, configuration: Configuration, dataset: Dataset, service: str = "service_a"
) -> tuple[Image, Path]:
    """The image of a service (all stages), and the folder of the stage that made its data."""
    own, limit_s = configuration.service_a, configuration.limits.build_s
    root = root_stage(cache, configuration.guest.suite)
    data = database_stage(cache, root, dataset, own, limit_s)
    if stage := SERVICES[service].stage:
        data = stage(cache, root, data, own.title, limit_s)
    return disk_stage(cache, root, data, configuration.guest.root_gb, configuration.guest.swap_mib), data
