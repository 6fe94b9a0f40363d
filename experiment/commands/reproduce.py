"""`run.py` by itself: the experiment, new or resumed; on this host, one or several guests at a time, or on others."""

import argparse
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console as AnyConsole

from analysis.records.load import load_run
from analysis.redraw import REPORT
from configuration.difference import differences
from configuration.duration import estimate
from configuration.load import Configuration, load
from configuration.plan import Cell, Plan, bases, make_plan
from experiment import kept_guest, needs
from experiment.building.prepare import prepare
from experiment.cell import FailureSeen
from experiment.choices import configuration
from experiment.commands.dry_run import show_lonely, show_plan
from experiment.leftovers import clear_up, open_cache
from experiment.manifest import accept, make_manifest, of_hosts, suite_used
from experiment.places.access import Access
from experiment.places.extra import dask
from experiment.places.pool import Pool
from experiment.places.this_host import OneByOne, SideBySide
from experiment.progress import Progress, clock
from experiment.run_folder import Store
from experiment.scheduling.runner import Runner, draw, remaining
from experiment.terminal.console import Console
from testbed import host
from testbed.cache import Cache
from testbed.errors import UsageError

DISTURBED = "guests run side by side: times are disturbed, compare fault counts only"
# What a run that goes on has from its plan.
PLANNED = ("quick", "suite", "conditions", "replicates", "seed", "accel")


@dataclass(frozen=True)
class Where:
    """Where cells are to run: on this host from ``cache``, ``guests`` at a time, or on others through a scheduler."""

    cache: Path
    cache_limit_gb: float
    guests: int
    keep_guest: bool
    scheduler: Access | None
    workers: int

    @classmethod
    def of(cls, words: argparse.Namespace) -> "Where":
        """Raises UsageError for words that do not go together."""
        if not words.scheduler and (words.tls or words.let_anyone_in):
            raise UsageError("--tls and --let-anyone-in are of a --scheduler", "leave them out, or give the scheduler")
        scheduler = Access(words.scheduler, words.tls, words.let_anyone_in) if words.scheduler else None
        if scheduler and words.jobs > 1:
            raise UsageError(
                "--jobs is of this host, --scheduler of others", "there: python run.py worker --guests N ADDRESS"
            )
        if words.workers > 1 and not scheduler:
            raise UsageError("--workers waits for workers of a --scheduler", "leave it out, or give the scheduler")
        keep = words.keep_guest != "never"
        if keep and (scheduler or words.jobs > 1):
            raise UsageError(
                "--keep-guest waits for you, at one guest of this host", "leave out --jobs and --scheduler"
            )
        return cls(words.cache, words.cache_limit, words.jobs, keep, scheduler, words.workers)


@dataclass(frozen=True)
class Place:
    """Where a run's cells are made, what with, and which folder their guests' overlays fill."""

    pool: Pool
    manifest: dict[str, Any]
    scratch: Path | None


def run(words: argparse.Namespace) -> int:
    """Nothing appears in results/ before the first cell can start."""
    console = Console()
    store = store_to_resume(words) if words.resume is not None else None
    if store:
        settings, plan = settings_to_resume(store, words), store.plan()
    else:
        settings = configuration(words)
        plan = make_plan(settings)
    where = Where.of(words)
    left = undone(store, plan, console, dry_run=words.dry_run) if store else list(plan.cells)
    if store and not left:
        console.print(f"{words.resume} is done; nothing is left to run")
        return 0 if words.dry_run else finish(store, settings, where, console)
    expected = estimate(settings, plan)
    if where.guests > 1:
        host.require([needs.memory(settings.guest.memory_mib, where.guests)])
    if words.dry_run:
        show_plan(settings, plan, expected, console)
        return 0
    if not where.scheduler:
        host.require(needs.of_run(where.cache, settings, where.guests))
    host.require([host.writable(words.results)])
    show_lonely(settings, plan, console)
    console.print(
        f"{len(left)} cells, about {clock(expected.cell_seconds * len(left) / where.guests)}; image and warm "
        f"snapshots, where the cache has none, at most {clock(expected.build_seconds)} more",
    )
    if where.guests > 1:
        console.print(f"{where.guests} {DISTURBED}")
    with ExitStack() as stack:
        if store:
            stack.enter_context(store.locked())
        progress = stack.enter_context(Progress(console, settings.roles, len(left), expected.cell_seconds))
        place = open_place(where, stack, settings, plan, progress, console)
        if not store:
            store = Store.create(words.results, settings, plan)
            stack.enter_context(store.locked())
        accept(store, {"run": store.run, **place.manifest, "suite": suite_used(settings)})
        progress.stage(f"results go to {store.folder}")
        try:
            failed = Runner(store, place.scratch, settings, place.pool, progress).run()
        except KeyboardInterrupt:
            progress.stage(f"interrupted; go on with: python run.py --resume {store.run}")
            raise
    console.print(f"the report is {store.folder / REPORT}, tables and figures beside it")
    if failed:
        console.print(
            f"{failed} of {len(plan.cells)} cells do not count; try them again: python run.py --resume {store.run}",
        )
    return 1 if failed else 0


