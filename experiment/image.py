"""The image of a configuration: the dataset, and the stage that loads it, between testbed's root and disk."""

import logging
import shutil
from pathlib import Path

from configuration.load import Configuration
from testbed.cache import Cache, digest_files
from testbed.cache.checksums import identity
from testbed.images import confined, namespace, server
from testbed.images.image import Image, disk_stage, root_stage
from testbed.images.namespace import run_inside
from workloads.service_a import dataset as employees
from workloads.service_a.dataset import Dataset, DatasetSettings

log = logging.getLogger(__name__)

SERVICE = Path(employees.__file__).parent.parent
SERVICE_C = SERVICE.parent / "service_c"
TREE = [Path(str(module.__file__)) for module in (confined, namespace, server)]
"""How programs run in the root tree."""


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
    with cache.own("dataset") as folder:
        return employees.resolve(settings, folder)


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
        "recipe": digest_files(SERVICE / "database.py", SERVICE / "dataset", *TREE),
    }

    def build(folder: Path) -> None:
        log.info("image: loading %s (about half a minute)", dataset.label)
        files = folder / "dataset"
        files.mkdir()
        names = dataset.write(files)
        run_inside(
            "workloads.service_a.database",
            [
                "--root", root / "root.tar", "--dataset", files, "--title", service.title,
                "--buffer-pool", service.buffer_pool, "--out", folder,
                "--source", dataset.source, "--label", dataset.label,
                *(word for name in names for word in ("--rows", name)),
            ],
            log=folder / "build.log",
            timeout=configuration.limits.build_s,
        )  # fmt: skip
        shutil.rmtree(files)

    return cache.obtain("database", inputs, build)


def service_c_stage(cache: Cache, configuration: Configuration, root: Path, database: Path) -> Path:
    """The folder with service C's data.tar and expected.json, made from service A's database."""
    folder, title = SERVICE_C, configuration.service_a.title
    inputs = {
        "stage": "service_c",
        "version": 1,
        "root": [root.name, identity(root)],
        "database": [database.name, identity(database)],
        "title": title,
        "recipe": digest_files(
            folder / "database.py", folder / "commands.sql", folder / "deploy.py", folder / "files",
            SERVICE / "database.py", *TREE,
        ),
    }  # fmt: skip

    def build(out: Path) -> None:
        log.info("image: service C's data (about 20 s)")
        run_inside(
            "workloads.service_c.database",
            ["--root", root / "root.tar", "--database", database, "--title", title, "--out", out],
            log=out / "build.log",
            timeout=configuration.limits.build_s,
        )

    return cache.obtain("service_c", inputs, build)


def build_image(
    cache: Cache, configuration: Configuration, dataset: Dataset, service: str = "service_a"
) -> tuple[Image, Path]:
    """The image of a service (all stages), and the folder of the stage that made its data."""
    root = root_stage(cache, configuration.guest.suite)
    data = database_stage(cache, configuration, root, dataset)
    if service == "service_c":
        data = service_c_stage(cache, configuration, root, data)
    image = disk_stage(cache, root, data, configuration.guest.root_gb, configuration.guest.swap_mib)
    return image, data
