"""Reads a run directory into frozen dataclasses; of samples only what is counted in them (analysis.recordings) is kept.

Strict about structure: a run without a readable plan or manifest is an error that names file and line.
Lenient about cells: one that failed, is still running, or was cut short is kept and marked, and what
it recorded is there to be drawn. Whoever computes takes ``Cell.valid`` cells only.
"""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from analysis.recordings import Recording, recording
from measure.packed import open_stored, stored
from measure.stream import Record, StreamFault, decode
from testbed.errors import Unsupported, UsageError, printable

Json = Mapping[str, Any]
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
    steps: Mapping[str, Json] = field(default_factory=dict)
    response: Json = field(default_factory=dict)
    checks: tuple[Json, ...] = ()
    advances: tuple[Json, ...] = ()
    mechanism: Json = field(default_factory=dict)
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


def load_run(path: Path) -> Run:
    """The run in directory ``path``.

    Raises UsageError if that is no run directory or its plan or manifest cannot be read.
    """
    if not (path / "plan.json").is_file():
        raise UsageError(f"{path} is no run directory: it has no plan.json", "name a folder below results/")
    plan, manifest = _document(path / "plan.json"), _document(path / "manifest.json")
    problems: list[str] = []
    cells = tuple(_cell(path, planned, problems) for planned in _planned(path / "plan.json", plan))
    known = {cell.name for cell in cells}
    for folder in sorted((path / "cells").glob("*")):
        if folder.name not in known:
            problems.append(f"cells/{folder.name}: not in plan.json, left out")
    try:
        return Run(
            path=path,
            name=_text(plan["run"]),
            accelerator=_text(manifest["accelerator"]),
            kernel=_text(manifest["guest"]["kernel"]),
            dataset=_text(manifest["dataset"]["label"]),
            cells=cells,
            problems=tuple(problems),
        )
    except (KeyError, TypeError) as error:
        raise UsageError(f"{path}: plan.json or manifest.json lacks {error}", _OTHER_FORMAT) from error


_OTHER_FORMAT = "the run is from another version of this program: report it with that version"


def _text(value: object) -> str:
    """What a font can draw and a terminal may be sent."""
    return printable(str(value))


def _document(path: Path) -> Json:
    """One JSON object in a file of its own."""
    try:
        value = json.loads(path.read_text())
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        line = getattr(error, "lineno", 1)
        hint = "restore the file, or make the run again"
        raise UsageError(f"{path}:{line}: not JSON: {error}", hint) from error
    if not isinstance(value, dict):
        raise UsageError(f"{path}:1: not a JSON object", _OTHER_FORMAT)
    return value