def store_to_resume(words: argparse.Namespace) -> Store:
    """Raises UsageError if there is no such run, or for what its plan has decided."""
    said = {name: vars(words)[name] for name in PLANNED}
    if changed := [f"--{name}" for name, value in said.items() if value not in (None, "") and value is not False]:
        raise UsageError(f"--resume goes on with the run's own plan, so {changed[0]} has no place", "leave it out")
    return Store.open(words.results, words.resume)


def settings_to_resume(store: Store, words: argparse.Namespace) -> Configuration:
    """Raises UsageError if the configuration is not the run's, but for what is of the host, unless --like names it."""
    local = load(words.config)
    settings = store.configuration().on_the_host_of(local)
    if words.like is None:
        refuse_changes(store, settings, local)
    elif Store.open(words.results, words.like).folder != store.folder:
        raise UsageError("--resume goes on with the run's own plan", "--like can name that run alone")
    return settings


def undone(store: Store, plan: Plan, console: Console, *, dry_run: bool) -> list[Cell]:
    """The cells that are to be run: those that are not done, and those whose records were damaged since.

    The latter are moved to failed/, but for ``dry_run``.
    """
    left = set(remaining(store, plan))
    if left == set(plan.cells):
        return list(plan.cells)
    damaged = {cell.name: cell.reason for cell in load_run(store.folder).cells if not cell.valid}
    for cell in plan.cells:
        if cell not in left and cell.name in damaged and store.counts(cell):
            console.print(f"{cell.name} is run again, as its records are damaged: {damaged[cell.name]}")
            left.add(cell)
            if not dry_run:
                store.set_aside(cell)
    return [cell for cell in plan.cells if cell in left]


def open_place(
    where: Where,
    stack: ExitStack,
    settings: Configuration,
    plan: Plan,
    progress: Progress,
    console: AnyConsole,
) -> Place:
    """Ready to run cells: image and snapshots are there. Raises HostError, UsageError, and what building raises."""
    wanted = bases(settings, plan.cells)
    if where.scheduler:
        with dask():
            from experiment.places.cluster import Cluster
            from experiment.places.worker import needed
        progress.stage(f"asking the scheduler at {where.scheduler.address}")
        cluster = stack.enter_context(Cluster(where.scheduler, needed(settings, wanted)))
        return Place(cluster, of_hosts(cluster.make_ready(progress, where.workers)), None)
    cache = open_cache(where.cache, console)
    prepared = prepare(cache, settings, wanted, progress)
    for entry in cache.shrink(int(where.cache_limit_gb * 1e9)):
        progress.say(f"{entry.folder.name} was removed: the cache had more than {where.cache_limit_gb:g} GB")
    manifest = {**make_manifest(prepared), "guests": where.guests}
    scratch = cache.directory / "guests"
    scratch.mkdir(mode=0o700, exist_ok=True)
    if where.guests > 1:
        return Place(stack.enter_context(SideBySide(prepared, settings, scratch, where.guests)), manifest, scratch)
    return Place(OneByOne(prepared, settings, scratch, keeper(where, progress)), manifest, scratch)


def finish(store: Store, settings: Configuration, where: Where, console: AnyConsole) -> int:
    """Of a run whose cells are done: it may have been killed while it was drawn."""
    clear_up(Cache(where.cache), console)
    with store.locked():
        draw(store.folder, settings)
    if (store.folder / REPORT).exists():
        console.print(f"the report is {store.folder / REPORT}, tables and figures beside it")
    return 0


def refuse_changes(store: Store, before: Configuration, now: Configuration) -> None:
    """Raises UsageError with what differs: cells made under two configurations cannot be compared."""
    if changed := differences(before, now):
        raise UsageError(
            f"the configuration is not that of run {store.run}:\n    " + "\n    ".join(changed),
            f"take the changes back, start a new run, or go on with the run's settings: "
            f"--resume {store.run} --like {store.run}",
        )


def keeper(where: Where, progress: Progress) -> FailureSeen:
    """What is done with the guest of a cell that failed."""
    if not where.keep_guest:
        return lambda _guest, _reason: None
    return lambda guest, reason: kept_guest.keep(guest, reason, progress.say)
