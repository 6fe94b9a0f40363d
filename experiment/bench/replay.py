"""Cells of a recorded run, once more without a guest: what their guests sent comes again, through a port of our own.

All that the harness does itself is done as ever: it takes the streams from the port, decodes and keeps them, checks the
cell and writes its journal. So this is how to measure what the harness costs.
"""

import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from configuration.load import Configuration
from configuration.plan import Cell
from experiment.cell import Ended, TickSeen, alpha_pages
from experiment.run_folder import Store
from measure.hostuse import HostUse
from measure.journal import (
    ALPHA,
    JOURNAL,
    PEER,
    PREFETCH,
    SAMPLES,
    Answer,
    End,
    Entry,
    Head,
    Journal,
    Step,
    entries_in,
)
from measure.packed import PACKED, read_stored
from measure.quota import STREAM_BYTES
from measure.recording import EventStream, SampleStream
from measure.stream import Record, Stop
from measure.timeline import ANSWER_SECONDS
from measure.validity import Check, Facts, check_cell
from testbed import ledger
from testbed.connection import PREFIX, SHORT_PLACE
from testbed.errors import UsageError
from testbed.files.documents import Fault
from workloads.request import Expected, Response

EVENTS = (ALPHA, PREFETCH, PEER)
COMPUTED = (Check, End)  # of the journal: these are not copied

E = TypeVar("E", bound=Entry)


@dataclass(frozen=True)
class Recorded:
    """What a cell left: the lines of its journal, and by name the bytes of all other files."""

    journal: tuple[Entry, ...]
    files: Mapping[str, bytes]

    def only(self, kind: type[E]) -> E:
        (found,) = (entry for entry in self.journal if isinstance(entry, kind))
        return found

    @property
    def response(self) -> Response:
        said = self.only(Answer)
        return Response(said.rows, said.checksum, said.first_byte_s, said.total_s)

    @property
    def instants(self) -> list[tuple[float, float]]:
        """Of the steps on the host's and the guest's clock, as experiment.cell notes them."""
        steps = (step for step in self.journal if isinstance(step, Step) and step.step != "alpha-ready")
        return [(step.host, step.guest) for step in steps if step.guest is not None]


@dataclass(frozen=True)
class RecordedRun:
    """The cells of a run that count, by condition, in the order of its plan; at least one a condition."""

    manifest: Mapping[str, Any]
    cells: Mapping[str, tuple[Recorded, ...]]

    @property
    def conditions(self) -> tuple[str, ...]:
        return tuple(self.cells)

    @property
    def expected(self) -> Expected:
        response = next(iter(self.cells.values()))[0].response
        return Expected(response.rows, response.checksum)

    def of(self, cell: Cell) -> Recorded:
        """The one that stands for a cell: where there are more replicates than were recorded, they come again."""
        recorded = self.cells[cell.condition]
        return recorded[(cell.replicate - 1) % len(recorded)]


def open_recording(store: Store) -> RecordedRun:
    """A run, packed or not, in memory. Raises UsageError if no cell of it counts."""
    cells: dict[str, tuple[Recorded, ...]] = {}
    for cell in store.plan().cells:
        folder = store.cell_folder(cell)
        if store.counts(cell):
            cells[cell.condition] = (*cells.get(cell.condition, ()), read_cell(folder))
    if not cells:
        raise UsageError(f"no cell of run {store.run} counts", "name a run with cells that do")
    return RecordedRun(store.manifest(), cells)


def read_cell(folder: Path) -> Recorded:
    files = {
        path.name.removesuffix(PACKED): read_stored(path, STREAM_BYTES)
        for path in sorted(folder.iterdir())
        if path.is_file()
    }
    try:
        return Recorded(tuple(entries_in(files.pop(JOURNAL))), files)
    except Fault as fault:
        raise UsageError(f"{folder / JOURNAL}: {fault}", "name another run") from None


