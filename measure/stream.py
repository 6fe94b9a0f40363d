"""Decoder of the sampler's stream: bytes in, records out; strict, bounded, without effects.

The stream comes from a guest, so nothing in it is trusted: a line that is too long, is not one of the
records below, lacks a field, has one too many, or holds a negative, non-finite or oversized number ends the
stream with a StreamFault. Times ``t`` and ``due`` are the guest's CLOCK_MONOTONIC in seconds; counters are
absolute, as the kernel gives them (proc(5), Documentation/admin-guide/cgroup-v2.rst), never differences.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from measure.lines import LINE_LIMIT, Lines, LineTooLong
from measure.packed import Damaged, read_stored
from measure.quota import STREAM_BYTES
from testbed.errors import CellError

Count = Annotated[int, Field(ge=0, lt=2**63)]
Seconds = Annotated[float, Field(ge=0, lt=2**53, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Za-z0-9_.-]+$")]
Comm = Annotated[str, Field(max_length=64)]
Key = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.()-]+$")]
Counters = Annotated[dict[Key, Count], Field(max_length=512)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class OwnUse(_Strict):
    """What the sampler itself used since the recording started."""

    minflt: Count
    majflt: Count
    cpu_us: Count


class Pressure(_Strict):
    """Microseconds that some, or all, of a cgroup's tasks stalled on memory."""

    some_us: Count
    full_us: Count


class Group(_Strict):
    """A cgroup's counters; all None and empty while the cgroup does not exist. Memory in bytes."""

    memory_current: Count | None = Field(None, alias="memory.current")
    memory_swap_current: Count | None = Field(None, alias="memory.swap.current")
    stat: Counters = {}
    pressure: Pressure | None = None
    oom_kill: Count | None = None


class Disk(_Strict):
    """A block device's counters. Sectors are of 512 bytes."""

    reads: Count
    read_sectors: Count
    read_ms: Count
    writes: Count
    write_sectors: Count
    write_ms: Count
    io_ms: Count


class Process(_Strict):
    """One process. ``start`` and ``blkio`` are clock ticks, ``rss`` pages.

    The kernel's ``blkio`` (field 42 of /proc/PID/stat) counts the first thread only, unlike the faults.
    ``cgroup`` is relative to the group's own ("" there, else "/..."). ``pid`` and ``start`` together name
    a process for as long as the guest runs.
    """

    group: Name
    cgroup: Annotated[str, Field(max_length=512)]
    pid: Count
    start: Count
    comm: Comm
    minflt: Count
    majflt: Count
    rss: Count
    blkio: Count


class Hello(_Strict):
    """The answer to ``ping``. Without ``taskstats`` there are no Exit records."""

    type: Literal["hello"]
    t: Seconds
    version: Literal[1]
    pid: Count
    kernel: Annotated[str, Field(max_length=128)]
    page_size: Annotated[int, Field(gt=0, lt=2**31)]
    hz: Annotated[int, Field(gt=0, lt=2**31)]
    taskstats: bool
    locked: bool
    realtime: bool


class Start(_Strict):
    """The recording starts; ``wall`` is the guest's CLOCK_REALTIME, ``interval`` seconds between ticks."""

    type: Literal["start"]
    t: Seconds
    wall: Seconds
    interval: Annotated[float, Field(ge=0.01, le=60)]


class Tick(_Strict):
    """Everything sampled at due instant ``n`` (from 0); ``missed`` instants before it were not sampled."""

    type: Literal["tick"]
    n: Count
    t: Seconds
    due: Seconds
    late_us: Count
    missed: Count
    own: OwnUse = Field(alias="self")
    vmstat: Counters
    meminfo: Counters
    groups: dict[Name, Group]
    disks: dict[Name, Disk]
    procs: tuple[Process, ...]


class Exit(_Strict):
    """Final counts of a process that ended at ``t``. The line itself comes at a later tick.

    ``swapin_us`` may be part of ``blkio_us``; both are 0 unless the guest has delay accounting on.
    """

    type: Literal["exit"]
    t: Seconds
    group: Name
    pid: Count
    ppid: Count
    comm: Comm
    minflt: Count
    majflt: Count
    blkio_us: Count
    swapin_us: Count


class Mark(_Strict):
    """A name that the host put into the stream."""

    type: Literal["mark"]
    t: Seconds
    name: Name


class Stop(_Strict):
    """The recording ended. ``dropped`` lines found no room on their way to the host.

    Exit records may be missing if ``lost_exits`` (no room, or a group that could not be told any more) or
    ``overruns`` (of the kernel's queue) is not 0.
    """

    type: Literal["stop"]
    t: Seconds
    ticks: Count
    missed: Count
    own: OwnUse = Field(alias="self")
    dropped: Count
    lost_exits: Count
    overruns: Count


class StreamError(_Strict):
    """The sampler could not do what it was told, or left something out."""

    type: Literal["error"]
    t: Seconds
    message: Annotated[str, Field(max_length=512)]


Record = Hello | Start | Tick | Exit | Mark | Stop | StreamError

_RECORD: TypeAdapter[Record] = TypeAdapter(Annotated[Record, Field(discriminator="type")])


class StreamFault(CellError):  # noqa: N818 - not the stream's own record of an error
    """The stream is not what a sampler writes. ``line`` is its line's number, from 1."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"sampler stream, line {line}: {problem}")
        self.line = line
        self.problem = problem


def decode(line: bytes, number: int = 1) -> Record:
    """The record in one line, with or without its newline.

    ``number`` is the line's, for the StreamFault that anything else raises.
    """
    try:
        return _RECORD.validate_json(line)
    except ValidationError as error:
        raise StreamFault(number, _first_problem(error)) from None


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    # A place may hold keys that the guest chose: quoted, so that no control character reaches a terminal.
    place = ".".join(repr(part)[:40] if isinstance(part, str) else str(part) for part in first["loc"])
    message = ascii(first["msg"][:200])[1:-1]
    return f"{place}: {message}" if place else message


class StreamDecoder:
    """Cuts a stream that comes in arbitrary pieces into records.

    After a StreamFault the stream is not trusted further: the decoder raises the same fault again.
    """

    def __init__(self, limit: int = LINE_LIMIT) -> None:
        self._lines = Lines(limit)
        self._fault: StreamFault | None = None

    def feed(self, data: bytes) -> list[Record]:
        """The records that ``data`` completes; raises StreamFault, and then gives none of them."""
        if self._fault:
            raise self._fault
        try:
            return [decode(line, self._lines.count) for line in self._lines.add(data)]
        except LineTooLong as error:
            self._fault = StreamFault(self._lines.count + 1, str(error))
        except StreamFault as fault:
            self._fault = fault
        raise self._fault


def records_in(content: bytes) -> Iterator[Record]:
    """The records of a whole stream, up to its first fault. Raises StreamFault then, and if it ends within a line."""
    lines = Lines()
    try:
        for line in lines.add(content):
            yield decode(line, lines.count)
    except LineTooLong as error:
        raise StreamFault(lines.count + 1, str(error)) from error
    if lines.pending:
        raise StreamFault(lines.count + 1, "ends within a line")


def read_stream(path: Path) -> list[Record]:
    """All records of a recorded stream (samples.jsonl), packed or not.

    Raises StreamFault, and CellError if the file cannot be read.
    """
    try:
        return list(records_in(read_stored(path, STREAM_BYTES)))
    except OSError as error:
        raise CellError(f"{path}: {error.strerror}") from error
    except Damaged as damaged:
        raise CellError(f"{path}: {damaged}") from damaged
