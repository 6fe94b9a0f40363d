"""Tidy frames from loaded runs: one row is one observation, every frame keyed by run and cell.

Invalid cells have their rows too: ``cells.valid`` says which rows may be counted. Unknown values are NaN,
never 0. The definitions of every count stand in ``analysis.counters``.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.counters import (
    BACKGROUND,
    DEFAULT_ROLES,
    Array,
    RoleCounts,
    Window,
    before,
    between,
    peak,
    role_counts,
    role_names,
    window,
)
from analysis.load import Cell, Json, Run
from testbed.errors import printable

SECTOR = 512  # bytes; /proc/diskstats counts in these whatever the device's own sectors are
DISKS = ("vda", "vdb")
GROUPS = ("service_a", "alpha")
SERVICE = "service_a"
MEMINFO = ("MemFree", "MemAvailable", "SwapFree", "SwapCached")
GAUGES = ("memory.current", "memory.swap.current")

_KEY = ["run", "cell", "condition", "replicate"]
FAULTS = [*_KEY, "topology", "policy", "role", "t", "majflt", "minflt"]
SYSTEM = [*_KEY, "t", "scope", "name", "value"]
PREFETCH = [*_KEY, "t", "event", "group", "policy"]
MOST_MEMBERS = 200  # of the prefetcher's events, by name: it has 70


@dataclass(frozen=True)
class Frames:
    """All frames of a run; their columns are described at the functions that make them."""

    faults: pd.DataFrame
    system: pd.DataFrame
    cells: pd.DataFrame
    prefetch: pd.DataFrame


@dataclass(frozen=True)
class _Recording:
    """A cell with what its streams come to; ``window`` and ``counts`` are None where nothing was recorded."""

    run: str
    cell: Cell
    window: Window | None
    counts: RoleCounts | None

    @property
    def key(self) -> dict[str, Any]:
        return {
            "run": self.run,
            "cell": self.cell.name,
            "condition": self.cell.condition,
            "replicate": self.cell.replicate,
        }


def make_frames(run: Run, roles: Mapping[str, str] = DEFAULT_ROLES) -> Frames:
    """The tidy frames of ``run``, with processes assigned to roles by comm (``roles``, else "other")."""
    recordings = []
    for cell in run.cells:
        recording = window(cell.samples)
        counts = role_counts(recording, roles) if recording else None
        recordings.append(_Recording(run.name, cell, recording, counts))
    return Frames(
        faults=_concat(FAULTS, [_faults(recording) for recording in recordings]),
        system=_concat(SYSTEM, [_system(recording) for recording in recordings]),
        cells=pd.DataFrame([_cell_row(recording, role_names(roles)) for recording in recordings]),
        prefetch=_prefetch(recordings),
    )


def _concat(columns: list[str], frames: list[pd.DataFrame]) -> pd.DataFrame:
    whole = [frame for frame in frames if len(frame)]
    return pd.concat(whole, ignore_index=True)[columns] if whole else pd.DataFrame(columns=columns)


def _faults(recording: _Recording) -> pd.DataFrame:
    """A row a tick and role: ``t`` elapsed seconds, ``majflt`` and ``minflt`` since the recording's start."""
    if not recording.window or not recording.counts:
        return pd.DataFrame()
    cell, counts = recording.cell, recording.counts
    return pd.concat(
        [
            pd.DataFrame(
                {
                    **recording.key,
                    "topology": cell.topology,
                    "policy": cell.policy,
                    "role": role,
                    "t": recording.window.times,
                    "majflt": majflt,
                    "minflt": counts.minflt[role],
                }
            )
            for role, majflt in counts.majflt.items()
        ]
    )


def _system(recording: _Recording) -> pd.DataFrame:
    """A row a tick, scope and name.

    Scopes: "vmstat", "meminfo" (kB), the disks (operations; ``read_bytes``, ``write_bytes``; ``io_ms``), the
    groups (``memory.*`` in bytes; ``some_us`` and ``full_us`` of memory pressure). Values are differences
    since the first tick, except those of meminfo and ``memory.*``, which are levels.
    """
    if not recording.window:
        return pd.DataFrame()
    series = system_series(recording.window)
    if not series:
        return pd.DataFrame()
    times = recording.window.times
    scopes, names = zip(*series, strict=True)
    return pd.DataFrame(
        {
            **recording.key,
            "t": np.tile(times, len(series)),
            "scope": np.repeat(scopes, len(times)),
            "name": np.repeat(names, len(times)),
            "value": np.concatenate([*series.values()]),
        }
    )


