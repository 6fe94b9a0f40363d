"""What cells are forked from: image and warm snapshots, from the cache or built."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from configuration.condition import Base
from configuration.load import Configuration
from configuration.plan import Cell
from experiment import cell as cells
from experiment.building.image import build_image, resolve
from experiment.building.preflight import refuse_early
from experiment.building.snapshot import Snapshot, warm_snapshot
from experiment.progress import Progress
from testbed.accelerator import Accelerator, choose
from testbed.cache import Cache
from testbed.images.image import KERNEL, Image, root_stage
from workloads.request import Expected
from workloads.service_a.dataset import Dataset


@dataclass(frozen=True)
class Prepared:
    """What cells are forked from; with the cache, whose entries they are and stay."""

    cache: Cache
    image: Image
    accelerator: Accelerator
    dataset: Dataset
    expected: Expected
    snapshots: dict[str, Snapshot]  # by their base's name

    def task(
        self,
        cell: Cell,
        configuration: Configuration,
        folder: Path,
        scratch: Path,
        host: str = "",
        guests: int = 1,
    ) -> cells.Task:
        """The task of a cell whose records go to ``folder`` and whose overlays go to ``scratch``."""
        settings = configuration.for_condition(cell.condition)
        return cells.Task(
            cell=cell,
            settings=settings,
            snapshot=self.snapshots[settings.base.name],
            accelerator=self.accelerator.name,
            expected=self.expected,
            folder=folder,
            scratch=scratch,
            host=host,
            guests=guests,
        )


def prepare(cache: Cache, configuration: Configuration, wanted: Sequence[Base], progress: Progress) -> Prepared:
    """Image and the warm snapshots ``wanted``: from the cache, or built."""
    refuse_early(configuration)
    progress.stage("dataset")
    dataset = resolve(configuration, cache)
    progress.stage("root of the image, for its kernel")
    root = root_stage(cache, configuration.guest.suite)
    accelerator = choose(configuration.testbed.accelerator, root / KERNEL, cache.directory)
    progress.stage(f"accelerator: {accelerator.name} ({accelerator.reason})")
    progress.stage(f"image with {dataset.label}")
    image, data = build_image(cache, configuration, dataset)
    images = {"service_a": image}
    expected = Expected(**json.loads((data / "expected.json").read_text()))
    snapshots = {}
    for base in wanted:
        report = partial(lambda name, text: progress.stage(f"warm snapshot {name}: {text}"), base.name)
        if base.service not in images:
            progress.stage(f"image with {dataset.label} for {base.service}")
            images[base.service], _ = build_image(cache, configuration, dataset, base.service)
        settings = configuration.for_base(base)
        snapshots[base.name] = warm_snapshot(cache, settings, images[base.service], accelerator, expected, report)
    return Prepared(cache, image, accelerator, dataset, expected, snapshots)
