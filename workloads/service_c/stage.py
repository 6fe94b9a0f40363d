"""The stage of an image that makes service C's data: Valkey's dump, from service A's database."""

import logging
from pathlib import Path

from testbed.cache import Cache, digest_files
from testbed.cache.checksums import identity
from testbed.images.namespace import run_inside
from workloads.service_a import stage as service_a

log = logging.getLogger(__name__)

FOLDER = Path(__file__).parent


def valkey_stage(cache: Cache, root: Path, database: Path, title: str, limit_s: float) -> Path:
    """The folder with data.tar and expected.json, made from that of service A's database."""
    parts = ("database.py", "commands.sql", "deploy.py", "files")
    inputs = {
        "stage": "service_c",
        "version": 1,
        "root": [root.name, identity(root)],
        "database": [database.name, identity(database)],
        "title": title,
        "recipe": digest_files(*(FOLDER / part for part in parts), service_a.FOLDER / "database.py", *service_a.TREE),
    }

    def build(out: Path) -> None:
        log.info("image: service C's data (about 20 s)")
        run_inside(
            "workloads.service_c.database",
            ["--root", root / "root.tar", "--database", database, "--title", title, "--out", out],
            log=out / "build.log",
            timeout=limit_s,
        )

    return cache.obtain("service_c", inputs, build)
