"""Tidy frames from loaded runs: one row is one observation, every frame keyed by run and cell.

Invalid cells have their rows too: ``cells.valid`` says which rows may be counted. Unknown values are NaN,
never 0. The definitions of every count stand in ``analysis.records.counters``.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.records.counters import BACKGROUND, DEFAULT_ROLES, Counts, before, between, peak, role_counts, role_names
from analysis.records.load import Cell, Json, Run
from analysis.records.recordings import DISKS, OWN, Name
from measure.journal import JOURNAL, SAMPLES
from testbed.errors import printable
from workloads.topology import MEASURED

_KEY = ["run", "cell", "condition", "replicate"]
FAULTS = [*_KEY, "topology", "policy", "role", "t", "majflt", "minflt"]
SYSTEM = [*_KEY, "t", "scope", "name", "value"]
PREFETCH = [*_KEY, "t", "event", "group", "policy"]
MOVED = [(disk, name) for disk in DISKS for name in ("read_bytes", "write_bytes")]
MOST_MEMBERS = 200  # of the prefetcher's events, by name: it has 70


@dataclass(frozen=True)
class Frames:
    """All frames of a run; their columns are described at the functions that make them.

    ``moved``: the bytes that the disks read and wrote, as ``system`` gives them. All of ``system`` has a row for each
    tick and counter: it is made where it is needed, and tables/system.csv has it.
    """

    faults: pd.DataFrame
    moved: pd.DataFrame
    cells: pd.DataFrame
    prefetch: pd.DataFrame


def make_frames(run: Run, roles: Mapping[str, str] = DEFAULT_ROLES) -> Frames:
    """The tidy frames of ``run``, with processes assigned to roles by comm (``roles``, else "other")."""
    counts = {cell.name: role_counts(cell.recording.counts, roles) for cell in run.cells if cell.recording}
    return Frames(
        faults=_faults(run, counts),
        moved=system(run, MOVED),
        cells=pd.DataFrame([_cell_row(run, cell, counts.get(cell.name), role_names(roles)) for cell in run.cells]),
        prefetch=_prefetch(run),
    )


def key_of(run: Run, cell: Cell) -> dict[str, Any]:
    """What every row of a cell begins with."""
    return {"run": run.name, "cell": cell.name, "condition": cell.condition, "replicate": cell.replicate}


def _repeated(heads: Sequence[Mapping[str, Any]], times: Sequence[int]) -> pd.DataFrame:
    """Every head as so many rows."""
    return pd.DataFrame(heads).take(np.repeat(np.arange(len(heads)), times)).reset_index(drop=True)


def _faults(run: Run, counts: Mapping[str, Counts]) -> pd.DataFrame:
    """A row a tick and role: ``t`` elapsed seconds, ``majflt`` and ``minflt`` since the recording's start."""
    recorded = [(cell, cell.recording, counts[cell.name]) for cell in run.cells if cell.recording]
    if not recorded:
        return pd.DataFrame(columns=FAULTS)
    heads = [{**key_of(run, cell), "topology": cell.topology, "policy": cell.policy} for cell, _, _ in recorded]
    rows = _repeated(heads, [len(recording.times) * len(of.majflt) for _, recording, of in recorded])
    rows["role"] = np.concatenate([np.repeat([*of.majflt], of.ticks) for _, _, of in recorded])
    rows["t"] = np.concatenate([np.tile(recording.times, len(of.majflt)) for _, recording, of in recorded])
    rows["majflt"] = np.concatenate([values for _, _, of in recorded for values in of.majflt.values()])
    rows["minflt"] = np.concatenate([values for _, _, of in recorded for values in of.minflt.values()])
    return rows[FAULTS]


def system(run: Run, wanted: Collection[Name] | None = None) -> pd.DataFrame:
    """A row a tick, scope and name: the series of ``recordings.series_of``; only ``wanted``, if given."""
    recorded = [
        (cell, cell.recording.times, which, values)
        for cell in run.cells
        if cell.recording
        for which, values in cell.recording.series.items()
        if wanted is None or which in wanted
    ]
    if not recorded:
        return pd.DataFrame(columns=SYSTEM)
    heads = [{**key_of(run, cell), "scope": scope, "name": name} for cell, _, (scope, name), _ in recorded]
    rows = _repeated(heads, [len(times) for _, times, _, _ in recorded])
    rows["t"] = np.concatenate([times for _, times, _, _ in recorded])
    rows["value"] = np.concatenate([values for *_, values in recorded])
    return rows[SYSTEM]


