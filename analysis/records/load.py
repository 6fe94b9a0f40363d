"""Reads a run directory into frozen dataclasses; of samples only what is counted in them (recordings.py) is kept.

Strict about structure: a run without a readable plan or manifest is an error that names file and line.
Lenient about cells: one that failed, is still running, or was cut short is kept and marked, and what
it recorded is there to be drawn. Whoever computes takes ``Cell.valid`` cells only.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from analysis.records.recordings import Recording, recording
from configuration.plan_file import OTHER_VERSION, PlannedCell, read_plan
from measure.journal import (
    JOURNAL,
    PREFETCH,
    SAMPLES,
    Advance,
    Answer,
    End,
    Entry,
    Head,
    Mechanism,
    Step,
    entry_of,
)
from measure.lines import BadLine, each
from measure.packed import Damaged, read_stored, stored
from measure.quota import COMMS, EVENT_BYTES, EVENT_MEMBERS, RUN_EVENT_BYTES, STREAM_BYTES
from measure.stream import Record, StreamFault, Tick, records_in
from measure.validity import Check
from testbed.errors import Unsupported, UsageError
from testbed.files.documents import RESTORE, Fault, parse_json, read_json
from testbed.files.plain import require_plain

Json = Mapping[str, Any]
T = TypeVar("T")
State = Literal["planned", "incomplete", "complete", "skipped"]


@dataclass(frozen=True)
class Cell:
    """One cell's raw records.

    ``state`` is "planned" before its first record, "incomplete" until its ``end`` record, then "complete", or
    "skipped" where the guest lacks what the condition needs. ``steps`` maps a step's name to its record; ``advances``:
    actions begun before the request; ``mechanism``: what the mechanism itself takes. ``ran_on``: the host, which ran at
    most ``guests`` at a time. ``recording``: None where nothing was recorded. ``prefetch`` keeps the order of its file.
    """

    name: str
    replicate: int
    condition: str
    topology: str
    policy: str
    state: State = "planned"
    valid: bool = False
    reason: str = "not run yet"
    steps: Mapping[str, Step] = field(default_factory=dict)
    response: Answer | None = None
    checks: tuple[Check, ...] = ()
    advances: tuple[Advance, ...] = ()
    mechanism: Mechanism | None = None
    ran_on: str = ""
    guests: int = 1
    recording: Recording | None = None
    prefetch: tuple[Json, ...] = ()


@dataclass(frozen=True)
class Run:
    """A run: its cells in the order of the plan, and ``problems``, what was found wrong with its files."""

    path: Path
    name: str
    accelerator: str
    kernel: str
    dataset: str
    cells: tuple[Cell, ...]
    problems: tuple[str, ...] = ()

    @property
    def times_are_emulated(self) -> bool:
        """By an accelerator whose seconds are not a processor's: counts stand as they are, of times only ratios."""
        return self.accelerator == "tcg"


def load_run(path: Path) -> Run:
    """The run in directory ``path``.

    Raises UsageError if that is no run directory, holds what could lead out of it, or its plan or manifest cannot be
    read.
    """
    if not (path / "plan.json").is_file():
        raise UsageError(f"{path} is no run directory: it has no plan.json", "name a folder below results/")
    require_plain(path)
    plan, manifest = read_plan(path / "plan.json"), read_manifest(path)
    for name in NEEDED:
        if not isinstance(member(manifest, name), str):
            raise UsageError(f"{path / 'manifest.json'}: {name} is missing, or is no word", OTHER_VERSION)
    if not (path / "cells").is_dir():
        raise UsageError(f"{path / 'cells'} is {'no folder' if (path / 'cells').exists() else 'missing'}", RESTORE)
    problems: list[str] = []
    budget = Budget(RUN_EVENT_BYTES)
    cells = tuple(_cell(path, planned, problems, budget) for planned in plan.cells)
    known = {cell.name for cell in cells}
    for folder in sorted((path / "cells").glob("*")):
        if folder.name not in known:
            problems.append(f"cells/{folder.name}: not in plan.json, left out")
    return Run(
        path=path,
        name=plan.run,
        accelerator=manifest["accelerator"],
        kernel=manifest["guest"]["kernel"],
        dataset=manifest["dataset"]["label"],
        cells=cells,
        problems=tuple(problems),
    )


# The members of manifest.json that stand on every figure, and those that have members of their own.
NEEDED = ("accelerator", "guest.kernel", "dataset.label")
TABLES = ("guest", "guest.packages", "dataset", "host", "digests", "digests.snapshots", "git", "suite", "hosts")


def read_manifest(run: Path) -> dict[str, Any]:
    """manifest.json. Raises UsageError naming what it has in another form than all manifests."""
    path = run / "manifest.json"
    manifest = read_json(path)
    if not isinstance(manifest, dict):
        raise UsageError(f"{path}: not a JSON object", OTHER_VERSION)
    for name in TABLES:
        if not isinstance(member(manifest, name), dict | None):
            raise UsageError(f"{path}: {name} is no object", OTHER_VERSION)
    return manifest


def member(values: Any, name: str) -> Any:
    """Of nested objects by its names, with dots between them; None where there is none."""
    for key in name.split("."):
        values = values.get(key) if isinstance(values, dict) else None
    return values


@dataclass
class Budget:
    """How many bytes of events are still taken: a thousand small files can be as large as a large one."""

    left: int


