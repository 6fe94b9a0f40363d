"""From absolute counters in a sampler stream to counts within the recording. Pure.

Definitions, used by every table and figure:

**Elapsed time** ``t`` is guest seconds (CLOCK_MONOTONIC) since the recording's start.

**A process's count** is its counter less its value at the first tick. A process that is not in the first
tick was born within the recording and starts at 0, so that its first value counts. A process that ended
keeps the count of its exit record, which replaces its last tick's; one that came and went between two
ticks is known from its exit record alone. What ended before the first tick is outside.

**A role's count** is the sum over its processes. A process's role is that of the last ``comm`` it was seen
with: the httpd child that becomes query.cgi is query.cgi.

**A count from request to response** is the value at the first tick at or after the response less the value
at the last tick at or before the request; a tick's value holds the exit records up to it. With a tick a
second this takes in up to a second on either side, as the paper's own figure does.

**A level's peak** is the largest value at these ticks and those between them.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from measure.stream import Exit, Mark, Process, Record, Start, Stop, Tick

DEFAULT_ROLES: Mapping[str, str] = {
    "apache2": "httpd",
    "mariadbd": "rdbms",
    "query.cgi": "query.cgi",
    "alpha": "alpha",
}
OTHER = "other"
BACKGROUND = ("alpha", OTHER)  # the roles that are not service A's

Array = npt.NDArray[np.float64]
_Key = tuple[int, int]  # pid and start time; the latter is negative where only an exit record is known


@dataclass(frozen=True)
class Window:
    """One recording, from its start record on; at least one tick. ``times``: the ticks' elapsed seconds."""

    start: float
    interval: float
    ticks: tuple[Tick, ...]
    exits: tuple[Exit, ...]
    marks: Mapping[str, float]
    stop: Stop | None
    times: Array


@dataclass(frozen=True)
class Counts:
    """Cumulative counts by comm or role: an array a tick, and the final counts with the exits after the last tick."""

    ticks: int
    majflt: Mapping[str, Array]
    minflt: Mapping[str, Array]
    final: Mapping[str, float]


def role_names(roles: Mapping[str, str]) -> list[str]:
    """The roles of a mapping in its order, then the rest's."""
    return [*dict.fromkeys([*roles.values(), OTHER])]


def window(samples: Iterable[Record]) -> Window | None:
    """The recording in a stream, or None where there is no start record or no tick after it."""
    start: Start | None = None
    stop: Stop | None = None
    ticks: list[Tick] = []
    exits: list[Exit] = []
    marks: dict[str, float] = {}
    for record in samples:
        if isinstance(record, Start) and start is None:
            start = record
        if start is None or stop is not None:
            continue
        if isinstance(record, Tick):
            ticks.append(record)
        elif isinstance(record, Exit):
            exits.append(record)
        elif isinstance(record, Mark):
            marks.setdefault(record.name, record.t)
        elif isinstance(record, Stop):
            stop = record
    if start is None or not ticks:
        return None
    times = np.array([round(tick.t - start.t, 6) for tick in ticks])
    return Window(start.t, start.interval, tuple(ticks), tuple(exits), marks, stop, times)


class Running:
    """The faults of each process so far, by the definitions above; records come in the order of their instants."""

    def __init__(self) -> None:
        self.counts: dict[_Key, tuple[int, int]] = {}  # major and minor faults
        self.comms: dict[_Key, str] = {}
        self._base: dict[_Key, tuple[int, int]] | None = None
        self._ended: set[_Key] = set()

    def add_tick(self, tick: Tick) -> None:
        if self._base is None:
            self._base = {(p.pid, p.start): (p.majflt, p.minflt) for p in tick.procs}
        for p in tick.procs:
            if (p.pid, p.start) not in self._ended:
                self._count((p.pid, p.start), p)

    def add_exit(self, ended: Exit) -> None:
        alive = [key for key in self.counts if key[0] == ended.pid and key not in self._ended]
        key = max(alive, key=lambda k: k[1]) if alive else (ended.pid, -1 - len(self._ended))
        self._count(key, ended)
        self._ended.add(key)

    def _count(self, key: _Key, seen: Process | Exit) -> None:
        majflt, minflt = (self._base or {}).get(key, (0, 0))
        self.counts[key] = (seen.majflt - majflt, seen.minflt - minflt)
        self.comms[key] = seen.comm

    def majors(self, roles: Mapping[str, str]) -> dict[str, int]:
        """Major faults of each role that has had a process."""
        found: dict[str, int] = {}
        for key, (majors, _) in self.counts.items():
            role = roles.get(self.comms[key], OTHER)
            found[role] = found.get(role, 0) + majors
        return found


