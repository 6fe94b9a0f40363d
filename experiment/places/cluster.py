"""Other hosts, through a Dask scheduler (https://distributed.dask.org): a cell goes to a worker, and comes back whole.

A worker that goes away takes its cell with it, no other, and its host's block goes on on another worker of that host,
or on another host if it had none.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from distributed import Client

from analysis.estimates.numbers import several
from configuration.plan import Cell
from experiment.cell import Ended
from experiment.places import archive
from experiment.places.access import Access
from experiment.places.listening import CONNECT_S, no_scheduler, reach, security
from experiment.places.pool import lost
from experiment.places.worker import GUEST, Delivery, Order, fulfil, survey
from experiment.progress import Progress, Watched
from measure.journal import SAMPLES
from testbed.errors import CellError, HarnessError, HostError, WorkerLost

log = logging.getLogger(__name__)

POLL_S = 2.0
GATHER_S = 600.0  # for as many workers as are asked for to be there
Workers = dict[str, tuple[str, int]]
"""Host, and guests at a time, of each worker that may run some."""


@dataclass(frozen=True)
class Sent:
    """A cell under way; ``future`` is the runner's, ``task`` is Dask's."""

    worker: str
    task: Future[Delivery]
    future: Future[Ended]


class Cluster:
    """Used as a context manager. Raises HostError if no scheduler answers there, or not to what ``access`` has."""

    def __init__(self, access: Access, order: Order) -> None:
        self._access = access
        self._order = order
        self._sent: dict[Cell, Sent] = {}
        self._hosts: set[str] = set()  # that have what cells are forked from
        self._late: set[str] = set()  # that were not there in time

    def __enter__(self) -> "Cluster":
        secured = security(self._access, "client")
        asyncio.run(reach(self._access, secured, "client"))
        try:
            self._client = Client(self._access.address, timeout=CONNECT_S, security=secured, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise no_scheduler(self._access, error) from error
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.cancel()
        self._client.close()

    def make_ready(self, progress: Progress, least: int = 1) -> dict[str, dict[str, Any]]:
        """Have a worker of each host build what it lacks, once ``least`` workers are there. Manifests, by host name.

        Raises HostError, UsageError.
        """
        workers = self._gather(progress, least)
        first = {host: worker for worker, (host, _) in sorted(workers.items(), reverse=True)}
        where = f"{several(len(workers), 'worker')} on {several(len(first), 'host')}"
        progress.stage(f"{where}; each host builds what its cache lacks")
        pending = {self._executor(worker).submit(survey, self._order): host for host, worker in first.items()}
        manifests: dict[str, dict[str, Any]] = {}
        while pending:
            done, _ = wait(pending, POLL_S, FIRST_COMPLETED)
            for future in done:
                host = pending.pop(future)
                manifest = {**future.result(), "guests": guests_of(host, workers)}
                progress.stage(f"{manifest['name']} is ready: {manifest['accelerator']}")
                manifests[str(manifest["name"])] = manifest
                self._hosts.add(host)
            there = self._workers() if pending else {}
            for host in pending.values():
                if first[host] not in there:
                    raise HostError(f"{host}: its worker {first[host]} went away while it built what its cache lacks")
        return manifests

    def room(self) -> Mapping[str, int]:
        workers = self._workers()
        for cell, sent in list(self._sent.items()):
            if sent.worker not in workers:
                self._give_up(cell, WorkerLost(f"its worker {sent.worker} is gone"))
        room: Counter[str] = Counter()
        for host, guests in workers.values():
            if host in self._hosts:
                room[host] += guests
            elif self._hosts and host not in self._late:
                self._late.add(host)
                log.warning("%s came after the run had begun: no cell goes there (--workers N waits for N)", host)
        return room

    def submit(self, host: str, cell: Cell, folder: Path, watched: Watched) -> Future[Ended]:
        workers = self._workers()
        worker = self._free(host, workers)
        if not worker:
            gone: Future[Ended] = Future()
            gone.set_result(lost(cell, WorkerLost(f"{host} has no worker any more")))
            return gone
        task = self._executor(worker).submit(fulfil, replace(self._order, cell=cell, guests=guests_of(host, workers)))
        sent = Sent(worker, task, Future())
        self._sent[cell] = sent
        watched.step(f"on {host}")
        task.add_done_callback(partial(self._deliver, cell, folder, watched))
        return sent.future

    def cancel(self) -> None:
        for cell in list(self._sent):
            self._give_up(cell, WorkerLost("the run was interrupted"))

    def _give_up(self, cell: Cell, error: WorkerLost) -> None:
        if sent := self._sent.pop(cell, None):  # else it has just come back
            log.warning("%s failed: %s", cell.name, error)
            sent.task.cancel()
            sent.future.set_result(lost(cell, error))

    def _deliver(self, cell: Cell, folder: Path, watched: Watched, task: Future[Delivery]) -> None:
        """Called by one of Dask's threads. What went wrong over there costs the cell, not the run."""
        sent = self._sent.pop(cell, None)
        if not sent:
            return
        try:
            delivery = task.result()
        except CancelledError:
            sent.future.set_result(lost(cell, WorkerLost("the scheduler gave it up, or is gone")))
            return
        except Exception as error:
            if not isinstance(error, HarnessError):
                log.warning("%s failed: %s: %s", cell.name, type(error).__name__, error)
            sent.future.set_result(lost(cell, error))
            return
        try:
            if delivery.records is not None:
                archive.unpack_folder(delivery.records, folder)
                watched.recorded(folder / SAMPLES)
            sent.future.set_result(delivery.outcome)
        except CellError as error:
            sent.future.set_result(lost(cell, error))
        except OSError as error:  # of this host's disk
            sent.future.set_exception(error)

    def _executor(self, worker: str) -> Any:
        return self._client.get_executor(
            workers=[worker], allow_other_workers=False, resources={GUEST: 1}, retries=0, pure=False
        )

    def _gather(self, progress: Progress, least: int) -> Workers:
        deadline = time.monotonic() + GATHER_S * (least > 1)
        while len(workers := self._workers()) < max(least, 1):
            if time.monotonic() > deadline:
                there = f"{len(workers)} of {least} workers" if workers else "no worker"
                raise HostError(
                    f"{there} at {self._access.address} with the resource {GUEST!r}",
                    f"on each host: python run.py worker {self._access.words} (docs/cluster.md)",
                )
            progress.stage(f"{len(workers)} of {least} workers are there")
            time.sleep(POLL_S)
        return workers

    def _workers(self) -> Workers:
        """Raises HostError if the scheduler is gone, or two hosts have one name."""
        try:
            info = self._client.scheduler_info(n_workers=-1)["workers"]
        except (OSError, KeyError) as error:  # of a client that is closed it is empty
            raise HostError(
                f"the scheduler at {self._access.address} is gone",
                "start it and the workers again, then go on with --resume",
            ) from error
        found = {address: worker for address, worker in info.items() if worker.get("resources", {}).get(GUEST, 0) >= 1}
        refuse_namesakes(found.values())
        return {address: (host_of(worker), int(worker["resources"][GUEST])) for address, worker in found.items()}

    def _free(self, host: str, workers: Workers) -> str | None:
        """The worker of a host that has the most room; None if it has none any more."""
        busy = Counter(sent.worker for sent in list(self._sent.values()))  # a thread of Dask's takes some out
        room = {worker: guests - busy[worker] for worker, (where, guests) in workers.items() if where == host}
        return max(room, key=room.__getitem__, default=None)


def host_of(worker: Mapping[str, Any]) -> str:
    """By the name that a worker of ours gives; addresses may be those of tunnels. Of another's worker its address."""
    name, mark, _ = str(worker["name"]).rpartition("#")
    return name if mark else str(worker["host"])


def refuse_namesakes(workers: Iterable[Mapping[str, Any]]) -> None:
    """Raises HostError if one name comes from two addresses: blocks would be torn between two machines."""
    addresses: dict[str, str] = {}
    for worker in workers:
        name, address = host_of(worker), str(worker["host"])
        if addresses.setdefault(name, address) != address:
            raise HostError(f"two hosts are called {name}: {addresses[name]}, {address}", "give each a name of its own")


def guests_of(host: str, workers: Workers) -> int:
    """That a host runs at a time, in all its workers."""
    return sum(guests for where, guests in workers.values() if where == host)