def system_series(recording: Window) -> dict[tuple[str, str], Array]:
    """The values of ``_system`` by (scope, name), one a tick; a counter missing in a tick is NaN there."""
    ticks = recording.ticks
    series: dict[tuple[str, str], Array] = {}

    def add(scope: str, name: str, values: list[Any], *, level: bool = False, unit: int = 1) -> None:
        array = np.array([_number(value) for value in values]) * unit
        if not np.isnan(array).all():
            series[scope, name] = array if level else array - array[0]

    for name in ticks[0].vmstat:
        add("vmstat", name, [tick.vmstat.get(name) for tick in ticks])
    for name in MEMINFO:
        add("meminfo", name, [tick.meminfo.get(name) for tick in ticks], level=True)
    for disk in DISKS:
        states = [tick.disks[disk].model_dump() if disk in tick.disks else {} for tick in ticks]
        for name in ("reads", "writes", "io_ms"):
            add(disk, name, [state.get(name) for state in states])
        for name in ("read", "write"):
            add(disk, f"{name}_bytes", [state.get(f"{name}_sectors") for state in states], unit=SECTOR)
    for group in GROUPS:
        states = [tick.groups[group].model_dump(by_alias=True) if group in tick.groups else {} for tick in ticks]
        for name in GAUGES:
            add(group, name, [state.get(name) for state in states], level=True)
        for name in ("some_us", "full_us"):
            add(group, name, [(state.get("pressure") or {}).get(name) for state in states])
    return series


def _cell_row(recording: _Recording, roles: list[str]) -> dict[str, Any]:
    """One cell: validity, instants, outcomes.

    ``request_t``, ``first_byte_t``, ``response_t``: elapsed guest seconds. ``first_byte_s``, ``response_s``:
    seconds since the request as the client measured them. ``majflt_<role>``, ``pswpin``, ``pswpout`` and
    ``<disk>_..._bytes``: from request to response; ``..._window``: in the whole recording; ``..._whole``: from its
    start to the response. ``majflt_service``: of all roles of service A. ``stall_s``: "some" of service A's
    memory.pressure, from request to response. ``service_idle_bytes``, ``service_peak_bytes``: its memory.current.
    ``mechanism_bytes``: as the cell's record says.
    ``sampler_cpu_share``: of one core. ``prefetch_*``: pages, see ``_prefetch_outcome``.
    """
    cell, counts = recording.cell, recording.counts
    times = recording.window.times if recording.window else np.empty(0)
    series = system_series(recording.window) if recording.window else {}
    request, response = _instant(recording, "request"), _instant(recording, "response")

    def counted(scope: str, name: str) -> tuple[float, float]:
        """From request to response, and in the whole recording."""
        values = series.get((scope, name))
        return (
            (math.nan, math.nan) if values is None else (between(times, values, request, response), float(values[-1]))
        )

    majors = {
        f"majflt_{role}": between(times, counts.majflt[role], request, response) if counts else math.nan
        for role in roles
    }
    service = sum(majors[f"majflt_{role}"] for role in roles if role not in BACKGROUND)
    windows = {f"majflt_{role}_window": counts.final[role] if counts else math.nan for role in roles}
    swaps = {name: counted("vmstat", name)[0] for name in ("pswpin", "pswpout")}
    stall_s = counted(SERVICE, "some_us")[0] / 1e6
    disk: dict[str, float] = {}
    for device in DISKS:
        for name in ("read_bytes", "write_bytes"):
            disk[f"{device}_{name}"], disk[f"{device}_{name}_window"] = counted(device, name)
        read = series.get((device, "read_bytes"))
        disk[f"{device}_read_bytes_whole"] = math.nan if read is None else between(times, read, times[0], response)
    current = series.get((SERVICE, "memory.current"), np.full(len(times), math.nan))
    valid, reason = _verdict(recording, request, response, times)
    return {
        **recording.key,
        "topology": cell.topology,
        "policy": cell.policy,
        "state": cell.state,
        "valid": valid,
        "reason": reason,
        "request_t": request,
        "first_byte_t": _instant(recording, "first-byte"),
        "response_t": response,
        "first_byte_s": _number(cell.response.get("first_byte_s")),
        "response_s": _number(cell.response.get("total_s")),
        **majors,
        "majflt_service": service,
        **windows,
        **swaps,
        "stall_s": stall_s,
        **disk,
        "service_idle_bytes": before(times, current, request),
        "service_peak_bytes": peak(times, current, request, response),
        "mechanism_bytes": _number(cell.mechanism.get("memory_bytes")),
        **_sampler(recording.window),
        **_prefetch_outcome(recording),
    }


