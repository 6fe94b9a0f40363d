"""What run.py's words do."""

import argparse
import logging
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from analysis.findings import findings
from analysis.redraw import REPORT, redraw
from analysis.study import study
from experiment import bench, bench_prefetcher, cleaning, comparison, debugging, notebook, root_shell
from experiment.cell import FailureSeen
from experiment.config import Configuration, load
from experiment.difference import differences
from experiment.estimate import Estimate, estimate
from experiment.pack import pack
from experiment.plan import Plan, bases, make_plan
from experiment.progress import Progress, clock
from experiment.reading import open_study, settings_of
from experiment.runner import InThisThread, draw, prepare, remaining, run
from experiment.store import Store
from testbed import host, ledger
from testbed.cache import Cache
from testbed.errors import HostError, UsageError

log = logging.getLogger(__name__)

QUICK = {"conditions": ["baseline", "working-set"], "replicates": 1}
CACHE_GIB, MEMORY_GIB = 8, 3


def dispatch(given: argparse.Namespace) -> int:
    """Do what the command line says; the exit code."""
    console = Console(markup=False, highlight=False, soft_wrap=True)
    if given.command == "doctor":
        return doctor(given, console)
    if given.command == "report":
        return report(given, console)
    if given.command == "findings":
        store = Store.open(given.results, given.run)
        print(findings(open_study(given.results, given.run), store.run), end="")
        return 0
    if given.command == "notebook":
        console.print(str(notebook.execute(Store.open(given.results, given.run))))
        return 0
    if given.command == "pack":
        console.print(str(pack(Store.open(given.results, given.run), given.results / given.name)))
        return 0
    if given.command == "compare":
        return comparison.main(given.results, (given.run_a, given.run_b), given.fail_on, console)
    if given.command == "bench":
        return measure_costs(given, console)
    if given.command == "clean":
        return cleaning.main(Cache(given.cache.resolve()), console, empty_cache=given.images, dry_run=given.dry_run)
    if given.command == "prepare":
        return build(given, console)
    if given.command == "shell":
        return open_root_shell(given)
    if given.command == "console":
        debugging.console(Store.open(given.results, given.run), given.cell, print)
        return 0
    return reproduce(given, console)


def open_cache(given: argparse.Namespace, console: Console) -> Cache:
    """The cache, after what killed runs have left is cleared up. From here on this process has a ledger."""
    cache = Cache(given.cache.resolve())
    ledger.begin(cache.directory)
    clear_up(cache, console)
    return cache


def clear_up(cache: Cache, console: Console) -> None:
    for line in cleaning.leftovers(cache):
        console.print(f"a killed run had left {line}: removed")


def configuration(given: argparse.Namespace) -> Configuration:
    """experiments.toml with the command line's changes. Raises UsageError."""
    run_changes: dict[str, object] = dict(QUICK) if given.quick else {}
    if given.suite is not None:
        run_changes["suite"] = names(given.suite)
    if given.conditions is not None:
        run_changes["conditions"] = names(given.conditions)
    if given.replicates is not None:
        run_changes["replicates"] = given.replicates
    if given.seed is not None:
        run_changes["seed"] = given.seed
    changes = {"run": run_changes}
    if given.accel:
        changes["testbed"] = {"accelerator": given.accel}
    return load(given.config, changes)


def names(words: str) -> list[str]:
    return [name.strip() for name in words.split(",") if name.strip()]


def needs(cache: Path) -> list[host.Need]:
    return [*host.tools(cache), host.disk_space(cache, CACHE_GIB), host.memory(MEMORY_GIB)]


def doctor(given: argparse.Namespace, console: Console) -> int:
    """Say what is there; exit code 3 if something required is not."""
    settings = load(given.config)
    found = [*needs(given.cache), dataset_need(settings)]
    ready = host.show(found, lambda line: console.print(line))
    console.print("this host is ready" if ready else "this host is not ready: make setup")
    return 0 if ready else HostError.exit_code


def dataset_need(settings: Configuration) -> host.Need:
    section = settings.dataset
    if section.source == "path" or (section.source == "auto" and section.path):
        there = bool(section.path) and Path(section.path).expanduser().exists()
        found = section.path if there else f"dataset.path ({section.path!r}) is not there"
        return host.Need("dataset", there, found, "set dataset.path in experiments.toml")
    if section.source in ("auto", "synthetic"):
        return host.Need("dataset", True, "synthetic rows if the public ones cannot be downloaded", "")
    return host.Need("dataset", True, f"will be downloaded from {section.repository}", "")


def measure_costs(given: argparse.Namespace, console: Console) -> int:
    host.require(needs(given.cache))
    settings = configuration(given)
    if given.pairs < 1:
        raise UsageError(f"--pairs {given.pairs}: expected at least 1")
    if given.out and not given.out.parent.is_dir():
        raise UsageError(f"--out {given.out}: there is no folder {given.out.parent}")
    cache = open_cache(given, console)
    if given.of == "harness":
        return bench.main(settings, cache, console)
    return bench_prefetcher.main(settings, cache, console, given.pairs, given.out)