def _cell(run: Path, plan: PlannedCell, problems: list[str], budget: Budget) -> Cell:
    """A planned cell with all that its folder holds. Faults in files go to ``problems`` and make it invalid."""
    planned = Cell(plan.name, plan.replicate, plan.condition, plan.topology, plan.policy)
    folder = run / "cells" / planned.name
    if not (folder / JOURNAL).is_file():
        if folder.exists():
            problem = f"{JOURNAL}: No such file" if folder.is_dir() else " is a file, not a cell's folder"
            problems.append(f"cells/{planned.name}{'/' * folder.is_dir()}{problem}")
            return replace(planned, state="incomplete", reason=problems[-1])
        return planned
    journal, faults = _lines(run, folder / JOURNAL, budget, entry_of)
    broken_off = next(iter(faults), "no end record: still running, or broken off")
    prefetch, prefetch_faults = (
        _lines(run, stored(folder / PREFETCH), budget, plain_members)
        if stored(folder / PREFETCH).is_file()
        else ([], [])
    )
    samples, sample_faults = _samples(run, stored(folder / SAMPLES))
    end = journal[-1] if journal and isinstance(journal[-1], End) else None
    complete = end is not None and end.complete
    skipped = end is not None and not complete and end.kind == Unsupported.__name__
    faults += _disagreements(planned, journal)
    said_valid = end is not None and end.counts
    sampled = said_valid or stored(folder / SAMPLES).is_file()  # what failed early has recorded nothing
    faults += [] if skipped else [*prefetch_faults, *(sample_faults if sampled else [])]
    problems += faults
    unsaid = next(iter(faults), "" if said_valid else "no reason recorded")
    head = journal[0] if journal and isinstance(journal[0], Head) else None
    return replace(
        planned,
        state="skipped" if skipped else "complete" if complete else "incomplete",
        valid=said_valid and not faults,
        reason=broken_off if end is None else end.reason or unsaid,
        steps={entry.step: entry for entry in journal if isinstance(entry, Step)},
        response=next((entry for entry in journal if isinstance(entry, Answer)), None),
        checks=tuple(entry for entry in journal if isinstance(entry, Check)),
        advances=tuple(entry for entry in journal if isinstance(entry, Advance)),
        mechanism=next((entry for entry in journal if isinstance(entry, Mechanism)), None),
        ran_on=head.ran_on if head else "",
        guests=max(1, head.guests) if head else 1,
        recording=recording(samples),
        prefetch=tuple(prefetch),
    )


def _disagreements(planned: Cell, journal: Sequence[Entry]) -> list[str]:
    """Where the cell's first record is not the head that the plan promises."""
    head = journal[0] if journal else None
    where = f"cells/{planned.name}/{JOURNAL}:1"
    if not isinstance(head, Head):
        return [f"{where}: the first record is not of type cell"]
    return [
        f"{where}: {key} is {getattr(head, key)!r}, plan.json says {getattr(planned, key)!r}"
        for key in ("name", "replicate", "condition", "topology", "policy")
        if getattr(head, key) != getattr(planned, key)
    ]


def plain_members(line: bytes) -> Json:
    """Of the object in a line. Raises Fault."""
    record = parse_json(line)
    if not isinstance(record, dict):
        raise Fault("not a JSON object")
    if len(record) > EVENT_MEMBERS:
        raise Fault(f"more than {EVENT_MEMBERS} members")
    return {name: value for name, value in record.items() if not isinstance(value, dict | list)}


def _lines(run: Path, path: Path, budget: Budget, read: Callable[[bytes], T]) -> tuple[list[T], list[str]]:
    """What ``read`` makes of each line of a file up to the first that is none, and what is wrong with that.

    A line that was cut off is left out without complaint: a cell that ended in the midst of it has no ``end`` record
    and does not count anyway.
    """
    content, broken = _content(run, path, min(EVENT_BYTES, budget.left))
    budget.left -= len(content)
    records: list[T] = []
    try:
        for record in each(content, read):
            records.append(record)
    except BadLine as bad:
        return records, [f"{path.relative_to(run)}:{bad.line}: {bad.problem}"]
    return records, broken


def _samples(run: Path, path: Path) -> tuple[list[Record], list[str]]:
    """The sampler's records up to the first line that is none, and what is wrong with that line."""
    name = path.relative_to(run)
    if not path.is_file():
        return [], [f"{name}: No such file"]
    content, broken = _content(run, path, STREAM_BYTES)
    if not content:
        return [], broken or [f"{name}: empty"]
    records: list[Record] = []
    try:
        records += records_in(content)
    except StreamFault as fault:
        return records, broken or [f"{name}:{fault.line}: {fault.problem}"]
    if len({process.comm for record in records if isinstance(record, Tick) for process in record.procs}) > COMMS:
        return [], broken or [f"{name}: more than {COMMS} names of programs"]
    return records, broken


def _content(run: Path, path: Path, most: int) -> tuple[bytes, list[str]]:
    """A file's bytes, unpacked as far as that goes but no more than ``most``, and what is wrong with it."""
    try:
        return read_stored(path, most), []
    except Damaged as damaged:
        return damaged.content, [f"{path.relative_to(run)}: damaged: {damaged}"]
    except OSError as error:
        return b"", [f"{path.relative_to(run)}: {error.strerror or error}"]
