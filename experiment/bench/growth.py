"""What runs of several sizes cost: the harness's own time, disk, and time and memory of the report.

No guest is booted: what those of the committed run sent is replayed (replay.py) through the scheduler itself.
Seconds are of this machine; how they grow is not. ``python -m experiment.bench.growth FOLDER`` makes the report of one
run and prints its cost.
"""

import io
import json
import math
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from analysis.estimates.numbers import number, several
from analysis.redraw import REPORT, redraw
from analysis.study import study
from configuration.duration import estimate
from configuration.load import Configuration
from configuration.plan import Cell, make_plan
from experiment.bench.replay import Replay, open_recording, open_replay
from experiment.bench.scaling import Growth, Size, growths, missed, redrawn
from experiment.cell import Ended
from experiment.manifest import suite_used
from experiment.open_run import settings_of
from experiment.places.this_host import InThisThread, this_host
from experiment.progress import Progress, Watched
from experiment.run_folder import Store, write_json
from experiment.scheduling.runner import Runner
from experiment.terminal.table import show
from testbed import ledger
from testbed.cache import State, state
from testbed.connection import PREFIX
from testbed.errors import CellError, UsageError
from testbed.process import PROJECT, run

REFERENCE = PROJECT / "results" / "reference"


@dataclass(frozen=True)
class Seen:
    """A cell as its place sees it: when it began and ended, and which report the run had before; None for none."""

    began: float
    ended: float
    report: State | None


@dataclass(frozen=True)
class Spent:
    """Seconds of a run, from its first cell on: as in Size."""

    harness_s: float
    drawings_s: tuple[float, ...]


def spent(seen: Sequence[Seen]) -> Spent:
    """``seen``: all cells in the order of time; the last is none, but the run's end.

    Between two cells the run was drawn if it has another report after that.
    """
    gaps = [(later.began - earlier.ended, later.report != earlier.report) for earlier, later in pairwise(seen)]
    within = sum(cell.ended - cell.began for cell in seen)
    return Spent(
        harness_s=within + sum(gap for gap, drawn in gaps if not drawn),
        drawings_s=tuple(gap for gap, drawn in gaps if drawn),
    )


class ReplayPool:
    """One place, where each cell is replayed."""

    def __init__(self, replay: Replay, report: Path) -> None:
        self._replay = replay
        self._report = report
        self._seen: list[Seen] = []

    def room(self) -> Mapping[str, int]:
        return {this_host(): 1}

    def submit(self, host: str, cell: Cell, folder: Path, watched: Watched) -> Future[Ended]:
        began, report = time.monotonic(), state(self._report)
        future = InThisThread().submit(self._replay, cell, folder, watched.tick)
        self._seen.append(Seen(began, time.monotonic(), report))
        return future

    def cancel(self) -> None:
        """Nothing is under way when this can be called."""

    def spent(self) -> Spent:
        """Of a run that has just ended."""
        now = time.monotonic()
        return spent([*self._seen, Seen(now, now, state(self._report))])


def run_replayed(store: Store, configuration: Configuration, replay: Replay) -> Spent:
    """All cells of a run's plan. Raises CellError if one does not count."""
    pool = ReplayPool(replay, store.folder / REPORT)
    unseen = Console(file=io.StringIO())
    with Progress(unseen, configuration.roles, len(store.plan().cells), 0) as progress:
        failed = Runner(store, store.folder.parent, configuration, pool, progress).run()
    if failed:
        raise CellError(f"{several(failed, 'replayed cell')} of run {store.run} do not count")
    return pool.spent()


@dataclass(frozen=True)
class Report:
    """What a report took. ``peak_bytes``: the most that was resident."""

    seconds: float
    peak_bytes: int


def report_apart(folder: Path) -> Report:
    """In a process of its own, whose memory is the report's alone. Raises HostError if it fails."""
    said = run([sys.executable, "-m", "experiment.bench.growth", folder], cwd=PROJECT)
    return Report(**json.loads(said))


def report_here(folder: Path) -> Report:
    """Raises CellError if anything of the run is left out."""
    settings = settings_of(Store(folder))
    began = time.monotonic()
    found = study(folder, settings.bars, settings.roles)
    if found.run.problems:
        raise CellError(found.run.problems[0])
    redraw(found)
    return Report(time.monotonic() - began, peak_bytes())


