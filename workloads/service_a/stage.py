"""The stage of an image that makes service A's data: its database, loaded natively in the image's root tree."""

import logging
import shutil
from pathlib import Path

from testbed.cache import Cache, digest_files
from testbed.cache.checksums import identity
from testbed.images import confined, namespace, server
from testbed.images.namespace import run_inside
from workloads.service_a.dataset import Dataset
from workloads.service_a.settings import ServiceASettings

log = logging.getLogger(__name__)

FOLDER = Path(__file__).parent
TREE = tuple(Path(str(module.__file__)) for module in (confined, namespace, server))
"""How programs run in the root tree."""


def database_stage(cache: Cache, root: Path, dataset: Dataset, settings: ServiceASettings, limit_s: float) -> Path:
    """The folder with data.tar and expected.json for this dataset, root and query."""
    inputs = {
        "stage": "database",
        "version": 1,
        "root": [root.name, identity(root)],
        "dataset": dataset.identity,
        "title": settings.title,
        "buffer-pool": settings.buffer_pool,
        "recipe": digest_files(FOLDER / "database.py", FOLDER / "dataset", *TREE),
    }

    def build(folder: Path) -> None:
        log.info("image: loading %s (about half a minute)", dataset.label)
        files = folder / "dataset"
        files.mkdir()
        names = dataset.write(files)
        run_inside(
            "workloads.service_a.database",
            [
                "--root", root / "root.tar", "--dataset", files, "--title", settings.title,
                "--buffer-pool", settings.buffer_pool, "--out", folder,
                "--source", dataset.source, "--label", dataset.label,
                *(word for name in names for word in ("--rows", name)),
            ],
            log=folder / "build.log",
            timeout=limit_s,
        )  # fmt: skip
        shutil.rmtree(files)

    return cache.obtain("database", inputs, build)
