"""What someone who watches sees: stage, cell, step, faults so far and time left; plain lines when not a terminal.

A guest's words reach the terminal through here and through the log; neither lets escape sequences through.
"""

import contextlib
import logging
import time
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

from analysis.records.counters import Running
from configuration.plan import Cell
from experiment.cell import Ended
from measure.stream import Tick, read_stream
from testbed.errors import HarnessError, Unsupported, printable

log = logging.getLogger(__name__)


class Watched:
    """What is seen of one cell while it runs."""

    def __init__(self, cell: Cell, label: str, roles: Mapping[str, str]) -> None:
        self.cell = cell
        self.label = label
        self.now = ""
        self._roles = roles
        self._running = Running()

    def step(self, name: str) -> None:
        self.now = name
        log.debug("%s: %s", self.label, name)

    def tick(self, tick: Tick) -> None:
        self._running.add_tick(tick)

    def recorded(self, stream: Path) -> None:
        """The ticks of a cell that nobody watched. What is wrong with them the cell's checks have told."""
        with contextlib.suppress(HarnessError):
            for record in read_stream(stream):
                if isinstance(record, Tick):
                    self.tick(record)

    def faults(self) -> str:
        """Major faults of the service's roles since the recording's start."""
        majors = self._running.majors(self._roles)
        shown = (role for role in ("httpd", "rdbms", "query.cgi") if role in majors)
        return ", ".join(f"{role} {majors[role]}" for role in shown) or "none yet"


class Progress:
    """The display of one run. Used as a context manager."""

    def __init__(self, console: Console, roles: Mapping[str, str], total: int, cell_seconds: float) -> None:
        self._console = console
        self._roles = roles
        self._total = total
        self._cell_seconds = cell_seconds
        self._measured: list[float] = []
        self._done = 0
        self._failed = 0
        self._stage = ""
        self._watched: list[Watched] = []
        self._at_a_time = 1
        self._live = Live(console=console, refresh_per_second=4, get_renderable=self._table, transient=True)

    def __enter__(self) -> "Progress":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def stage(self, text: str) -> None:
        """Something before the cells: the image, a snapshot."""
        self._stage = printable(text)
        self._line(text)

    def say(self, text: str) -> None:
        """A line of its own, whatever is under way."""
        self._line(text)

    def begin(self, cell: Cell, attempt: int = 1) -> Watched:
        again = f" (attempt {attempt})" if attempt > 1 else ""
        number = self._done + len(self._watched) + 1
        watched = Watched(cell, f"cell {number} of {self._total}: {cell.name}{again}", self._roles)
        self._stage = ""
        self._watched.append(watched)
        self._at_a_time = max(self._at_a_time, len(self._watched))
        return watched

    def end(self, watched: Watched, outcome: Ended, *, last_attempt: bool = True) -> None:
        self._watched.remove(watched)
        if outcome.seconds:  # unknown of one that was lost
            self._measured.append(outcome.seconds)
        self._done += outcome.valid or last_attempt
        skipped = outcome.kind == Unsupported.__name__
        self._failed += not outcome.valid and last_attempt and not skipped
        why = outcome.reason.partition("\n")[0]
        verdict = "ok" if outcome.valid else f"{'skipped' if skipped else 'does not count'}: {why}"
        self._line(
            f"{watched.label}: {outcome.seconds:.0f} s, major faults {watched.faults()}; {verdict}; {self._left()} left"
        )

    def _left(self) -> str:
        seconds = sum(self._measured) / len(self._measured) if self._measured else self._cell_seconds
        return clock(seconds * (self._total - self._done) / self._at_a_time)

    def _line(self, text: str) -> None:
        self._console.print(f"{time.strftime('%H:%M:%S')} {printable(text)}")

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        if self._stage or not self._watched:
            table.add_row("now", self._stage)
        for watched in [] if self._stage else list(self._watched):
            table.add_row("now", f"{watched.label}, {watched.now}")
            table.add_row("major faults", watched.faults())
        table.add_row("done", f"{self._done} of {self._total} cells, {self._failed} failed")
        table.add_row("left", self._left())
        return table


class PrintableFormatter(logging.Formatter):
    """A log line, and the traceback below it, without what a terminal obeys."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def log_handler(form: str) -> logging.Handler:
    """To standard error, in the form of logging.Formatter."""
    handler = logging.StreamHandler()
    handler.setFormatter(PrintableFormatter(form))
    return handler


def set_up_log(level: int) -> None:
    """Of this process: one form, and no chatter of libraries."""
    logging.basicConfig(level=level, handlers=[log_handler("%(levelname)s %(name)s: %(message)s")])
    for chatty in ("paramiko", "matplotlib", "PIL", "traitlets", "distributed"):
        logging.getLogger(chatty).setLevel(logging.CRITICAL)


def clock(seconds: float) -> str:
    """Seconds as people say them: "40 s", "12 min", "3 h 05 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
