"""The experiment itself, new or resumed: on this host, one guest or several at a time, or on other hosts."""

import argparse
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from analysis.records.load import load_run
from analysis.redraw import REPORT
from configuration.difference import differences
from configuration.duration import estimate
from configuration.load import Configuration, load
from configuration.plan import Cell, Plan, bases, make_plan
from experiment import debugging
from experiment.cell import FailureSeen
from experiment.commands.dry_run import show_lonely, show_plan
from experiment.given import clear_up, configuration, memory_need, needs, open_cache
from experiment.manifest import accept, make_manifest, of_hosts, suite_used
from experiment.places.access import Access
from experiment.places.pools import OneByOne, Pool, SideBySide
from experiment.prepare import prepare
from experiment.progress import Progress, clock
from experiment.run_folder import Store
from experiment.scheduler import Runner, draw, remaining
from testbed import host
from testbed.cache import Cache
from testbed.errors import HostError, UsageError

DISTURBED = "guests run side by side: times are disturbed, compare fault counts only"


@dataclass(frozen=True)
class Place:
    """Where a run's cells are made, what with, and which folder their guests' overlays fill."""

    pool: Pool
    manifest: dict[str, Any]
    scratch: Path | None


def reproduce(given: argparse.Namespace, console: Console) -> int:
    """Nothing appears in results/ before the first cell can start."""
    store: Store | None = None
    if given.resume is not None:
        own = ("quick", "suite", "conditions", "replicates", "seed", "accel")
        if changed := [
            f"--{name}" for name in own if vars(given)[name] not in (None, "") and vars(given)[name] is not False
        ]:
            raise UsageError(f"--resume goes on with the run's own plan, so {changed[0]} has no place", "leave it out")
        store = Store.open(given.results, given.resume)
        local = load(given.config)
        settings, plan = store.configuration().on_the_host_of(local), store.plan()
        if given.like is None:
            refuse_changes(store, settings, local)
        elif Store.open(given.results, given.like).folder != store.folder:
            raise UsageError("--resume goes on with the run's own plan", "--like can name that run alone")
    else:
        settings = configuration(given)
        plan = make_plan(settings)
    refuse_combinations(given)
    left = undone(store, plan, console, dry_run=given.dry_run) if store else list(plan.cells)
    if store and not left:
        return finish(store, settings, given, console)
    expected = estimate(settings, plan)
    if given.jobs > 1:
        host.require([memory_need(settings.guest.memory_mib, given.jobs)])
    if given.dry_run:
        show_plan(settings, plan, expected, console)
        return 0
    if not given.scheduler:
        host.require(needs(given.cache, settings, given.jobs))
    host.require([host.writable(given.results)])
    show_lonely(settings, plan, console)
    console.print(
        f"{len(left)} cells, about {clock(expected.cell_seconds * len(left) / given.jobs)}; image and warm snapshots, "
        f"where the cache has none, at most {clock(expected.build_seconds)} more",
    )
    if given.jobs > 1:
        console.print(f"{given.jobs} {DISTURBED}")
    with ExitStack() as stack:
        if store:
            stack.enter_context(store.locked())
        progress = stack.enter_context(Progress(console, settings.roles, len(left), expected.cell_seconds))
        place = open_place(given, stack, settings, plan, progress, console)
        if not store:
            store = Store.create(given.results, settings, plan)
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


def refuse_combinations(given: argparse.Namespace) -> None:
    """Raises UsageError."""
    if given.scheduler:
        Access(given.scheduler, given.tls, given.let_anyone_in)
    elif given.tls or given.let_anyone_in:
        raise UsageError("--tls and --let-anyone-in are of a --scheduler", "leave them out, or give the scheduler")
    if given.scheduler and given.jobs > 1:
        raise UsageError(
            "--jobs is of this host, --scheduler of others", "there: python run.py worker --guests N ADDRESS"
        )
    if given.workers > 1 and not given.scheduler:
        raise UsageError("--workers waits for workers of a --scheduler", "leave it out, or give the scheduler")
    if given.keep_guest != "never" and (given.scheduler or given.jobs > 1):
        raise UsageError("--keep-guest waits for you, at one guest of this host", "leave out --jobs and --scheduler")


def open_place(
    given: argparse.Namespace,
    stack: ExitStack,
    settings: Configuration,
    plan: Plan,
    progress: Progress,
    console: Console,
) -> Place:
    """Ready to run cells: image and snapshots are there. Raises HostError, UsageError, and what building raises."""
    wanted = bases(settings, plan.cells)
    if given.scheduler:
        with dask():
            from experiment.places.cluster import Cluster
            from experiment.places.worker import needed
        access = Access(given.scheduler, given.tls, given.let_anyone_in)
        progress.stage(f"asking the scheduler at {access.address}")
        cluster = stack.enter_context(Cluster(access, needed(settings, wanted)))
        return Place(cluster, of_hosts(cluster.prepare(progress, given.workers)), None)
    cache = open_cache(given, console)
    prepared = prepare(cache, settings, wanted, progress)
    for entry in cache.shrink(int(given.cache_limit * 1e9)):
        progress.say(f"{entry.folder.name} was removed: the cache had more than {given.cache_limit:g} GB")
    manifest = {**make_manifest(prepared), "guests": given.jobs}
    scratch = cache.directory / "guests"
    scratch.mkdir(mode=0o700, exist_ok=True)
    if given.jobs > 1:
        return Place(stack.enter_context(SideBySide(prepared, settings, scratch, given.jobs)), manifest, scratch)
    return Place(OneByOne(prepared, settings, scratch, keeper(given, progress)), manifest, scratch)


@contextmanager
def dask() -> Iterator[None]:
    """Around an import that needs it: it is an extra, all else works without it. Raises HostError."""
    try:
        yield
    except ModuleNotFoundError as missing:
        raise HostError(f"the module {missing.name} is missing", "pip install '.[cluster]'") from missing


def finish(store: Store, settings: Configuration, given: argparse.Namespace, console: Console) -> int:
    """Of a run whose cells are done: it may have been killed while it was drawn."""
    console.print(f"{given.resume} is done; nothing is left to run")
    if not given.dry_run:
        clear_up(Cache(given.cache), console)
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


def keeper(given: argparse.Namespace, progress: Progress) -> FailureSeen:
    """What is done with the guest of a cell that failed."""
    if given.keep_guest == "never":
        return lambda _guest, _reason: None
    return lambda guest, reason: debugging.keep(guest, reason, progress.say)