def comm_counts(recording: Window) -> Counts:
    """The counts by the comm that each process was last seen with, by the definitions above."""
    running = Running()
    snapshots: list[dict[_Key, tuple[int, int]]] = []
    exits = [record for record in recording.exits if record.t > recording.ticks[0].t]
    # A tick's value holds the exits at its own instant, and exit records may arrive after later ticks.
    records: list[Tick | Exit] = [*recording.ticks, *exits]
    for record in sorted(records, key=lambda r: (r.t, isinstance(r, Tick))):
        if isinstance(record, Tick):
            running.add_tick(record)
            snapshots.append(dict(running.counts))
        else:
            running.add_exit(record)

    names = dict.fromkeys(running.comms.values())
    majors_of = {comm: [0] * len(snapshots) for comm in names}
    minors_of = {comm: [0] * len(snapshots) for comm in names}
    for index, snapshot in enumerate(snapshots):
        for key, (majors, minors) in snapshot.items():
            majors_of[running.comms[key]][index] += majors
            minors_of[running.comms[key]][index] += minors
    final = dict.fromkeys(names, 0.0)
    for key, (majors, _) in running.counts.items():
        final[running.comms[key]] += majors
    return Counts(len(snapshots), _arrays(majors_of), _arrays(minors_of), final)


def _arrays(lists: Mapping[str, list[int]]) -> dict[str, Array]:
    return {name: np.array(values, float) for name, values in lists.items()}


def role_counts(counts: Counts, roles: Mapping[str, str]) -> Counts:
    """Every role's counts from those by comm; a role without processes counts 0."""
    names = role_names(roles)
    majflt = {role: np.zeros(counts.ticks) for role in names}
    minflt = {role: np.zeros(counts.ticks) for role in names}
    final = dict.fromkeys(names, 0.0)
    for comm in counts.final:
        role = roles.get(comm, OTHER)
        majflt[role] += counts.majflt[comm]
        minflt[role] += counts.minflt[comm]
        final[role] += counts.final[comm]
    return Counts(counts.ticks, majflt, minflt, final)


def between(times: Array, values: Array, request: float, response: float) -> float:
    """A cumulative counter's count from ``request`` to ``response`` (definition above).

    NaN where an instant is unknown (NaN) or no tick lies at or beyond it.
    """
    whole = span(times, request, response)
    return math.nan if whole is None else float(values[whole][-1] - values[whole][0])


def peak(times: Array, values: Array, request: float, response: float) -> float:
    """A level's peak (definition above); NaN as for ``between``, and where no tick has a value."""
    whole = span(times, request, response)
    known = np.empty(0) if whole is None else values[whole][~np.isnan(values[whole])]
    return float(known.max()) if len(known) else math.nan


def before(times: Array, values: Array, instant: float) -> float:
    """A level at the last tick at or before ``instant``; NaN where there is none."""
    tick = -1 if math.isnan(instant) else int(np.searchsorted(times, instant, side="right")) - 1
    return math.nan if tick < 0 else float(values[tick])


def span(times: Array, begin: float, end: float) -> slice | None:
    """From the last tick at or before ``begin`` to the first at or after ``end``; None where one is not there."""
    if math.isnan(begin) or math.isnan(end):
        return None
    first = int(np.searchsorted(times, begin, side="right")) - 1
    last = int(np.searchsorted(times, end, side="left"))
    return slice(first, last + 1) if 0 <= first <= last < len(times) else None
