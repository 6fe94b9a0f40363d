"""What a place to run cells is to the runner, whether on this host (this_host.py) or on others (cluster.py)."""

from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Protocol

from configuration.plan import Cell
from experiment import cell as cells
from experiment.progress import Watched


class Pool(Protocol):
    """Hosts, and how many guests each may run at a time. Hosts may come and go."""

    def room(self) -> Mapping[str, int]:
        """Guests at a time, by host, now."""

    def submit(self, host: str, cell: Cell, folder: Path, watched: Watched) -> Future[cells.Ended]:
        """Run a cell there; its records will be in ``folder``, which is not there yet.

        The future raises what must end the run: DiskFull, HostError, a bug.
        """

    def cancel(self) -> None:
        """End the cells under way, in order. Their futures end, too."""


def lost(cell: Cell, error: Exception) -> cells.Ended:
    """How a cell ended of which nothing came back."""
    return cells.Ended(cell, complete=False, valid=False, reason=str(error), seconds=0.0, kind=type(error).__name__)