def build(given: argparse.Namespace, console: Console) -> int:
    """Image and warm snapshots of a plan's conditions, so that a run can begin at once."""
    settings = configuration(given)
    host.require(needs(given.cache))
    cache = open_cache(given, console)
    with Progress(console, settings.roles, 0, 0) as progress:
        prepared = prepare(cache, settings, bases(settings, make_plan(settings).cells), progress)
    for snapshot in prepared.snapshots.values():
        console.print(str(snapshot.folder))
    return 0


def open_root_shell(given: argparse.Namespace) -> int:
    """Standard output is the guest's: what is ours goes to standard error."""
    wanted = root_shell.choose(configuration(given), given.results, given.run, given.what)
    host.require(needs(given.cache))
    console = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)
    return root_shell.main(wanted, open_cache(given, console), console)


def report(given: argparse.Namespace, console: Console) -> int:
    store = Store.open(given.results, given.run)
    settings = settings_of(store)
    found = study(store.folder, settings.bars, settings.roles)
    for problem in found.run.problems:
        log.warning("%s", problem)
    for path in redraw(found):
        console.print(str(path))
    return 0


def reproduce(given: argparse.Namespace, console: Console) -> int:
    """The experiment itself, new or resumed. Nothing appears in results/ before the first cell can start."""
    store: Store | None = None
    if given.resume:
        own = (given.suite, given.conditions, given.replicates, given.seed, given.accel)
        if given.quick or any(word is not None for word in own):
            raise UsageError("--resume goes on with the run's own plan", "leave out the other options")
        store = Store.open(given.results, given.resume)
        settings, plan = store.configuration(), store.plan()
        refuse_changes(store, settings, load(given.config))
    else:
        settings = configuration(given)
        plan = make_plan(settings)
    left = remaining(store, plan) if store else list(plan.cells)
    if store and not left:
        return finish(store, settings, given, console)
    expected = estimate(settings, plan)
    if given.dry_run:
        show_plan(settings, plan, expected, console)
        return 0
    host.require(needs(given.cache))
    host.require([host.writable(given.results)])
    console.print(
        f"{len(left)} cells, about {clock(expected.cell_seconds * len(left))}; image and warm snapshots, "
        f"where the cache has none, at most {clock(expected.build_seconds)} more",
    )
    cache = open_cache(given, console)
    with ExitStack() as stack:
        if store:
            stack.enter_context(store.locked())
        progress = stack.enter_context(Progress(console, settings.roles, len(left), expected.cell_seconds))
        prepared = prepare(cache, settings, bases(settings, plan.cells), progress)
        for entry in cache.shrink(int(given.cache_limit * 1e9)):
            log.warning("%s was removed: the cache had more than %g GB", entry.folder.name, given.cache_limit)
        if not store:
            store = Store.create(given.results, settings, plan)
            stack.enter_context(store.locked())
        progress.stage(f"results go to {store.folder}")
        try:
            failed = run(store, cache, settings, prepared, progress, InThisThread(), keeper(given, progress))
        except KeyboardInterrupt:
            progress.stage(f"interrupted; go on with: python run.py --resume {store.run}")
            raise
    console.print(f"the report is {store.folder / REPORT}, tables and figures beside it")
    if failed:
        console.print(
            f"{failed} of {len(plan.cells)} cells do not count; try them again: python run.py --resume {store.run}",
        )
    return 1 if failed else 0


def finish(store: Store, settings: Configuration, given: argparse.Namespace, console: Console) -> int:
    """Of a run whose cells are done: it may have been killed while it was drawn."""
    console.print(f"{given.resume} is done; nothing is left to run")
    if not given.dry_run:
        clear_up(Cache(given.cache.resolve()), console)
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
            f"take the changes back, start a new run, or go on with the run's own: "
            f"--config {store.folder / 'configuration.toml'}",
        )


def keeper(given: argparse.Namespace, progress: Progress) -> FailureSeen:
    """What is done with the guest of a cell that failed."""
    if given.keep_guest == "never":
        return lambda _guest, _reason: None
    return lambda guest, reason: debugging.keep(guest, reason, progress.say)


def show_plan(settings: Configuration, plan: Plan, expected: Estimate, console: Console) -> None:
    show_suite(settings, console)
    for number, cell in enumerate(plan.cells, start=1):
        line = f"{number:4}  {cell.name}  topology {cell.topology}, policy {cell.policy}"
        console.print(", ".join((line, *settings.condition[cell.condition].own_settings)))
    console.print(
        f"{len(plan.cells)} cells of about {clock(expected.cell_seconds)}: {clock(expected.seconds)} and "
        f"{expected.disk_mb:.0f} MB of results, with image and snapshots in the cache; "
        f"{clock(expected.build_seconds)} and {CACHE_GIB} GB more without",
    )


def show_suite(settings: Configuration, console: Console) -> None:
    """What the cells are to answer, and which suites there are besides."""
    given = settings.run
    for name in given.suite:
        suite = settings.suite.get(name)
        if suite and given.conditions:
            console.print(f"own conditions instead of those of suite {name}")
        elif suite:
            replicates = settings.replicates
            changed = f", {replicates} instead of {suite.replicates} replicates"
            console.print(f"suite {name}{changed if replicates != suite.replicates else ''}: {suite.answers}")
    if settings.suite:
        console.print(f"suites, for --suite: {', '.join(settings.suite)}")