class FakeGuest:
    """The guest's end of its ports: who connects is sent what is said next, and then that this is all."""

    def __init__(self, port: Path) -> None:
        self.port = port
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(port))
        self._listener.listen(1)

    def say(self, words: bytes) -> None:
        """To whoever has connected."""
        connected, _ = self._listener.accept()
        with connected:
            connected.settimeout(ANSWER_SECONDS)
            connected.sendall(words)

    def alive(self) -> None:
        """It always is."""

    def close(self) -> None:
        self._listener.close()


@dataclass(frozen=True)
class Replay:
    """Performs cells from a recording, one at a time, as ``experiment.cell.perform`` does with a guest."""

    recording: RecordedRun
    configuration: Configuration
    guest: FakeGuest

    def __call__(self, cell: Cell, folder: Path, on_tick: TickSeen = lambda _: None) -> Ended:
        """``folder``: for the cell's records; it is not there yet. Raises what a damaged recording leads to."""
        begin = time.monotonic()
        recorded = self.recording.of(cell)
        folder.mkdir(parents=True)
        with Journal(folder / JOURNAL) as journal:
            journal.write(replace(recorded.only(Head), name=cell.name, **asdict(cell)))
            for entry in recorded.journal[1:]:
                if not isinstance(entry, COMPUTED):
                    journal.write(entry)
            for name in recorded.files.keys() - {SAMPLES, *EVENTS}:
                (folder / name).write_bytes(recorded.files[name])
            records = self._samples(recorded, folder / SAMPLES, on_tick)
            events = {name: self._events(recorded, folder / name) for name in EVENTS}
            failed = self._check(cell, recorded, records, alpha_pages(events[ALPHA]), journal)
            kind = f"check {failed[0].partition(':')[0]}" if failed else ""
            reason = "; ".join(failed)
            journal.write(End(True, not failed, kind, reason))
        return Ended(cell, True, not failed, reason, time.monotonic() - begin, kind)

    def _samples(self, recorded: Recorded, sink: Path, on_tick: TickSeen) -> list[Record]:
        with closing(SampleStream(self.guest.port, sink, on_tick)) as stream:
            self.guest.say(recorded.files[SAMPLES])
            stream.wait(
                lambda record: isinstance(record, Stop), ANSWER_SECONDS, "the recording's end", self.guest.alive
            )
        return stream.records

    def _events(self, recorded: Recorded, sink: Path) -> EventStream:
        """A recording may be older than the stream."""
        with closing(EventStream(self.guest.port, sink)) as stream:
            self.guest.say(recorded.files.get(sink.name, b""))
        if stream.failure:
            raise stream.failure
        return stream

    def _check(
        self, cell: Cell, recorded: Recorded, records: list[Record], written: int, journal: Journal
    ) -> list[str]:
        """What does not hold, in words. ``written``: pages, by alpha."""
        own = self.configuration.for_condition(cell.condition)
        alpha = (written, own.alpha.pages) if own.condition.pressure else None
        facts = Facts(recorded.response, self.recording.expected, recorded.instants, alpha, recorded.only(HostUse))
        limits = own.checks.beside(recorded.only(Head).guests)
        checks = check_cell(records, facts, limits)
        for check in checks:
            journal.write(check)
        return [f"{check.check}: {check.detail}" for check in checks if not check.ok]


@contextmanager
def open_replay(recording: RecordedRun, configuration: Configuration) -> Iterator[Replay]:
    """With a fake guest, gone afterwards. Raises UsageError if the configuration lacks a recorded condition."""
    if missing := [name for name in recording.conditions if name not in configuration.condition]:
        raise UsageError(
            f"the recorded run has conditions that the configuration lacks: {', '.join(missing)}",
            "give a configuration that has them: --config FILE",
        )
    # A socket's path must be short.
    with ledger.folder(SHORT_PLACE, PREFIX) as folder, closing(FakeGuest(folder / "port")) as guest:
        yield Replay(recording, configuration, guest)
