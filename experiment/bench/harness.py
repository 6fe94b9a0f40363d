"""What the harness itself costs, measured: restore against boot, a cell beyond the paper's steps, the sampler.

Times under TCG are of this machine; the ratio and the sampler's share are what can be compared.
"""

import json
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from analysis.records.counters import Running
from configuration.load import Configuration
from configuration.plan import Cell, bases, make_plan
from experiment.building.prepare import Prepared, prepare
from experiment.building.snapshot import TIMES
from experiment.cell import Task, perform
from experiment.progress import Progress
from experiment.terminal.table import show
from measure.journal import JOURNAL, SAMPLES, Step, read_journal
from measure.stream import Record, Stop, Tick, read_stream
from testbed import ledger
from testbed.cache import Cache
from testbed.errors import CellError

PAPER_WAITS = ("before_alpha_s", "before_recording_s", "before_request_s", "after_response_s")


@dataclass(frozen=True)
class Cost:
    """One cell's cost in seconds, and the sampler's share."""

    ready_s: float  # from nothing to a fork, service A warm, whose sampler answers
    login_s: float  # from there to an SSH session, the clock and the condition set
    beyond_s: float  # all of the cell but the paper's waits, alpha's writing and the request
    condition: str
    rdbms_majors: int  # from the recording's start to its end
    missed: int
    majflt: int
    cpu_share: float  # of one core


def main(configuration: Configuration, cache: Cache, console: Console) -> int:
    """Run one cell of each condition and print what they cost. Raises CellError if one fails."""
    once = configuration.model_copy(update={"run": configuration.run.model_copy(update={"replicates": 1})})
    plan = make_plan(once)
    with Progress(console, once.roles, len(plan.cells), 60) as progress:
        prepared = prepare(cache, once, bases(once, plan.cells), progress)
        with ledger.folder(cache.directory, "bench-") as scratch:
            costs = [perform_and_measure(cell, once, prepared, scratch, progress) for cell in plan.cells]
    booted = {name: json.loads((s.folder / TIMES).read_text()) for name, s in prepared.snapshots.items()}
    show(console, table(costs, booted, prepared.accelerator.name))
    return 0


def perform_and_measure(
    cell: Cell, configuration: Configuration, prepared: Prepared, scratch: Path, progress: Progress
) -> Cost:
    watched = progress.begin(cell)
    task = prepared.task(cell, configuration, scratch / cell.name, scratch)
    outcome = perform(task, watched.step, watched.tick)
    progress.end(watched, outcome)
    if not outcome.complete:
        raise CellError(f"{cell.name}: {outcome.reason}")
    return cost(task, outcome.seconds)


def cost(task: Task, seconds: float) -> Cost:
    """The cost of a performed cell, from its own records."""
    at = {entry.step: entry.host for entry in read_journal(task.folder / JOURNAL) if isinstance(entry, Step)}
    steps = task.settings.steps
    spent = sum(getattr(steps, name) for name in PAPER_WAITS)
    spent += at["response"] - at["request"]
    # What comes before the recording: alpha, or, without pressure, the request that brings service A in.
    begin, end = ("alpha-start", "alpha-ready") if task.condition.pressure else ("warm-up-request", "warm-up-response")
    spent += at[end] - at[begin]
    records = read_stream(task.folder / SAMPLES)
    stop = next(r for r in records if isinstance(r, Stop))
    recorded = at["stop"] - at["recording"]
    return Cost(
        at["restored"] - at["restore"],
        at["ready"] - at["restored"],
        seconds - spent,
        task.cell.condition,
        rdbms_majors(records, task.settings.roles),
        stop.missed,
        stop.own.majflt,
        stop.own.cpu_us / 1e6 / recorded,
    )


def rdbms_majors(records: Sequence[Record], roles: Mapping[str, str]) -> int:
    """Major faults of the RDBMS within the recording."""
    running = Running()
    for record in records:
        if isinstance(record, Tick):
            running.add_tick(record)
    return running.majors(roles)["rdbms"]


def rdbms_fewer(costs: Sequence[Cost]) -> str:
    by_condition = {c.condition: c.rdbms_majors for c in costs}
    baseline, ours = by_condition.get("baseline"), by_condition.get("working-set")
    return f"{ours} for {baseline}: {1 - ours / baseline:.1%} fewer" if baseline and ours is not None else "not run"


def table(costs: Sequence[Cost], booted: Mapping[str, Mapping[str, Any]], accelerator: str) -> Table:
    """The bars of the project against what was measured."""
    ready = statistics.median(c.ready_s for c in costs)
    warm = statistics.median(times["warm_s"] for times in booted.values())
    made = Table(title=f"{len(costs)} cells, accelerator {accelerator}, measured {time.strftime('%Y-%m-%d')}")
    for heading in ("what", "median", "worst", "bar"):
        made.add_column(heading)
    beyond = [c.beyond_s for c in costs]
    made.add_row(
        "boot and warm-up of a guest, s",
        f"{warm:.1f}",
        f"{max(t['warm_s'] for t in booted.values()):.1f}",
        "",
    )
    made.add_row("restore of a cell to ready, s", f"{ready:.1f}", f"{max(c.ready_s for c in costs):.1f}", "")
    logins = [c.login_s for c in costs]
    made.add_row("then login and settings, s", f"{statistics.median(logins):.1f}", f"{max(logins):.1f}", "")
    made.add_row("boot and warm-up / restore to ready", f"{warm / ready:.0f}", "", ">= 20")
    made.add_row("cell beyond the paper's steps, s", f"{statistics.median(beyond):.1f}", f"{max(beyond):.1f}", "< 12")
    fewer = rdbms_fewer(costs)
    made.add_row("RDBMS major faults, working-set against baseline", fewer, "", "85 % fewer")
    made.add_row("sampler: missed ticks", "", str(max(c.missed for c in costs)), "0")
    made.add_row("sampler: own major faults", "", str(max(c.majflt for c in costs)), "0")
    shares = [c.cpu_share for c in costs]
    made.add_row("sampler: CPU, of a core", f"{statistics.median(shares):.2%}", f"{max(shares):.2%}", "< 1 %")
    return made