def peak_bytes() -> int:
    """The most that was ever resident of this process: VmHWM of proc(5)'s /proc/[pid]/status.

    ru_maxrss of getrusage(2) outlives execve(2): it would be no less than what the parent had.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def sized(configuration: Configuration, conditions: tuple[str, ...], blocks: int) -> Configuration:
    chosen = configuration.run.model_copy(update={"conditions": conditions, "replicates": blocks})
    return configuration.model_copy(update={"run": chosen})


def measure(replay: Replay, blocks: int, folder: Path) -> Size:
    """A run of so many blocks below ``folder``, and its report once more. Raises CellError, HostError."""
    configuration = sized(replay.configuration, replay.recording.conditions, blocks)
    plan = make_plan(configuration)
    store = Store.create(folder, configuration, plan)
    store.write_manifest({**replay.recording.manifest, "run": store.run, "suite": suite_used(configuration)})
    took = run_replayed(store, configuration, replay)
    report = report_apart(store.folder)
    disk_bytes = sum(path.stat().st_size for path in store.folder.rglob("*") if path.is_file())
    return Size(
        cells=len(plan.cells),
        blocks=blocks,
        harness_s=took.harness_s,
        drawings_s=took.drawings_s,
        disk_bytes=disk_bytes,
        report_s=report.seconds,
        report_bytes=report.peak_bytes,
    )


def with_guests(
    sizes: Sequence[Size], configuration: Configuration, conditions: tuple[str, ...]
) -> list[tuple[int, float]]:
    """How often a run of each size would be drawn if its cells took as long as they do, and the share of its time."""
    block = sized(configuration, conditions, 1)
    block_s = estimate(block, make_plan(block)).seconds
    blocks, reports_s = [size.blocks for size in sizes], [size.report_s for size in sizes]
    return [redrawn(size.blocks, block_s, lambda done: float(np.interp(done, blocks, reports_s))) for size in sizes]


def table(sizes: Sequence[Size], grown: Sequence[Growth], drawn: Sequence[tuple[int, float]], name: str) -> Table:
    """``drawn``: as ``with_guests`` gives it. ``name``: of the recorded run."""
    made = Table(title=f"run {name}, replayed without guests, measured {time.strftime('%Y-%m-%d')}")
    made.add_column("what")
    for size in sizes:
        made.add_column(several(size.cells, "cell"), justify="right")
    made.add_column("exponent")
    made.add_column("bar")
    for one in grown:
        bar = f"<= {one.cost.most:g}" if math.isfinite(one.cost.most) else ""
        made.add_row(one.cost.label, *(number(one.cost.of(size)) for size in sizes), one.words, bar)
    made.add_row("of the harness, a cell, ms", *(number(1000 * size.harness_s / size.cells) for size in sizes))
    times = (f"{times} of {size.blocks}" for size, (times, _) in zip(sizes, drawn, strict=True))
    made.add_row("with guests: drawn after so many blocks", *times)
    made.add_row("with guests: share of the time for that", *(f"{share:.1%}" for _, share in drawn))
    return made


def main(
    configuration: Configuration,
    console: Console,
    sizes: Sequence[int],
    out: Path | None,
    recorded: Path = REFERENCE,
) -> int:
    """Measure runs of so many cells, rounded up to whole blocks; 1 if a bar is missed. ``out`` gets all of it as JSON.

    ``recorded``: the run that is replayed. Raises UsageError, CellError, HostError.
    """
    if not sizes or min(sizes) < 1:
        raise UsageError(f"--cells {','.join(map(str, sizes))}: expected numbers of at least 1")
    if not recorded.is_dir():
        raise UsageError(f"there is no run to replay at {recorded}", "a checkout has one: call run.py there")
    store = Store(recorded)
    recording = open_recording(store)
    conditions = recording.conditions
    measured: list[Size] = []
    with Progress(console, configuration.roles, 0, 0) as progress, open_replay(recording, configuration) as replay:
        for blocks in sorted({-(-size // len(conditions)) for size in sizes}):
            progress.stage(f"{several(blocks * len(conditions), 'cell')}: replayed, drawn, reported")
            with ledger.folder(Path(tempfile.gettempdir()), PREFIX) as folder:
                measured.append(measure(replay, blocks, folder))
    grown, drawn = growths(measured), with_guests(measured, configuration, conditions)
    misses = missed(measured, grown)
    if out:
        exponents = {one.cost.field: one.exponents for one in grown}
        found = {"sizes": [asdict(size) for size in measured], "exponents": exponents, "with_guests": drawn}
        write_json(out, {"recorded": store.run, "conditions": conditions, **found, "missed": misses})
    show(console, table(measured, grown, drawn, store.run))
    for miss in misses:
        console.print(f"missed: {miss}")
    return 1 if misses else 0


if __name__ == "__main__":
    print(json.dumps(asdict(report_here(Path(sys.argv[1])))))
