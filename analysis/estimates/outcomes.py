"""The outcomes of a cell: what is compared, defined once in words and once in numbers. Pure.

Every table, figure, claim and comparison takes its values from ``cell_outcomes``.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from analysis.records.frames import Frames
from analysis.records.recordings import DISKS
from workloads.topology import MEASURED

PAGES = ("issued", "used", "late", "wasted", "demanded", "covered")


@dataclass(frozen=True)
class Outcome:
    """One outcome. ``better`` says which way is better, "" where neither is; ``unit`` "" is a count or a ratio."""

    name: str
    label: str
    unit: str
    better: Literal["lower", "higher", ""]
    definition: str

    @property
    def heading(self) -> str:
        return self.label + (f" [{self.unit}]" if self.unit else "")


OUTCOMES = (
    Outcome("majflt_rdbms", "major faults, RDBMS", "", "lower",
            "field majflt of /proc/[pid]/stat, summed over the RDBMS's processes, from request to response"),
    Outcome("majflt_httpd", "major faults, httpd", "", "lower", "the same of httpd's processes"),
    Outcome("majflt_query.cgi", "major faults, query.cgi", "", "lower",
            "the same of the CGI's process, which is born and ends in between"),
    Outcome("majflt_service", "major faults, service A", "", "lower",
            "the same of all of service A's processes, whatever its parts are"),
    Outcome("first_byte_s", "time to first byte", "s", "lower",
            "at the client, from the request's first byte sent to the response's first byte received"),
    Outcome("response_s", "time to response", "s", "lower", "the same to the response's last byte"),
    Outcome("excess_s", "excess time to response", "s", "lower",
            "time to response less the median one of the reference condition, in which service A is in memory"),
    Outcome("pswpin", "swap-ins", "pages", "lower", "pswpin of /proc/vmstat, from request to response"),
    Outcome("read_mb", "bytes read", "MB", "lower",
            "10^6 bytes, of both disks (/proc/diskstats), from request to response"),
    Outcome("read_whole_mb", "bytes read from the start", "MB", "lower",
            "the same from the recording's start to the response: what is read ahead of the request costs reads, too"),
    Outcome("written_mb", "bytes written", "MB", "lower", "10^6 bytes, to both disks, from request to response"),
    Outcome("stall_s", "memory stall of service A", "s", "lower",
            '"some" of its cgroup\'s memory.pressure, from request to response'),
    Outcome("idle_mb", "memory while idle", "MB", "lower",
            "10^6 bytes that service A's cgroup holds (memory.current) at the last tick before the request"),
    Outcome("peak_mb", "memory at its peak", "MB", "lower",
            "the most that it holds at a tick, from that one to the first after the response"),
    Outcome("mechanism_mb", "memory of the mechanism", "MB", "lower",
            "10^6 bytes that the mechanism itself holds beside service A: zram's pool, the prefetcher's resident set; "
            "read after the recording, unknown where it was not"),
    Outcome("memory_mb", "memory it costs", "MB", "lower",
            "memory at its peak and of the mechanism together: what nobody else can use while service A answers. What "
            "is kept while idle is part of it, and so is what a flood of swap-ins brings in. Unknown where the "
            "mechanism's is"),
    Outcome("precision", "precision", "", "higher",
            "of the pages that the prefetch issued, the share that service A used in this activation"),
    Outcome("coverage", "coverage", "", "higher",
            "of the pages that the activation demanded, the share that had been prefetched"),
    Outcome("late_share", "late share", "", "lower",
            "of the pages used, the share that was waited for while its read was under way"),
    Outcome("wasted", "wasted pages", "pages", "lower", "issued, and not used"),
    Outcome("first_issue_ms", "trigger to first issue", "ms", "lower",
            "from the fault that opened the activation to the first page asked for"),
)  # fmt: skip
BY_NAME = {outcome.name: outcome for outcome in OUTCOMES}
TICK = "Counters are read a tick a second: a count from request to response takes in up to a second on either side."


def cell_outcomes(frames: Frames, reference: str, before_request_s: float) -> pd.DataFrame:
    """A row a cell: run, cell, condition, replicate, valid, then every outcome; what is not known is NaN.

    ``excess_s`` is over the median ``response_s`` of the valid cells of condition ``reference``. Of the prefetcher's
    activations those count whose trigger lies no earlier than ``before_request_s`` before the request; besides its
    outcomes there are the page counts of PAGES and ``first_issue_ms_max``.
    """
    cells = frames.cells.reset_index(drop=True)
    values = cells[["run", "cell", "condition", "replicate", "valid", "first_byte_s", "response_s", "pswpin"]].copy()
    for name in ("majflt_rdbms", "majflt_httpd", "majflt_query.cgi", "majflt_service", "stall_s"):
        values[name] = cells.get(name, math.nan)
    values["read_mb"] = sum(cells[f"{disk}_read_bytes"] for disk in DISKS) / 1e6
    values["read_whole_mb"] = sum(cells[f"{disk}_read_bytes_whole"] for disk in DISKS) / 1e6
    values["written_mb"] = sum(cells[f"{disk}_write_bytes"] for disk in DISKS) / 1e6
    values["idle_mb"] = cells["service_idle_bytes"] / 1e6
    values["peak_mb"] = cells["service_peak_bytes"] / 1e6
    values["mechanism_mb"] = cells["mechanism_bytes"] / 1e6
    values["memory_mb"] = values["peak_mb"] + values["mechanism_mb"]
    warm = values.loc[(values["condition"] == reference) & values["valid"].astype(bool), "response_s"]
    values["excess_s"] = values["response_s"] - (float(warm.median()) if len(warm) else math.nan)
    since = dict(zip(cells["cell"], cells["request_t"] - before_request_s, strict=True))
    prefetched = activation_outcomes(frames.prefetch, since).reindex(cells["cell"]).reset_index(drop=True)
    return values.join(prefetched)


def activation_outcomes(events: pd.DataFrame, since: Mapping[str, float]) -> pd.DataFrame:
    """Of service A's activations whose trigger lies at or after the instant of their cell; a row a cell, by name.

    A prefetcher that is started again numbers its activations from 1 on again.
    ``events``: ``frames.prefetch``. What no event says is NaN. Precision and what follows are those of the newer event
    stream, which tells pages that came late from those used.
    """
    events = events.reindex(columns=[*events.columns, *({*PAGES, "activation", "first_issue_us"} - {*events.columns})])
    events = events.assign(daemon=(events["event"] == "start").groupby(events["cell"]).cumsum())
    mine = events[events["group"].astype(str).str.contains(MEASURED, regex=False)]
    activations = pd.MultiIndex.from_frame(mine[["cell", "daemon", "group", "activation"]].astype(str))
    counting = (mine["event"] == "trigger") & (mine["t"] >= mine["cell"].map(since))
    mine = mine[activations.isin(activations[counting.to_numpy(bool)])]
    told = {name: pd.to_numeric(mine[name], errors="coerce").astype(float) for name in (*PAGES, "first_issue_us")}
    numbers = pd.DataFrame(told).assign(cell=mine["cell"], first_issue_ms=told["first_issue_us"] / 1e3)
    outcomes = numbers[mine["event"] == "outcome"].groupby("cell")[[*PAGES]]
    first = numbers[mine["event"] == "issue"].groupby("cell")["first_issue_ms"]
    known = outcomes.count().eq(outcomes.size(), axis="index")  # each of them says it
    pages = outcomes.sum().where(known).reindex(sorted({*outcomes.groups, *first.groups}))
    came = pages["used"] + pages["late"]
    return pages.assign(
        precision=share(came, pages["issued"]),
        coverage=share(pages["covered"], pages["demanded"]),
        late_share=share(pages["late"], came),
        first_issue_ms=first.median(),
        first_issue_ms_max=first.max(),
    )


def share(part: "pd.Series[float]", whole: "pd.Series[float]") -> "pd.Series[float]":
    """NaN where the whole is nothing, or not known."""
    return part / whole.where(whole > 0)
