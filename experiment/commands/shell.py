"""`run.py shell`: a root shell in a fork of its own, of a warm snapshot as it is or as a cell of a run has it."""

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from configuration.difference import differences
from configuration.load import SHIPPED, Configuration
from configuration.plan import Cell
from configuration.resolved import CellSettings, SnapshotSettings
from experiment import condition_setup, needs
from experiment.building.prepare import Prepared, prepare
from experiment.cell import read_trace
from experiment.choices import configuration
from experiment.fork import fork
from experiment.leftovers import open_cache
from experiment.progress import Progress
from experiment.run_folder import Store
from experiment.terminal.console import Console
from testbed import host, ledger
from testbed.cache import Cache
from testbed.errors import UsageError, printable
from testbed.guest import Guest
from testbed.ssh.client import attach
from workloads.topology import MEASURED


@dataclass(frozen=True)
class Wanted:
    """What is to be forked: a base's snapshot, with the condition of a run's cell if one was named."""

    configuration: Configuration
    settings: SnapshotSettings | CellSettings
    cell: Cell | None = None
    store: Store | None = None
    trace: bytes = b""  # of a cell of policy oracle
    differences: tuple[str, ...] = ()  # a line a setting in which the run is not as experiments.toml says


def run(words: argparse.Namespace) -> int:
    """Standard output is the guest's: what is ours goes to standard error."""
    wanted = choose(configuration(words), words.results, words.run, words.what)
    host.require(needs.of_run(words.cache, wanted.configuration))
    console = Console(stderr=True)
    return fork_and_attach(wanted, open_cache(words.cache, console), console)


def fork_and_attach(wanted: Wanted, cache: Cache, console: Console) -> int:
    """A shell in a fork of what is wanted until it is left; the shell's exit code. Everything is gone afterwards.

    ``console`` is not to be standard output, which is the guest's. Raises GuestError if the guest is lost.
    """
    for line in wanted.differences:
        console.print(f"the run is not as {SHIPPED.name} says: {line}")
    with ExitStack() as stack:
        with Progress(console, wanted.configuration.roles, 0, 0) as progress:
            prepared = prepare(cache, wanted.configuration, [wanted.settings.base], progress)
            progress.stage("restore")
            guest = stack.enter_context(as_wanted(cache, prepared, wanted))
        for line in introduction(wanted, prepared, guest):
            print(printable(line), file=sys.stderr)
        with guest.explained():
            return attach(guest)


def choose(settings: Configuration, results: Path, run: str, what: str) -> Wanted:
    """A cell comes with its run's settings, but for what ``settings`` say of this host (configuration.load.HOST).

    Raises UsageError saying what there is.
    """
    bases = {condition.base.name: condition.base for condition in settings.condition.values()}
    if what in bases:
        return Wanted(settings, settings.for_base(bases[what]))
    try:
        store = Store.open(results, run)
        cell = store.cell(what)
    except UsageError as error:
        raise UsageError(f"{what!r} is no snapshot ({', '.join(bases)}), and {error.args[0]}", error.hint) from error
    its = store.configuration().on_the_host_of(settings)
    own = its.for_condition(cell.condition)
    trace = read_trace(store.cell_folder(cell)) if own.condition.policy == "oracle" else b""
    return Wanted(its, own, cell, store, trace, tuple(differences(settings, its)))


@contextmanager
def as_wanted(cache: Cache, prepared: Prepared, wanted: Wanted) -> Iterator[Guest]:
    """A fork: its clock set and, for a cell, as it is when alpha would start."""
    settings, snapshot = wanted.settings, prepared.snapshots[wanted.settings.base.name]
    scratch = cache.directory / "guests"
    scratch.mkdir(exist_ok=True)
    with ledger.folder(scratch, "shell-") as folder, fork(settings, snapshot, folder) as (guest, shell):
        if isinstance(settings, CellSettings):
            condition_setup.set_up(shell, settings)
            time.sleep(settings.steps.before_alpha_s)  # the clock that was set wakes threads, see Timeline
            cgroup = condition_setup.make_topology(settings).cgroups[MEASURED]
            condition_setup.arm(shell, settings.condition, cgroup, wanted.trace)
        else:
            shell.run("date", "--set", f"@{time.time():.3f}")
        yield guest


def introduction(wanted: Wanted, prepared: Prepared, guest: Guest) -> list[str]:
    """What this is and how to leave it, in lines."""
    snapshot = prepared.snapshots[wanted.settings.base.name].folder.name
    return [
        f"root shell in a fork of {snapshot}; accelerator: {prepared.accelerator.name}",
        *condition_of(wanted, snapshot),
        f"service A: http://127.0.0.1:{guest.http_port}/query.cgi",
        "leave with exit or Ctrl-D, or with Enter ~ . if the guest does not answer; it is gone afterwards",
    ]


def condition_of(wanted: Wanted, snapshot: str) -> list[str]:
    """Of a cell: its settings, and whether its run was made with another ``snapshot``."""
    cell, store = wanted.cell, wanted.store
    if not cell or not store or not isinstance(wanted.settings, CellSettings):
        return []
    own = ", ".join((f"policy {cell.policy}", *wanted.settings.condition.own_settings))
    lines = [f"cell {cell.name} of run {store.run}: {own}"]
    before = snapshot_of(store, wanted.settings.base.name)
    if before != snapshot:
        lines.append(f"not what that run's cells were forked from ({before}): it was made elsewhere or has changed")
    return lines


def snapshot_of(store: Store, base: str) -> str:
    """The cache entry that a run's cells of a base were forked from, as its manifest says."""
    snapshots = store.manifest().get("digests", {}).get("snapshots", {})
    return printable(str(snapshots.get(base, "unknown")))
