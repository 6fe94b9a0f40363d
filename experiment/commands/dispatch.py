"""What run.py's words do."""

import argparse
import logging
import os
import shlex
import webbrowser
from pathlib import Path

from analysis.estimates.numbers import several
from analysis.redraw import REPORT, redraw
from analysis.study import study
from analysis.words.findings import findings
from configuration.load import SHIPPED, load
from configuration.plan import bases, make_plan
from experiment import debugging
from experiment.bench import growth, harness, prefetcher
from experiment.commands import clean, compare, list, notebook, shell
from experiment.commands.pack import pack
from experiment.commands.reproduce import dask, reproduce
from experiment.given import cache_need, configuration, needs, numbers, open_cache, placed
from experiment.places import certificate
from experiment.places.access import Access
from experiment.prepare import prepare
from experiment.progress import Progress, set_up_log
from experiment.reading import open_study, settings_of
from experiment.run_folder import LATEST, Store
from experiment.terminal.console import Console
from testbed import host
from testbed.cache import Cache
from testbed.errors import HostError, UsageError

log = logging.getLogger(__name__)


def dispatch(words: argparse.Namespace) -> int:
    """Do what the command line says; the exit code."""
    set_up_log(logging.DEBUG if words.verbose else logging.WARNING)
    given = placed(words)
    console = Console()
    if given.command == "list":
        return list.main(given.results, console)
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
        store, target = Store.open(given.results, given.run), given.results / given.name
        if given.name == LATEST or store.folder in target.resolve().parents:
            raise UsageError(f"{given.name!r} is no name for a copy of that run", "pack RUN another-name")
        console.print(str(pack(store, target)))
        return 0
    if given.command == "compare":
        if given.summary and given.summary != compare.TERMINAL:
            refuse_no_file("--summary", given.summary)
        return compare.main(given.results, (given.run_a, given.run_b), given.fail_on, given.summary, console)
    if given.command == "bench":
        return measure_costs(given, console)
    if given.command == "clean":
        return clean.main(Cache(given.cache), console, images=given.images, dry_run=given.dry_run)
    if given.command == "prepare":
        return build(given, console)
    if given.command == "shell":
        return open_root_shell(given)
    if given.command == "certificate":
        return make_certificate(given, console)
    if given.command == "scheduler":
        return schedule(given, console)
    if given.command == "worker":
        return work(given, console)
    if given.command == "console":
        debugging.console(Store.open(given.results, given.run), given.cell, print)
        return 0
    return reproduce(given, console)


def doctor(given: argparse.Namespace, console: Console) -> int:
    """Say what is there; exit code 3 if something required is not."""
    settings = load(given.config)
    found = [*needs(given.cache, settings), cache_need(given.cache)]
    ready = host.show(found, lambda line: console.print(line))
    console.print("this host is ready" if ready else "this host is not ready: make setup")
    return 0 if ready else HostError.exit_code


def measure_costs(given: argparse.Namespace, console: Console) -> int:
    if given.out:
        refuse_no_file("--out", given.out)
    settings, sizes = configuration(given), numbers("--cells", given.cells)
    if given.of == "growth":  # without a guest
        open_cache(given, console)
        return growth.main(settings, console, sizes, given.out)
    host.require(needs(given.cache, settings))
    cache = open_cache(given, console)
    if given.of == "harness":
        return harness.main(settings, cache, console)
    return prefetcher.main(settings, cache, console, given.pairs, given.out)


def refuse_no_file(option: str, path: Path) -> None:
    """Raises UsageError for a place where no file can be written, before hours are spent on its content."""
    if not path.parent.is_dir():
        raise UsageError(f"{option} {path}: there is no folder {path.parent}", "make it, or name another")
    if path.exists() and not path.is_file():
        raise UsageError(f"{option} {path}: it is no regular file", "name another")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise UsageError(f"{option} {path}: it cannot be written", "name another")


def build(given: argparse.Namespace, console: Console) -> int:
    """Image and warm snapshots of a plan's conditions, so that a run can begin at once."""
    settings = configuration(given)
    host.require(needs(given.cache, settings))
    cache = open_cache(given, console)
    with Progress(console, settings.roles, 0, 0) as progress:
        prepared = prepare(cache, settings, bases(settings, make_plan(settings).cells), progress)
    for snapshot in prepared.snapshots.values():
        console.print(str(snapshot.folder))
    return 0


def open_root_shell(given: argparse.Namespace) -> int:
    """Standard output is the guest's: what is ours goes to standard error."""
    wanted = shell.choose(configuration(given), given.results, given.run, given.what)
    host.require(needs(given.cache, wanted.configuration))
    console = Console(stderr=True)
    return shell.main(wanted, open_cache(given, console), console)


def report(given: argparse.Namespace, console: Console) -> int:
    store = Store.open(given.results, given.run)
    settings = settings_of(store)
    found = study(store.folder, settings.bars, settings.roles)
    for problem in found.run.problems:
        log.warning("%s", problem)
    for path in redraw(found):
        console.print(str(path))
    if given.open and not webbrowser.open((store.folder / REPORT).as_uri()):
        console.print(f"there is no browser here: open {store.folder / REPORT}")
    return 0


def make_certificate(given: argparse.Namespace, console: Console) -> int:
    certificate.make(given.folder, given.days)
    folder = shlex.quote(str(given.folder))
    console.print(f"each host, by a way that nobody listens to: scp -pr {folder} HOST:")
    console.print(f"the scheduler: python run.py scheduler --tls {folder} tls://HOST:8786")
    console.print(
        f"workers: python run.py worker --tls {folder} tls://HOST:8786; "
        f"the run: python run.py --tls {folder} --scheduler tls://HOST:8786"
    )
    return 0


def schedule(given: argparse.Namespace, console: Console) -> int:
    """The scheduler of a distributed run, until Ctrl-C."""
    access = Access(given.address, given.tls, given.let_anyone_in)
    with dask():
        from experiment.places.listening import serve
    serve(access, given.cache, lambda line: console.print(line))
    return 0


def work(given: argparse.Namespace, console: Console) -> int:
    """A worker for other hosts' runs, until its scheduler is gone or Ctrl-C."""
    access = Access(given.address, given.tls, given.let_anyone_in)
    host.require(needs(given.cache, load(SHIPPED), given.guests))
    with dask():
        from experiment.places.worker import Offer, serve
    console.print(f"worker of {access.address}: {several(given.guests, 'guest')} at a time; Ctrl-C ends it")
    serve(access, Offer(given.guests, given.host, given.port), given.cache, given.cache_limit)
    return 0
