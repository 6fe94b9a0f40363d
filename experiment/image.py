"""The image of a configuration: the dataset, and the stage that loads it, between testbed's root and disk."""

import logging
import shutil
from pathlib import Path

from experiment.config import Configuration
from testbed.cache import Cache, digest_files
from testbed.checksums import identity
from testbed.image import Image, disk_stage, root_stage
from testbed.namespace import run_inside
from workloads.service_a import dataset as employees
from workloads.service_a.dataset import Dataset, DatasetSettings

log = logging.getLogger(__name__)

SERVICE = Path(employees.__file__).parent.parent


def resolve(configuration: Configuration, cache: Cache) -> Dataset:
    """The dataset that the configuration stands for on this machine, now."""
    section = configuration.dataset
    settings = DatasetSettings(
        source=section.source,
        path=Path(section.path).expanduser() if section.path else None,
        seed=section.seed,
        repository=section.repository,
        commit=section.commit,
        timeout_s=section.timeout_s,
    )
    return employees.resolve(settings, cache.directory / "dataset")


def database_stage(cache: Cache, configuration: Configuration, root: Path, dataset: Dataset) -> Path:
    """The folder with data.tar and expected.json for this dataset, root and query."""
    service = configuration.service_a
    inputs = {
        "stage": "database",
        "version": 1,
        "root": [root.name, identity(root)],
        "dataset": dataset.identity,
        "title": service.title,
        "buffer-pool": service.buffer_pool,
        "recipe": digest_files(SERVICE / "database.py", SERVICE / "dataset"),
    }

    def build(folder: Path) -> None:
        log.info("image: loading %s (about half a minute)", dataset.label)
        files = folder / "dataset"
        files.mkdir()
        scripts = dataset.write(files)
        run_inside(
            "workloads.service_a.database",
            [
                "--root", root / "root.tar", "--dataset", files, "--title", service.title,
                "--buffer-pool", service.buffer_pool, "--out", folder,
                "--source", dataset.source, "--label", dataset.label,
                *(word for script in scripts for word in ("--script", script)),
            ],
            log=folder / "build.log",
            timeout=configuration.limits.build_s,
        )  # fmt: skip
        shutil.rmtree(files)

    return cache.obtain("database", inputs, build)


def build_image(cache: Cache, configuration: Configuration, dataset: Dataset) -> tuple[Image, Path]:
    """The image (all stages), and the database stage's folder."""
    root = root_stage(cache, configuration.guest.suite)
    data = database_stage(cache, configuration, root, dataset)
    image = disk_stage(cache, root, data, configuration.guest.root_gb, configuration.guest.swap_mib)
    return image, data
