"""A small fake run directory in the format of the real one, for unit tests of ``analysis`` alone.

The record builders (``tick``, ``process``, ``exited``, ...) make single lines of a stream; ``write_cell``
puts hand-written streams into a cell; ``write_run`` makes a whole run with curves shaped like the real
ones, the same bytes for the same arguments. The numbers are made up and prove nothing about paging.
"""

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

Json = dict[str, Any]
BOOT = 500.0  # guest seconds at the start of every recording
HOST = 90_000.0  # host seconds at the same instant
REQUEST = 10.25
POLICIES = {"siblings": "siblings", "working-set": "working-set", "figure1": "off", "baseline": "off"}
PEAKS = {"figure1": 1300, "baseline": 1450, "siblings": 280, "working-set": 77}


@dataclass(frozen=True)
class Shape:
    """What a condition's made-up cells look like: major faults of the RDBMS, pages prefetched, time to the response."""

    peak: int
    pages: int = 0
    slower: float = 1.0
    spread: float = 0.2
    idle_mib: int = 300

    @classmethod
    def usual(cls, condition: str) -> "Shape":
        prefetching = POLICIES.get(condition, "off") != "off"
        pages = 8040 if condition == "working-set" else 46000
        return cls(PEAKS.get(condition, 900), pages if prefetching else 0)


def process(pid: int, comm: str, majflt: int, *, start: int = 100, minflt: int = 0, group: str = "service_a") -> Json:
    return {
        "group": group,
        "cgroup": "",
        "pid": pid,
        "start": start,
        "comm": comm,
        "minflt": minflt,
        "majflt": majflt,
        "rss": 1000,
        "blkio": 0,
    }


def disk(reads: int = 0, read_sectors: int = 0, writes: int = 0, write_sectors: int = 0) -> Json:
    return {
        "reads": reads,
        "read_sectors": read_sectors,
        "read_ms": 0,
        "writes": writes,
        "write_sectors": write_sectors,
        "write_ms": 0,
        "io_ms": 0,
    }


def tick(
    n: int,
    processes: Iterable[Json] = (),
    *,
    at: float | None = None,
    missed: int = 0,
    pswpin: int = 0,
    vda: Json | None = None,
    vdb: Json | None = None,
    current: int = 400 << 20,
    late_us: int = 120,
) -> Json:
    """The tick due ``n`` seconds after the start, taken then unless ``at`` says when."""
    group = {
        "memory.current": current,
        "memory.swap.current": 100 << 20,
        "stat": {"anon": 1, "file": 2, "pgmajfault": 3},
        "pressure": {"some_us": 1000 * n, "full_us": 500 * n},
        "oom_kill": 0,
    }
    return {
        "type": "tick",
        "n": n,
        "t": BOOT + (n if at is None else at),
        "due": BOOT + n,
        "late_us": late_us,
        "missed": missed,
        "self": {"minflt": 0, "majflt": 0, "cpu_us": 200 * n},
        "vmstat": {"pswpin": pswpin, "pswpout": 7000, "pgmajfault": 100 + pswpin},
        "meminfo": {"MemFree": 30000, "MemAvailable": 50000, "SwapFree": 700000},
        "groups": {"service_a": group, "alpha": dict(group)},
        "disks": {"vda": vda or disk(), "vdb": vdb or disk()},
        "procs": list(processes),
    }


def start(interval: float = 1.0) -> Json:
    return {"type": "start", "t": BOOT, "wall": 1.7e9, "interval": interval}


def exited(at: float, pid: int, comm: str, majflt: int, *, minflt: int = 0, group: str = "service_a") -> Json:
    return {
        "type": "exit",
        "t": BOOT + at,
        "group": group,
        "pid": pid,
        "ppid": 1,
        "comm": comm,
        "minflt": minflt,
        "majflt": majflt,
        "blkio_us": 0,
        "swapin_us": 0,
    }


def mark(at: float, name: str) -> Json:
    return {"type": "mark", "t": BOOT + at, "name": name}


def stop(at: float, ticks: int, *, missed: int = 0, majflt: int = 0, cpu_us: int = 0) -> Json:
    return {
        "type": "stop",
        "t": BOOT + at,
        "ticks": ticks,
        "missed": missed,
        "self": {"minflt": 0, "majflt": majflt, "cpu_us": cpu_us},
        "dropped": 0,
        "lost_exits": 0,
        "overruns": 0,
    }


