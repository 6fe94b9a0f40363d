"""From a plan to results: image, warm snapshots, then every cell that is not done yet."""

import json
import logging
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from analysis.redraw import redraw
from analysis.study import study
from experiment import cell as cells
from experiment.condition import Base
from experiment.config import Configuration
from experiment.image import build_image, resolve
from experiment.manifest import make_manifest
from experiment.plan import Cell, Plan
from experiment.progress import Progress
from experiment.snapshot import Snapshot, warm_snapshot
from experiment.store import UNSUPPORTED, Store
from testbed import host
from testbed.accelerator import Accelerator, choose
from testbed.cache import Cache
from testbed.errors import RunStopped, UsageError
from testbed.image import Image
from workloads.service_a.dataset import Dataset
from workloads.service_a.request import Expected

log = logging.getLogger(__name__)

CELL_MB = 20  # beyond what is usual: a console at its limit
ROOT_WRITES_MB = 500  # of a guest's overlay of the root disk: a few, usually


class InThisThread(Executor):
    """An executor that does the work at once: Ctrl-C reaches the cell, which then ends in order."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@dataclass(frozen=True)
class Prepared:
    """What cells are forked from."""

    image: Image
    accelerator: Accelerator
    dataset: Dataset
    expected: Expected
    snapshots: dict[str, Snapshot]  # by their base's name

    def task(self, cell: Cell, configuration: Configuration, folder: Path, scratch: Path) -> cells.Task:
        """The task of a cell whose records go to ``folder`` and whose overlays go to ``scratch``."""
        return cells.Task(
            cell,
            configuration,
            self.snapshots[configuration.condition[cell.condition].base.name],
            self.accelerator.name,
            self.expected,
            folder,
            scratch,
        )


def prepare(cache: Cache, configuration: Configuration, wanted: Sequence[Base], progress: Progress) -> Prepared:
    """Image and the warm snapshots ``wanted``: from the cache, or built."""
    progress.stage("dataset")
    dataset = resolve(configuration, cache)
    progress.stage(f"image with {dataset.label}")
    image, data = build_image(cache, configuration, dataset)
    images = {"service_a": image}
    expected = Expected(**json.loads((data / "expected.json").read_text()))
    accelerator = choose(configuration.testbed.accelerator, image.kernel, cache.directory)
    progress.stage(f"accelerator: {accelerator.name} ({accelerator.reason})")
    snapshots = {}
    for base in wanted:
        report = partial(lambda name, text: progress.stage(f"warm snapshot {name}: {text}"), base.name)
        if base.service not in images:
            progress.stage(f"image with {dataset.label} for {base.service}")
            images[base.service], _ = build_image(cache, configuration, dataset, base.service)
        made_from = (images[base.service], accelerator, base, expected)
        snapshots[base.name] = warm_snapshot(cache, configuration, *made_from, report)
    return Prepared(image, accelerator, dataset, expected, snapshots)


def run(
    store: Store,
    cache: Cache,
    configuration: Configuration,
    prepared: Prepared,
    progress: Progress,
    executor: Executor,
    on_failure: cells.FailureSeen = lambda _guest, _reason: None,
) -> int:
    """Run what is left of a run's plan; the answer is how many of its cells do not count.

    Figures and tables are rewritten after every block. Raises UsageError when the run's image has changed, RunStopped
    when cells keep failing in the same way, DiskFull before a cell for which there is no room.
    """
    plan = store.plan()
    names = {base: snapshot.folder.name for base, snapshot in prepared.snapshots.items()}
    manifest = make_manifest(store.run, prepared.accelerator, prepared.dataset, prepared.image, names)
    accept(store, {**manifest, "suite": suite_used(configuration)})
    scratch = cache.directory / "guests"
    scratch.mkdir(mode=0o700, exist_ok=True)
    attempts = configuration.retry.cell_attempts
    streak = Streak(configuration.retry.same_failures)
    for replicate in sorted({cell.replicate for cell in plan.cells}):
        block = [cell for cell in remaining(store, plan) if cell.replicate == replicate]
        for cell in block:
            for attempt in range(1, attempts + 1):
                store.set_aside(cell)
                require_rooms(store, scratch, configuration)
                progress.begin(cell, attempt)
                task = prepared.task(cell, configuration, store.cell_folder(cell), scratch)
                outcome = executor.submit(cells.perform, task, progress.step, progress.tick, on_failure).result()
                settled = outcome.valid or outcome.kind == UNSUPPORTED
                progress.end(outcome, last_attempt=settled or attempt == attempts)
                streak.add(outcome)
                if settled:
                    break
        if block:
            draw(store.folder, configuration)
    return len(remaining(store, plan))


class Streak:
    """Failures in a row of the same kind: after ``most`` of them the next would be wasted."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kind = ""
        self._count = 0

    def add(self, outcome: cells.Outcome) -> None:
        """Raises RunStopped at the last of them."""
        if outcome.kind == UNSUPPORTED:
            return
        self._count = self._count + 1 if outcome.kind == self._kind else 1
        self._kind = outcome.kind
        if self._kind and self._count >= self._most:
            raise RunStopped(
                f"{self._count} failures in a row of the same kind, {self._kind}: {first_line(outcome.reason)}",
                f"look into evidence/ of {outcome.cell.name} and of failed/, mend it, then go on with --resume",
            )


def first_line(text: str) -> str:
    return text.partition("\n")[0]


def require_rooms(store: Store, scratch: Path, configuration: Configuration) -> None:
    """Raises DiskFull unless there is room for a cell's records and for what its guest may write."""
    host.require_room(store.folder, CELL_MB + configuration.estimate.cell_mb)
    host.require_room(scratch, ROOT_WRITES_MB + 1.05 * configuration.guest.swap_mib)


def suite_used(configuration: Configuration) -> dict[str, Any]:
    """For the manifest: the suites' names, none with conditions of one's own, and what was run of them."""
    return {
        "names": [] if configuration.run.conditions else list(configuration.run.suite),
        "conditions": list(configuration.conditions),
        "replicates": configuration.replicates,
    }


def accept(store: Store, manifest: dict[str, Any]) -> None:
    """Write a new run's manifest; refuse to go on with a run that was made with something else."""
    before = store.manifest()
    if not before:
        store.write_manifest(manifest)
        return
    changed = [
        f"{key}: {before.get('digests', {}).get(key)} -> {value}"
        for key, value in manifest["digests"].items()
        if before.get("digests", {}).get(key) != value
    ]
    if changed:
        raise UsageError(
            f"run {store.run} was made with other programs or images, so its cells cannot be compared:\n    "
            + "\n    ".join(changed),
            "start a new run: python run.py",
        )


def draw(folder: Path, configuration: Configuration) -> None:
    """Tables and figures from the raw records; trouble here never costs a cell."""
    try:
        redraw(study(folder, configuration.bars, configuration.roles))
    except Exception as error:
        log.warning("tables and figures are not up to date: %s", error)


def remaining(store: Store, plan: Plan) -> list[Cell]:
    """The cells of a plan that are not done."""
    return [cell for cell in plan.cells if not store.is_done(cell)]
