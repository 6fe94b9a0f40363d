"""Cells on this host: one guest after the other, or several at a time, each cell in a process of its own."""

import logging
import platform
import threading
from collections.abc import Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from configuration.load import Configuration
from configuration.plan import Cell
from experiment import cell as cells
from experiment.building.prepare import Prepared
from experiment.places import own_process
from experiment.places.pool import lost
from experiment.progress import Watched
from testbed.errors import WorkerLost

log = logging.getLogger(__name__)


class InThisThread(Executor):
    """An executor that does the work at once: Ctrl-C reaches the cell, which then ends in order."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def this_host() -> str:
    return platform.node() or "localhost"


@dataclass(frozen=True)
class OneByOne:
    """One guest at a time, in this thread."""

    prepared: Prepared
    configuration: Configuration
    scratch: Path
    on_failure: cells.FailureSeen = lambda _guest, _reason: None

    def room(self) -> Mapping[str, int]:
        return {this_host(): 1}

    def submit(self, host: str, cell: Cell, folder: Path, watched: Watched) -> Future[cells.Ended]:
        task = self.prepared.task(cell, self.configuration, folder, self.scratch, host)
        return InThisThread().submit(cells.perform, task, watched.step, watched.tick, self.on_failure)

    def cancel(self) -> None:
        """Nothing is under way when this can be called."""


class SideBySide:
    """Several guests at a time, each cell in a process of its own. Used as a context manager."""

    def __init__(self, prepared: Prepared, configuration: Configuration, scratch: Path, guests: int) -> None:
        self._prepared = prepared
        self._configuration = configuration
        self._scratch = scratch
        self._guests = guests
        self._cancelled = threading.Event()
        self._threads = ThreadPoolExecutor(guests, thread_name_prefix="cell")

    def __enter__(self) -> "SideBySide":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.cancel()
        self._threads.shutdown()

    def room(self) -> Mapping[str, int]:
        return {this_host(): self._guests}

    def submit(self, host: str, cell: Cell, folder: Path, watched: Watched) -> Future[cells.Ended]:
        task = self._prepared.task(cell, self._configuration, folder, self._scratch, host, self._guests)
        return self._threads.submit(partial(self._perform, task, watched))

    def _perform(self, task: cells.Task, watched: Watched) -> cells.Ended:
        try:
            return own_process.run_cell(task, watched.step, watched.tick, lambda: not self._cancelled.is_set())
        except WorkerLost as error:
            log.warning("%s failed: %s", task.cell.name, error)
            return lost(task.cell, error)

    def cancel(self) -> None:
        self._cancelled.set()
