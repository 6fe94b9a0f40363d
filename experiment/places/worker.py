"""A host's side of a distributed run: one cell at a time and guest, from a cache of its own.

Runs inside a Dask worker (https://distributed.dask.org/en/stable/worker.html), which calls ``survey`` and ``fulfil``.
"""

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distributed import Worker, get_worker
from distributed.comm.addressing import unparse_host_port

from configuration.condition import Base
from configuration.load import Configuration
from configuration.plan import Cell
from experiment import cell as cells
from experiment.building.prepare import Prepared, prepare
from experiment.manifest import make_manifest, sources
from experiment.places import archive, own_process
from experiment.places.access import Access
from experiment.places.listening import CONNECT_S, HTTP, hush, private, reach, security, started, until_interrupted
from experiment.places.pool import lost
from experiment.places.this_host import this_host
from experiment.progress import Progress
from experiment.terminal.console import Console
from testbed import ledger
from testbed.cache import Cache
from testbed.errors import UsageError, WorkerLost

GUEST = "guest"  # the resource: guests that a worker may run at a time


@dataclass(frozen=True)
class Order:
    """What a host is to be ready for, or, with a cell, to run, beside how many ``guests`` in all at a time.

    ``sources``: of the program that orders.
    """

    configuration: Configuration
    bases: tuple[Base, ...]
    sources: str
    cell: Cell | None = None
    guests: int = 1


@dataclass(frozen=True)
class Offer:
    """A worker: ``guests`` at a time, and the address that it listens on; None, 0: chosen when it is there."""

    guests: int
    host: str | None = None
    port: int = 0


@dataclass(frozen=True)
class Delivery:
    """A cell's end, and its records as an archive; None if there are none."""

    outcome: cells.Ended
    records: bytes | None


class Site:
    """This host as its worker knows it: a cache, what was prepared from it, and whether the worker is to end."""

    def __init__(self, cache: Path, cache_limit_gb: float) -> None:
        self.cache = Cache(cache)
        self.ending = threading.Event()
        self._cache_limit_gb = cache_limit_gb
        self._preparing = threading.Lock()
        self._prepared: dict[str, Prepared] = {}
        ledger.begin(self.cache.directory)

    def ready(self, order: Order) -> Prepared:
        """What the order needs, built once. Several workers of a host share the cache, and wait for each other there.

        Raises UsageError if this host has other sources, and what ``prepare`` raises.
        """
        if sources() != order.sources:
            raise UsageError(
                f"{this_host()} has other sources than the host that runs run.py",
                "check out the same commit on every host, make setup there, and start its worker again",
            )
        key = order.configuration.model_dump_json() + repr(order.bases)
        with self._preparing:
            if key not in self._prepared:
                with Progress(Console(stderr=True), order.configuration.roles, 0, 0) as progress:
                    self._prepared[key] = prepare(self.cache, order.configuration, order.bases, progress)
                    self.cache.shrink(int(self._cache_limit_gb * 1e9))
            return self._prepared[key]

    def wants(self, worker: Any, key: Any) -> bool:
        """Whether the scheduler still wants a task: not if the run that gave it was interrupted, or is gone."""
        state = worker.state.tasks.get(key)
        return not self.ending.is_set() and state is not None and state.state != "cancelled"


def survey(order: Order) -> dict[str, Any]:
    """Get ready: image and warm snapshots, built unless this host has them. This host's manifest."""
    site: Site = get_worker().site
    return {**make_manifest(site.ready(order)), "name": this_host()}


def fulfil(order: Order) -> Delivery:
    """Run the order's cell in a process of its own. It ends in order when nobody waits for it any more."""
    assert order.cell is not None  # noqa: S101 - survey is for those without
    worker = get_worker()
    site, key = worker.site, worker.get_current_task()
    prepared, directory = site.ready(order), site.cache.directory
    scratch = directory / "guests"
    scratch.mkdir(mode=0o700, exist_ok=True)
    with ledger.folder(directory, "records-") as place:
        folder = place / order.cell.name
        task = prepared.task(order.cell, order.configuration, folder, scratch, this_host(), order.guests)
        try:
            outcome = own_process.run_cell(task, lambda _: None, lambda _: None, lambda: site.wants(worker, key))
        except WorkerLost as error:
            outcome = lost(order.cell, error)
        return Delivery(outcome, archive.pack_folder(folder) if folder.exists() else None)


def serve(access: Access, offer: Offer, cache: Path, cache_limit_gb: float) -> None:
    """Be a worker for as long as the scheduler is there. Raises HostError if it is not."""
    hush()
    site = Site(cache, cache_limit_gb)
    ledger.reconcile(site.cache.directory)
    with private(site.cache.directory):
        until_interrupted(work(access, offer, site))


async def work(access: Access, offer: Offer, site: Site) -> None:
    """It listens where the scheduler can be reached, only. Raises HostError."""
    secured = security(access, "worker")
    here = await reach(access, secured, "worker")
    host = unparse_host_port(offer.host or here)  # an IPv6 address in brackets
    worker = Worker(
        access.address,
        name=f"{this_host()}#{os.getpid()}",  # what follows the host's name tells its workers apart
        host=host,
        port=offer.port,
        security=secured,
        nthreads=offer.guests,
        resources={GUEST: offer.guests},
        memory_limit=0,  # what a guest takes is not this process's
        death_timeout=CONNECT_S,
        **HTTP,
    )
    worker.site = site  # where survey and fulfil find it
    async with started(worker, unparse_host_port(host, offer.port)):
        try:
            await worker.finished()
        finally:
            site.ending.set()


def needed(configuration: Configuration, bases: Sequence[Base]) -> Order:
    """The order without a cell."""
    return Order(configuration, tuple(bases), sources())
