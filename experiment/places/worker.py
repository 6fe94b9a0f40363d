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
from testbed.cache import ENVIRONMENT, Cache, default_cache
from testbed.errors import UsageError, WorkerLost

CACHE_LIMIT = "PAGING_CACHE_GB"  # in the environment, beside the cache: its limit
GUEST = "guest"  # the resource: guests that a worker may run at a time

_stopping = threading.Event()
_preparing = threading.Lock()
_prepared: dict[str, Prepared] = {}


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

    outcome: cells.Outcome
    records: bytes | None


def survey(order: Order) -> dict[str, Any]:
    """Get ready: image and warm snapshots, built unless this host has them. This host's manifest.

    Raises UsageError if this host has other sources, and what ``prepare`` raises.
    """
    return {**make_manifest(ready(order)), "name": this_host()}


def fulfil(order: Order) -> Delivery:
    """Run the order's cell in a process of its own. It ends in order when nobody waits for it any more."""
    assert order.cell is not None  # noqa: S101 - survey is for those without
    prepared = ready(order)
    directory = own_cache().directory
    scratch = directory / "guests"
    scratch.mkdir(mode=0o700, exist_ok=True)
    with ledger.folder(directory, "records-") as place:
        folder = place / order.cell.name
        task = prepared.task(order.cell, order.configuration, folder, scratch, this_host(), order.guests)
        worker = get_worker()
        key = worker.get_current_task()
        try:
            outcome = own_process.perform(task, lambda _: None, lambda _: None, lambda: wanted(worker, key))
        except WorkerLost as error:
            outcome = lost(order.cell, error)
        return Delivery(outcome, archive.pack_folder(folder) if folder.exists() else None)


def wanted(worker: Any, key: Any) -> bool:
    """Whether the scheduler still wants a task: not if the run that gave it was interrupted, or is gone."""
    state = worker.state.tasks.get(key)
    return not _stopping.is_set() and state is not None and state.state != "cancelled"


def ready(order: Order) -> Prepared:
    """Once a process; several processes of a host share the cache, and wait for each other there."""
    if sources() != order.sources:
        raise UsageError(
            f"{this_host()} has other sources than the host that runs run.py",
            "check out the same commit on every host, make setup there, and start its worker again",
        )
    key = order.configuration.model_dump_json() + repr(order.bases)
    with _preparing:
        if key not in _prepared:
            console = Console(stderr=True)
            with Progress(console, order.configuration.roles, 0, 0) as progress:
                cache = own_cache()
                _prepared[key] = prepare(cache, order.configuration, order.bases, progress)
                if limit := os.environ.get(CACHE_LIMIT):
                    cache.shrink(int(float(limit) * 1e9))
        return _prepared[key]


def own_cache() -> Cache:
    cache = Cache(default_cache())
    ledger.begin(cache.directory)
    return cache


def serve(access: Access, offer: Offer, cache: Path, cache_limit: float) -> None:
    """Be a worker for as long as the scheduler is there; ``cache_limit`` in GB. Raises HostError if it is not."""
    os.environ[ENVIRONMENT] = str(cache)
    os.environ[CACHE_LIMIT] = str(cache_limit)
    hush()
    directory = own_cache().directory
    ledger.reconcile(directory)
    with private(directory):
        until_interrupted(work(access, offer))


async def work(access: Access, offer: Offer) -> None:
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
    async with started(worker, unparse_host_port(host, offer.port)):
        try:
            await worker.finished()
        finally:
            _stopping.set()


def needed(configuration: Configuration, bases: Sequence[Base]) -> Order:
    """The order without a cell."""
    return Order(configuration, tuple(bases), sources())
