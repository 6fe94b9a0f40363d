"""cell.jsonl, a cell's own record: what its lines say, how they are written, and how they are read.

A line is one JSON object. Its member "type" tells which of the classes below the others are of; what is not known is
left out. Instants ``host`` are seconds of the host's monotonic clock, ``guest`` of the guest's, ``wall`` seconds since
the epoch.
"""

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from measure.hostuse import HostUse
from measure.lines import each
from measure.quota import EVENT_BYTES
from measure.validity import Check
from testbed.files.documents import Fault, parse_json, read_bounded

# What a cell's folder holds.
JOURNAL, SAMPLES, CONSOLE, DOMAIN = "cell.jsonl", "samples.jsonl", "console.log", "domain.xml"
PREFETCH, ALPHA, PEER = "prefetch.jsonl", "alpha.jsonl", "peer.jsonl"  # streams of events

Word = str | int | float | bool | None  # of a guest, which may say anything


@dataclass(frozen=True)
class Head:
    """The first line: which cell this is. ``ran_on``: the host, which ran at most ``guests`` at a time."""

    name: str
    replicate: int
    condition: str
    topology: str
    policy: str
    pressure: bool
    disk_iops: int
    accelerator: str
    ran_on: str = ""
    guests: int = 1


@dataclass(frozen=True)
class Step:
    """An instant of the steps. Of some steps: the ``tick``, the limits of each disk, the ``rows`` of an answer."""

    step: str
    host: float
    wall: float
    guest: float | None = None
    tick: int | None = None
    disk_iops: dict[str, int] | None = None
    rows: int | None = None
    total_s: float | None = None


@dataclass(frozen=True)
class Answer:
    """The response to the recorded request; ``ok``: it is what was to be answered. Times in s since the request."""

    rows: int
    checksum: int
    first_byte_s: float
    total_s: float
    ok: bool


@dataclass(frozen=True)
class Mechanism:
    """What the mechanism takes: bytes held besides service A's memory, bytes that DAMON has advised."""

    memory_bytes: int
    advised_bytes: int | None = None


@dataclass(frozen=True)
class Advance:
    """What a peer did in advance of the request, in its own words; one that has not ended is not ``ok``."""

    action: Word
    t_begin: Word = None
    t_end: Word = None
    ok: bool = False
    pages: Word = None
    detail: Word = ""


@dataclass(frozen=True)
class End:
    """The last line. ``kind`` is that of a failure, else ""."""

    complete: bool
    valid: bool
    kind: str = ""
    reason: str = ""

    @property
    def counts(self) -> bool:
        """Whether the cell counts, by its own word."""
        return self.complete and self.valid


Entry = Head | Step | Answer | HostUse | Mechanism | Advance | Check | End
KINDS: dict[str, type[Entry]] = {
    "cell": Head,
    "step": Step,
    "response": Answer,
    "host": HostUse,
    "mechanism": Mechanism,
    "advance": Advance,
    "check": Check,
    "end": End,
}
NAMES = {kind: name for name, kind in KINDS.items()}
ADAPTERS: dict[str, TypeAdapter[Entry]] = {name: TypeAdapter(kind) for name, kind in KINDS.items()}


def line_of(entry: Entry) -> str:
    said = {name: value for name, value in asdict(entry).items() if value is not None}
    return json.dumps({"type": NAMES[type(entry)], **said}) + "\n"


def entry_of(line: bytes) -> Entry:
    """Raises Fault."""
    values = parse_json(line)
    if not isinstance(values, dict):
        raise Fault("not a JSON object")
    kind = values.pop("type", None)
    if not isinstance(kind, str) or kind not in ADAPTERS:
        raise Fault(f"type {kind!r} is none of {', '.join(ADAPTERS)}"[:200])
    try:
        # Strict as JSON is: 1 is a number of seconds, too.
        return ADAPTERS[kind].validate_json(json.dumps(values), strict=True, extra="forbid")
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part)[:40] for part in first["loc"])
        raise Fault(f"{kind}: {place}: {first['msg'][:200]}") from None


class Journal:
    """cell.jsonl while its cell is run: each line is on disk before the next step."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a")

    def write(self, entry: Entry) -> None:
        self._file.write(line_of(entry))
        self._file.flush()
        os.fsync(self._file.fileno())

    def step(self, step: str, **values: Any) -> Step:
        """Now, unless ``values`` say when it was on the host's clock."""
        entry = Step(step, **{"host": time.monotonic(), "wall": time.time(), **values})
        self.write(entry)
        return entry

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def read_journal(path: Path) -> list[Entry]:
    """All whole lines. Raises OSError, and Fault for a line that is none of a journal's."""
    return entries_in(read_bounded(path, EVENT_BYTES))


def entries_in(content: bytes) -> list[Entry]:
    """Likewise."""
    return list(each(content, entry_of))


def read_head(folder: Path) -> Head | None:
    """Of the cell in ``folder``; None if it has none that can be read."""
    found = entry_at(folder / JOURNAL, 0)
    return found if isinstance(found, Head) else None


def read_end(folder: Path) -> End | None:
    """Likewise; None, too, if the cell has not ended."""
    found = entry_at(folder / JOURNAL, -1)
    return found if isinstance(found, End) else None


def entry_at(path: Path, at: int) -> Entry | None:
    try:
        *whole, _cut = read_bounded(path, EVENT_BYTES).split(b"\n")
        return entry_of(whole[at])
    except (OSError, Fault, IndexError):
        return None
