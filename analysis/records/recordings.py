"""What a sampler's stream comes to: a few arrays with a value a tick. Its records are not kept. Pure.

A run has as many streams as cells: their records would take gigabytes, what is counted in them some kilobytes each.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from analysis.records.counters import Array, Counts, Window, comm_counts, window
from measure.stream import Record
from workloads.topology import MEASURED

SECTOR = 512  # bytes; /proc/diskstats counts in these whatever the device's own sectors are
DISKS = ("vda", "vdb")
GROUPS = (MEASURED, "alpha")
MEMINFO = ("MemFree", "MemAvailable", "SwapFree", "SwapCached")
GAUGES = {"memory.current": "memory_current", "memory.swap.current": "memory_swap_current"}
OWN = ("missed_ticks", "late_us_max", "sampler_majflt", "sampler_cpu_share", "lost_exits", "dropped_lines")

Name = tuple[str, str]  # a series' scope and name


@dataclass(frozen=True)
class Recording:
    """One recording, from its start record on; at least one tick.

    ``start``: guest seconds; ``times``: the ticks' elapsed seconds. ``counts``: by comm. ``series``: see ``series_of``.
    ``own``: the sampler's record of itself, by OWN.
    """

    start: float
    times: Array
    marks: Mapping[str, float]
    counts: Counts
    series: Mapping[Name, Array]
    own: Mapping[str, float]


def recording(samples: Iterable[Record]) -> Recording | None:
    """None where there is no start record or no tick after it."""
    whole = window(samples)
    if whole is None:
        return None
    return Recording(whole.start, whole.times, whole.marks, comm_counts(whole), series_of(whole), own_use(whole))


def series_of(whole: Window) -> dict[Name, Array]:
    """Values by scope and name, one a tick; a counter missing in a tick is NaN there, and left out where it always is.

    Scopes: "vmstat", "meminfo" (kB), the disks (operations; ``read_bytes``, ``write_bytes``; ``io_ms``), the
    groups (``memory.*`` in bytes; ``some_us`` and ``full_us`` of memory pressure). Values are differences
    since the first tick, except those of meminfo and ``memory.*``, which are levels.
    """
    ticks = whole.ticks
    series: dict[Name, Array] = {}

    def add(scope: str, name: str, values: Iterable[int | None], *, level: bool = False, unit: int = 1) -> None:
        array = np.array([math.nan if value is None else value for value in values], float) * unit
        if not np.isnan(array).all():
            series[scope, name] = array if level else array - array[0]

    for name in ticks[0].vmstat:
        add("vmstat", name, [tick.vmstat.get(name) for tick in ticks])
    for name in MEMINFO:
        add("meminfo", name, [tick.meminfo.get(name) for tick in ticks], level=True)
    for disk in DISKS:
        states = [tick.disks.get(disk) for tick in ticks]
        for name in ("reads", "writes", "io_ms"):
            add(disk, name, [getattr(state, name, None) for state in states])
        for name in ("read", "write"):
            add(disk, f"{name}_bytes", [getattr(state, f"{name}_sectors", None) for state in states], unit=SECTOR)
    for group in GROUPS:
        groups = [tick.groups.get(group) for tick in ticks]
        for name, field in GAUGES.items():
            add(group, name, [getattr(state, field, None) for state in groups], level=True)
        pressures = [getattr(state, "pressure", None) for state in groups]
        for name in ("some_us", "full_us"):
            add(group, name, [getattr(state, name, None) for state in pressures])
    return series


def own_use(whole: Window) -> dict[str, float]:
    """The sampler's record of itself. With ``lost_exits`` short-lived processes may be missing in counts."""
    stop, last = whole.stop, whole.stop or whole.ticks[-1]
    seconds = last.t - whole.start
    used = (
        float(last.missed),
        float(max(tick.late_us for tick in whole.ticks)),
        float(last.own.majflt),
        round(last.own.cpu_us / 1e6 / seconds, 6) if seconds > 0 else math.nan,
        float(stop.lost_exits + stop.overruns) if stop else math.nan,
        float(stop.dropped) if stop else math.nan,
    )
    return dict(zip(OWN, used, strict=True))