def _instant(recording: _Recording, step: str) -> float:
    """Elapsed seconds of a step: by the cell's record, else by the mark in the sampler's stream."""
    if not recording.window:
        return math.nan
    guest = _number(recording.cell.steps.get(step, {}).get("guest"))
    if math.isnan(guest):
        guest = recording.window.marks.get(step, math.nan)
    return round(guest - recording.window.start, 6)


def _verdict(recording: _Recording, request: float, response: float, times: Array) -> tuple[bool, str]:
    """Whether the cell counts: the cell's own word, and whether its streams give the outcomes at all."""
    if not recording.cell.valid:
        return False, recording.cell.reason
    stream = f"cells/{recording.cell.name}/samples.jsonl"
    if not recording.window:
        return False, f"{stream}: no start record followed by a tick"
    for name, instant in (("request", request), ("response", response)):
        if math.isnan(instant):
            return False, f"cells/{recording.cell.name}/cell.jsonl: no guest instant of the {name}"
    if request < times[0] or response > times[-1]:
        return False, f"{stream}: the ticks do not span request and response"
    return True, ""


def _sampler(recording: Window | None) -> dict[str, float]:
    """The sampler's record of itself. With ``lost_exits`` short-lived processes may be missing in counts."""
    names = ("missed_ticks", "late_us_max", "sampler_majflt", "sampler_cpu_share", "lost_exits", "dropped_lines")
    if not recording:
        return dict.fromkeys(names, math.nan)
    stop, last = recording.stop, recording.stop or recording.ticks[-1]
    seconds = last.t - recording.start
    return dict(
        zip(
            names,
            (
                float(last.missed),
                float(max(tick.late_us for tick in recording.ticks)),
                float(last.own.majflt),
                round(last.own.cpu_us / 1e6 / seconds, 6) if seconds > 0 else math.nan,
                float(stop.lost_exits + stop.overruns) if stop else math.nan,
                float(stop.dropped) if stop else math.nan,
            ),
            strict=True,
        )
    )


def _prefetch_outcome(recording: _Recording) -> dict[str, float]:
    """Service A's prefetches from the recording's start on.

    The last event may come after the recording's stop: it belongs to an activation within it.
    ``prefetch_first_issue_s`` and ``prefetch_done_s``: of the first issue, since its trigger.
    """
    start = recording.window.start if recording.window else math.inf
    events = [
        event
        for event in recording.cell.prefetch
        if SERVICE in str(event.get("group")) and _number(event.get("t")) >= start
    ]
    issues = [event for event in events if event.get("event") == "issue"]
    outcomes = [event for event in events if event.get("event") == "outcome"]
    issued = _total(outcomes, "issued") if outcomes else _total(issues, "pages")
    used, late = _total(outcomes, "used"), _total(outcomes, "late")
    came = used if math.isnan(late) else used + late  # older prefetchers told late ones as used
    first = issues[0] if issues else {}
    return {
        "prefetch_triggers": float(sum(event.get("event") == "trigger" for event in events)),
        "prefetch_issued": issued,
        "prefetch_used": used,
        "prefetch_precision": round(came / issued, 6) if issued > 0 else math.nan,
        "prefetch_first_issue_s": _number(first.get("first_issue_us")) / 1e6,
        "prefetch_done_s": _number(first.get("done_us")) / 1e6,
    }


def _total(events: list[Json], key: str) -> float:
    return sum((_number(event.get(key)) for event in events), 0.0) if events else math.nan


def _prefetch(recordings: list[_Recording]) -> pd.DataFrame:
    """The prefetcher's events: ``t`` elapsed seconds, then every plain member that any event has, by name.

    They are as the guest wrote them: no more than MOST_MEMBERS names, and nothing that a terminal obeys.
    """
    rows = []
    names: set[str] = set()
    for recording in recordings:
        start = recording.window.start if recording.window else math.nan
        for event in recording.cell.prefetch:
            plain = {}
            for name, value in ((printable(key), value) for key, value in event.items()):
                if not isinstance(value, dict | list) and (name in names or len(names) < MOST_MEMBERS):
                    names.add(name)
                    plain[name] = _plain(value)
            rows.append({**plain, **recording.key, "t": round(_number(event.get("t")) - start, 6)})
    frame = pd.DataFrame(rows)
    rest = sorted(set(frame.columns) - set(PREFETCH))
    return frame.reindex(columns=[*PREFETCH, *rest])


def _plain(value: Any) -> Any:
    """A plain member, or NaN for a number that is out of all proportion."""
    if isinstance(value, str):
        return printable(value)
    return value if value is None or abs(value) < 2**63 else math.nan


def _number(value: Any) -> float:
    """A JSON number as a float; anything else is unknown (NaN)."""
    counts = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**63
    return float(value) if counts else math.nan