def _cell_row(run: Run, cell: Cell, counts: Counts | None, roles: list[str]) -> dict[str, Any]:
    """One cell: where it ran (and how many guests ran there at most at a time), validity, instants, outcomes.

    ``request_t``, ``first_byte_t``, ``response_t``: elapsed guest seconds. ``first_byte_s``, ``response_s``:
    seconds since the request as the client measured them. ``majflt_<role>``, ``pswpin``, ``pswpout`` and
    ``<disk>_..._bytes``: from request to response; ``..._window``: in the whole recording; ``..._whole``: from its
    start to the response. ``majflt_service``: of all roles of service A. ``stall_s``: "some" of service A's
    memory.pressure, from request to response. ``service_idle_bytes``, ``service_peak_bytes``: its memory.current.
    ``mechanism_bytes``: as the cell's record says.
    ``sampler_cpu_share``: of one core. ``prefetch_*``: pages, see ``_prefetch_outcome``.
    """
    recording = cell.recording
    times = recording.times if recording else np.empty(0)
    series = recording.series if recording else {}
    request, response = _instant(cell, "request"), _instant(cell, "response")

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
    stall_s = counted(MEASURED, "some_us")[0] / 1e6
    disk: dict[str, float] = {}
    for device in DISKS:
        for name in ("read_bytes", "write_bytes"):
            disk[f"{device}_{name}"], disk[f"{device}_{name}_window"] = counted(device, name)
        read = series.get((device, "read_bytes"))
        disk[f"{device}_read_bytes_whole"] = math.nan if read is None else between(times, read, times[0], response)
    current = series.get((MEASURED, "memory.current"), np.full(len(times), math.nan))
    valid, reason = _verdict(cell, request, response)
    return {
        **key_of(run, cell),
        "topology": cell.topology,
        "policy": cell.policy,
        "ran_on": cell.ran_on,
        "guests": cell.guests,
        "state": cell.state,
        "valid": valid,
        "reason": reason,
        "request_t": request,
        "first_byte_t": _instant(cell, "first-byte"),
        "response_t": response,
        "first_byte_s": cell.response.first_byte_s if cell.response else math.nan,
        "response_s": cell.response.total_s if cell.response else math.nan,
        **majors,
        "majflt_service": service,
        **windows,
        **swaps,
        "stall_s": stall_s,
        **disk,
        "service_idle_bytes": before(times, current, request),
        "service_peak_bytes": peak(times, current, request, response),
        "mechanism_bytes": float(cell.mechanism.memory_bytes) if cell.mechanism else math.nan,
        **(recording.own if recording else dict.fromkeys(OWN, math.nan)),
        **_prefetch_outcome(cell),
    }


def _instant(cell: Cell, step: str) -> float:
    """Elapsed seconds of a step: by the cell's record, else by the mark in the sampler's stream."""
    if not cell.recording:
        return math.nan
    noted = cell.steps.get(step)
    return math.nan if noted is None or noted.guest is None else round(noted.guest - cell.recording.start, 6)


def _verdict(cell: Cell, request: float, response: float) -> tuple[bool, str]:
    """Whether the cell counts: the cell's own word, and whether its streams give the outcomes at all."""
    if not cell.valid:
        return False, cell.reason
    stream, journal = (f"cells/{cell.name}/{name}" for name in (SAMPLES, JOURNAL))
    if not cell.recording:
        return False, f"{stream}: no start record followed by a tick"
    for name, instant in (("request", request), ("response", response)):
        if math.isnan(instant):
            return False, f"{journal}: no guest instant of the {name}"
    if cell.response is None or min(cell.response.first_byte_s, cell.response.total_s) < 0:
        return False, f"{journal}: no response, or one that came before its request"
    if request < cell.recording.times[0] or response > cell.recording.times[-1]:
        return False, f"{stream}: the ticks do not span request and response"
    return True, ""


def _prefetch_outcome(cell: Cell) -> dict[str, float]:
    """Service A's prefetches from the recording's start on.

    The last event may come after the recording's stop: it belongs to an activation within it.
    ``prefetch_first_issue_s`` and ``prefetch_done_s``: of the first issue, since its trigger.
    """
    start = cell.recording.start if cell.recording else math.inf
    events = [
        event for event in cell.prefetch if MEASURED in str(event.get("group")) and _number(event.get("t")) >= start
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


def _prefetch(run: Run) -> pd.DataFrame:
    """The prefetcher's events: ``t`` elapsed seconds, then every plain member that any event has, by name.

    They are as the guest wrote them: no more than MOST_MEMBERS names, and nothing that a terminal obeys.
    """
    rows = []
    names: set[str] = set()
    for cell in run.cells:
        start = cell.recording.start if cell.recording else math.nan
        for event in cell.prefetch:
            plain = {}
            for name, value in ((printable(key), value) for key, value in event.items()):
                if not isinstance(value, dict | list) and (name in names or len(names) < MOST_MEMBERS):
                    names.add(name)
                    plain[name] = _plain(value)
            rows.append({**plain, **key_of(run, cell), "t": round(_number(event.get("t")) - start, 6)})
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
