"""Every cell of a plan that is not done yet, wherever there is room for its guest."""

import logging
import time
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from pathlib import Path

from analysis.redraw import redraw
from analysis.study import study
from configuration.load import Configuration
from configuration.plan import Cell, Plan
from experiment import cell as cells
from experiment.places.pool import Pool
from experiment.progress import Progress, Watched
from experiment.run_folder import UNSUPPORTED, Store
from experiment.scheduling.blocks import Dispatch
from experiment.scheduling.drawing import DrawingTimes
from testbed import host
from testbed.errors import HostError, RunStopped
from testbed.supervision.watch import FORK_ROOT_MB, room_mb

log = logging.getLogger(__name__)

CELL_MB = 20  # beyond what is usual: a console at its limit
POLL_S = 1.0  # hosts come and go
NOBODY_S = 600.0  # without a host


@dataclass(frozen=True)
class Flight:
    """A cell under way. ``incident``: the streak's last one when it began."""

    cell: Cell
    host: str
    watched: Watched
    incident: int


@dataclass
class Runner:
    """Takes a run from where it is to its end."""

    store: Store
    scratch: Path | None  # None: guests run on other hosts
    configuration: Configuration
    pool: Pool
    progress: Progress
    _flights: dict[Future[cells.Ended], Flight] = field(default_factory=dict)
    _attempts: Counter[Cell] = field(default_factory=Counter)
    _streak: "Streak" = field(init=False)

    def __post_init__(self) -> None:
        self._streak = Streak(self.configuration.retry.same_failures)

    def run(self) -> int:
        """Run what is left; the answer is how many cells do not count.

        Figures and tables are rewritten between blocks, as long as that takes little of the time, and at the end.
        Raises RunStopped when cells keep failing in the same way, DiskFull before a cell for which there is no room,
        HostError when there is no host for a long time.
        """
        plan = self.store.plan()
        dispatch = Dispatch(remaining(self.store, plan), owners(self.store, plan))
        drawing_times = DrawingTimes()
        try:
            while not dispatch.done or self._flights:
                self._launch(dispatch)
                for outcome, incident in self._landed():
                    self._streak.add(outcome, incident)
                    if not self._settled(outcome):
                        dispatch.again(outcome.cell)
                at_rest = not self._flights and dispatch.between_blocks
                if at_rest and (dispatch.done or drawing_times.due(time.monotonic())):
                    began = time.monotonic()
                    draw(self.store.folder, self.configuration)
                    drawing_times.drawn(began, time.monotonic())
        finally:
            if self._flights:
                self.pool.cancel()
                wait(self._flights)
        return len(remaining(self.store, plan))

    def _launch(self, dispatch: Dispatch) -> None:
        """Begin cells wherever there is room."""
        alone_since = time.monotonic()
        while True:
            room = self.pool.room()
            for host_name, guests in room.items():
                while self._busy(host_name) < guests and (cell := dispatch.take(host_name, room)):
                    self._begin(cell, host_name)
            if self._flights or dispatch.done:
                return
            if time.monotonic() > alone_since + NOBODY_S:
                raise HostError("no host has been there for a cell", "start workers, then go on with --resume")
            time.sleep(POLL_S)

    def _busy(self, host_name: str) -> int:
        return sum(flight.host == host_name for flight in self._flights.values())

    def _begin(self, cell: Cell, host_name: str) -> None:
        self.store.set_aside(cell)
        require_rooms(self.store, self.scratch, self.configuration, len(self._flights) + 1)
        self._attempts[cell] += 1
        watched = self.progress.begin(cell, self._attempts[cell])
        future = self.pool.submit(host_name, cell, self.store.cell_folder(cell), watched)
        self._flights[future] = Flight(cell, host_name, watched, self._streak.incident)

    def _landed(self) -> list[tuple[cells.Ended, int]]:
        """The outcomes that are there, after a while at most, each with its flight's incident."""
        done, _ = wait(self._flights, POLL_S, FIRST_COMPLETED)
        outcomes = []
        for future in done:
            flight = self._flights.pop(future)
            outcome = future.result()
            self.progress.end(flight.watched, outcome, last_attempt=self._settled(outcome))
            outcomes.append((outcome, flight.incident))
        return outcomes

    def _settled(self, outcome: cells.Ended) -> bool:
        """Whether the cell is not to be tried again."""
        final = outcome.valid or outcome.kind == UNSUPPORTED
        return final or self._attempts[outcome.cell] >= self.configuration.retry.cell_attempts


class Streak:
    """Failures in a row of the same kind: after ``most`` of them the next would be wasted.

    Cells that were under way together may fail of one cause, as those of a worker that dies: that is one ``incident``.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kind = ""
        self._count = 0
        self.incident = 0

    def add(self, outcome: cells.Ended, incident: int) -> None:
        """``incident``: the last one when the cell began. Raises RunStopped at the last failure of them."""
        again = outcome.kind == self._kind
        if outcome.kind == UNSUPPORTED or (again and outcome.kind and incident < self.incident):
            return
        self._count = self._count + 1 if again else 1
        self._kind = outcome.kind
        self.incident += bool(outcome.kind)
        if self._kind and self._count >= self._most:
            raise RunStopped(
                f"{self._count} failures in a row of the same kind, {self._kind}: {first_line(outcome.reason)}",
                f"{self._mend(outcome)}, then go on with --resume",
            )

    def _mend(self, outcome: cells.Ended) -> str:
        if self._kind == "check host":
            return "let the host do nothing else meanwhile"
        return f"look into evidence/ of {outcome.cell.name} and of failed/, mend it"


def first_line(text: str) -> str:
    return text.partition("\n")[0]


def require_rooms(store: Store, scratch: Path | None, configuration: Configuration, guests: int) -> None:
    """For what so many cells under way record and, where guests run here, write. Raises DiskFull."""
    needed_mb = {store.folder: guests * (CELL_MB + configuration.estimate.cell_mb)}
    if scratch:
        needed_mb[scratch] = guests * room_mb(FORK_ROOT_MB, configuration.guest.swap_mib)
    host.require_room(needed_mb)


def draw(folder: Path, configuration: Configuration) -> None:
    """Tables and figures from the raw records; trouble here never costs a cell."""
    try:
        redraw(study(folder, configuration.bars, configuration.roles))
    except Exception as error:
        log.warning("tables and figures are not up to date: %s", error)


def owners(store: Store, plan: Plan) -> dict[int, str]:
    """The host of each block of which cells are done, by replicate; of several the last one's."""
    return {cell.replicate: name for cell in plan.cells if (name := store.host_of(cell))}


def remaining(store: Store, plan: Plan) -> list[Cell]:
    """The cells of a plan that are not done."""
    return [cell for cell in plan.cells if not store.is_done(cell)]