def lines(records: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def planned(name: str) -> Json:
    """What the plan and a cell's first record say of it."""
    replicate, condition = name.split("-", 1)
    return {
        "name": name,
        "replicate": int(replicate),
        "condition": condition,
        "topology": "plain" if condition == "figure1" else "lxc",
        "policy": POLICIES.get(condition, "off"),
    }


def write_suites(run: Path, suites: Mapping[str, Sequence[str]], conditions: Mapping[str, Json] | None = None) -> Path:
    """A configuration and a manifest that say that ``run`` was made for these suites, each with its conditions."""
    names = list(dict.fromkeys(name for wanted in suites.values() for name in wanted))
    values = {
        "condition": {name: {"answers": f"What does {name} do?", **(conditions or {}).get(name, {})} for name in names},
        "suite": {name: {"answers": f"Is {name} answered?", "conditions": [*of]} for name, of in suites.items()},
    }
    (run / "configuration.toml").write_text(tomli_w.dumps(values))
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["suite"] = {"names": [*suites], "conditions": names, "replicates": 1}
    (run / "manifest.json").write_text(json.dumps(manifest))
    return run


def write_plan(run: Path, names: Sequence[str], *, accelerator: str = "tcg") -> None:
    """``plan.json`` and ``manifest.json`` of a run with these cells, in this order."""
    (run / "cells").mkdir(parents=True, exist_ok=True)
    plan = {"run": run.name, "seed": 1, "cells": [planned(name) for name in names]}
    manifest = {
        "run": run.name,
        "created": "2026-01-02T03:04:05Z",
        "accelerator": accelerator,
        "dataset": {"source": "synthetic", "identity": "abc", "label": "employees, synthetic seed 1"},
        "guest": {"kernel": "6.12.48+deb13-cloud-amd64", "packages": {}},
        "host": {},
    }
    (run / "plan.json").write_text(json.dumps(plan))
    (run / "manifest.json").write_text(json.dumps(manifest))


def write_cell(
    run: Path,
    name: str,
    samples: Iterable[Json],
    *,
    request: float = REQUEST,
    first_byte: float = REQUEST + 3,
    response: float = REQUEST + 10,
    prefetch: Iterable[Json] = (),
    end: Json | None = None,
    checks: Iterable[Json] = (),
    records_more: Iterable[Json] = (),
) -> Path:
    """A cell whose steps stand at these seconds of its recording. ``end={}`` leaves the last record out."""
    cell = run / "cells" / name
    cell.mkdir(parents=True, exist_ok=True)
    instants = {"recording": 0.0, "request": request, "first-byte": first_byte, "response": response}
    records: list[Json] = [head(name)]
    records += [
        {"type": "step", "step": step, "host": HOST + at, "wall": at, "guest": BOOT + at}
        for step, at in instants.items()
    ]
    records += [
        {
            "type": "response",
            "rows": 115003,
            "checksum": 0xC0FFEE,
            "ok": True,
            "first_byte_s": first_byte - request,
            "total_s": response - request,
        }
    ]
    records += [*checks, *records_more]
    finish = {"type": "end", "complete": True, "valid": True, "kind": "", "reason": ""} if end is None else end
    records += [finish] if finish else []
    (cell / "cell.jsonl").write_text(lines(records))
    (cell / "samples.jsonl").write_text(lines(samples))
    (cell / "prefetch.jsonl").write_text(lines(prefetch))
    return cell


def head(name: str) -> Json:
    return {"type": "cell", **planned(name), "pressure": True, "disk_iops": 0, "accelerator": "tcg"}


def write_run(
    run: Path,
    conditions: Sequence[str] = ("figure1", "baseline", "siblings", "working-set"),
    replicates: int = 3,
    *,
    invalid: Iterable[str] = (),
    until: int | None = None,
    seed: int = 1,
    accelerator: str = "tcg",
    shapes: Mapping[str, Shape] = {},
    skipped: Mapping[str, str] = {},
    mechanism: Mapping[str, int] = {},
) -> Path:
    """A run of every condition and replicate; only the first ``until`` cells of its plan have been run.

    Cells named in ``invalid`` end with "swapped-out: too little" and have data all the same. ``shapes``: of conditions
    whose numbers are to differ from the usual. ``skipped``: conditions with the reason why their cells were not run.
    ``mechanism``: bytes that the mechanism holds.
    """
    rng = random.Random(seed)  # noqa: S311
    names = [
        f"{replicate:02d}-{condition}"
        for replicate in range(1, replicates + 1)
        for condition in rng.sample(conditions, len(conditions))
    ]
    write_plan(run, names, accelerator=accelerator)
    for name in names[:until]:
        condition = name.split("-", 1)[1]
        if condition in skipped:
            write_skipped(run, name, skipped[condition])
            continue
        end = (
            {"type": "end", "complete": True, "valid": False, "reason": "swapped-out: too little"}
            if name in set(invalid)
            else None
        )
        shape = shapes.get(condition, Shape.usual(condition))
        samples, response, events = _lifelike(name, shape, random.Random(f"{seed} {name}"))  # noqa: S311
        held = [{"type": "mechanism", "memory_bytes": mechanism[condition]}] if condition in mechanism else []
        first = REQUEST + 0.25 * (response - REQUEST) if condition in shapes else REQUEST + 2.5
        write_cell(run, name, samples, response=response, first_byte=first, prefetch=events, end=end, records_more=held)
    return run


def write_skipped(run: Path, name: str, reason: str) -> None:
    """A cell whose condition the guest lacks: no stream, and an end that says so."""
    cell = run / "cells" / name
    cell.mkdir(parents=True, exist_ok=True)
    end = {"type": "end", "complete": False, "valid": False, "kind": "Unsupported", "reason": reason}
    (cell / "cell.jsonl").write_text(lines([head(name), end]))


def _lifelike(name: str, shape: Shape, rng: random.Random) -> tuple[list[Json], float, list[Json]]:
    """Streams of one cell: flat until the request, then httpd's rise and the RDBMS's after it."""
    condition = name.split("-", 1)[1]
    peak = round(shape.peak * rng.uniform(1 - shape.spread, 1 + shape.spread))
    httpd, cgi = rng.randint(56, 95), rng.randint(95, 113)
    response = REQUEST + shape.slower * rng.uniform(8.5, 11.5)
    prefetching, pages = shape.pages > 0, shape.pages
    last = int(response + 10)
    stream: list[Json] = [
        {
            "type": "hello",
            "t": BOOT - 1,
            "version": 1,
            "pid": 400,
            "kernel": "6.12",
            "page_size": 4096,
            "hz": 100,
            "taskstats": True,
            "locked": True,
            "realtime": True,
        },
        start(),
    ]
    for n in range(last + 1):
        since = max(0.0, n - REQUEST)
        rise = 1 - 0.5 ** (since * 0.9)
        swapped = round(6300 * rise) + (pages if prefetching and since > 0 else 0)
        processes = [
            process(300, "apache2", 40 + round(httpd * (1 - 0.2**since))),
            process(310, "mariadbd", 900 + round(peak * rise)),
            process(320, "alpha", 60, group="alpha"),
        ]
        if REQUEST < n < response:
            processes.append(process(330, "query.cgi", round(cgi * min(1.0, since)), start=51100))
        stream.append(
            tick(
                n,
                processes,
                pswpin=1000 + swapped,
                missed=0,
                current=(shape.idle_mib << 20) + swapped * 4096,
                vda=disk(500 + 30 * n, 9000 + 8 * round(httpd * rise * 30), 40 * n, 400 * n),
                vdb=disk(100 + swapped // 8, 8 * (1000 + swapped), 20 * n, 8 * round(1500 * since)),
            )
        )
        if n < response <= n + 1:
            stream.append(exited(response + 0.01, 330, "query.cgi", cgi))
    stream.append(stop(last + 0.2, last + 1, cpu_us=200 * last))
    trigger = BOOT + REQUEST + 0.15
    events: list[Json] = [{"event": "start", "version": 1}]
    if prefetching:
        used = round(pages * (0.999 if condition == "working-set" else 0.04))
        common = {"group": "service_a", "policy": condition}
        events += [
            {"event": "trigger", "t": trigger, **common, "pid": 300, "comm": "apache2", "quiet_us": 9_000_000},
            {
                "event": "issue",
                "t": trigger + 0.4,
                **common,
                "processes": 12,
                "pages": pages,
                "bytes": pages * 4096,
                "anon_pages": pages,
                "file_pages": 0,
                "first_issue_us": 1500,
                "done_us": 400_000,
                "errors": 0,
            },
            {
                "event": "outcome",
                "t": trigger + 12,
                **common,
                "issued": pages,
                "used": used,
                "wasted": pages - used,
                "majors": 30,
            },
        ]
    return stream, response, events