def _planned(path: Path, plan: Json) -> list[Cell]:
    """The plan's cells, none of them run."""
    if not plan.get("cells"):
        raise UsageError(f"{path}: the plan has no cells", _OTHER_FORMAT)
    try:
        return [
            Cell(
                name=str(cell["name"]),
                replicate=int(cell["replicate"]),
                condition=str(cell["condition"]),
                topology=str(cell["topology"]),
                policy=str(cell["policy"]),
            )
            for cell in plan["cells"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{path}: a cell of the plan lacks or mistypes {error}", _OTHER_FORMAT) from error


def _cell(run: Path, planned: Cell, problems: list[str]) -> Cell:
    """``planned`` with all that its folder holds. Faults in files go to ``problems`` and make it invalid."""
    folder = run / "cells" / planned.name
    if not (folder / "cell.jsonl").is_file():
        if folder.is_dir():
            problems.append(f"cells/{planned.name}/cell.jsonl: No such file")
            return replace(planned, state="incomplete", reason=problems[-1])
        return planned
    ledger, faults = _lines(run, folder / "cell.jsonl")
    prefetch, prefetch_faults = (
        _lines(run, stored(folder / "prefetch.jsonl")) if stored(folder / "prefetch.jsonl").is_file() else ((), [])
    )
    samples, sample_faults = _samples(run, stored(folder / "samples.jsonl"))
    end = ledger[-1] if ledger and ledger[-1].get("type") == "end" else {}
    complete = end.get("complete") is True
    skipped = not complete and end.get("kind") == Unsupported.__name__
    faults += _disagreements(run, folder, planned, ledger)
    said_valid = complete and end.get("valid") is True
    sampled = said_valid or stored(folder / "samples.jsonl").is_file()  # what failed early has recorded nothing
    faults += [] if skipped else [*prefetch_faults, *(sample_faults if sampled else [])]
    problems += faults
    if not end:
        reason = "no end record: still running, or broken off"
    else:
        reason = _text(end.get("reason") or "") or next(iter(faults), "" if said_valid else "no reason recorded")
    return replace(
        planned,
        state="skipped" if skipped else "complete" if complete else "incomplete",
        valid=said_valid and not faults,
        reason=reason,
        steps={str(record.get("step")): record for record in ledger if record.get("type") == "step"},
        response=next(iter(_of_type(ledger, "response")), {}),
        checks=_of_type(ledger, "check"),
        advances=_of_type(ledger, "advance"),
        mechanism=next(iter(_of_type(ledger, "mechanism")), {}),
        ran_on=_text(ledger[0].get("ran_on", "")) if ledger else "",
        guests=_guests(ledger[0]) if ledger else 1,
        recording=recording(samples),
        prefetch=prefetch,
    )


def _guests(head: Json) -> int:
    guests = head.get("guests", 1)
    return guests if isinstance(guests, int) and guests > 0 else 1


def _of_type(ledger: tuple[Json, ...], name: str) -> tuple[Json, ...]:
    return tuple(record for record in ledger if record.get("type") == name)


def _disagreements(run: Path, folder: Path, planned: Cell, ledger: tuple[Json, ...]) -> list[str]:
    """Where the cell's first record is not the head that the plan promises."""
    head = ledger[0] if ledger else {}
    where = f"{(folder / 'cell.jsonl').relative_to(run)}:1"
    if head.get("type") != "cell":
        return [f"{where}: the first record is not of type cell"]
    return [
        f"{where}: {key} is {head.get(key)!r}, plan.json says {getattr(planned, key)!r}"
        for key in ("name", "replicate", "condition", "topology", "policy")
        if head.get(key) != getattr(planned, key)
    ]


def _lines(run: Path, path: Path) -> tuple[tuple[Json, ...], list[str]]:
    """The JSON objects of a file up to the first line that is none, and what is wrong with that line.

    A last line without its newline was cut off while it was written: it is dropped without complaint
    (a cell that ended in the midst of it has no ``end`` record and does not count anyway).
    """
    content, broken = _content(run, path)
    *whole, _cut = content.decode(errors="replace").split("\n")
    records: list[Json] = []
    for number, line in enumerate(whole, 1):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            return tuple(records), [f"{path.relative_to(run)}:{number}: not JSON: {error}"]
        if not isinstance(record, dict):
            return tuple(records), [f"{path.relative_to(run)}:{number}: not a JSON object"]
        records.append(record)
    return tuple(records), broken


def _samples(run: Path, path: Path) -> tuple[list[Record], list[str]]:
    """The sampler's records up to the first line that is none, and what is wrong with that line."""
    name = path.relative_to(run)
    if not path.is_file():
        return [], [f"{name}: No such file"]
    content, broken = _content(run, path)
    *whole, cut = content.split(b"\n")
    records: list[Record] = []
    for number, line in enumerate(whole, 1):
        try:
            records.append(decode(line, number))
        except StreamFault as fault:
            return records, [f"{name}:{number}: {fault}"]
    return records, broken or ([f"{name}:{len(whole) + 1}: ends within a line"] if cut else [])


def _content(run: Path, path: Path) -> tuple[bytes, list[str]]:
    """A file's bytes, unpacked as far as that goes, and what is wrong with it."""
    with open_stored(path) as file:
        content = bytearray()
        try:
            while part := file.read(1 << 16):
                content += part
        except (OSError, EOFError, zlib.error) as error:
            return bytes(content), [f"{path.relative_to(run)}: damaged: {error}"]
    return bytes(content), []
