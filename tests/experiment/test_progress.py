"""What is shown while a run goes on, as plain lines."""

import gzip
import io
import json
import re
from pathlib import Path
from typing import Any

from rich.console import Console

from configuration.load import load
from configuration.plan import Cell
from experiment.cell import Ended
from experiment.progress import Progress, Watched, clock
from measure.stream import Tick
from testbed.process import PROJECT

CELL = Cell(1, "baseline", "lxc", "off")
ROLES = {"apache2": "httpd", "mariadbd": "rdbms"}


def tick(n: int, *processes: tuple[int, str, int]) -> Tick:
    procs: list[dict[str, Any]] = [
        {"group": "service_a", "cgroup": "", "pid": pid, "start": 1, "comm": comm, "minflt": 0, "majflt": majflt,
         "rss": 1, "blkio": 0}
        for pid, comm, majflt in processes
    ]  # fmt: skip
    return Tick.model_validate_json(
        json.dumps(
            {"type": "tick", "n": n, "t": n, "due": n, "late_us": 0, "missed": 0,
             "self": {"minflt": 0, "majflt": 0, "cpu_us": 0}, "vmstat": {}, "meminfo": {}, "groups": {},
             "disks": {}, "procs": procs}
        )
    )  # fmt: skip


def test_faults_are_counted_from_the_recordings_start_and_time_left_from_what_was_measured() -> None:
    output = io.StringIO()
    with Progress(Console(file=output, width=200), ROLES, total=3, cell_seconds=1000) as progress:
        watched = progress.begin(CELL)
        watched.tick(tick(0, (1, "apache2", 100), (2, "mariadbd", 1000)))
        watched.tick(tick(1, (1, "apache2", 103), (2, "mariadbd", 1250), (3, "apache2", 5)))
        progress.end(watched, Ended(CELL, True, True, "", 40.0))
        progress.end(progress.begin(CELL), Ended(CELL, False, False, "the guest is gone; panic\nmore", 60.0))
    first, second = output.getvalue().splitlines()
    assert "cell 1 of 3: 01-baseline: 40 s, major faults httpd 8, rdbms 250; ok; 80 s left" in first
    assert "does not count: the guest is gone; panic; 50 s left" in second


def test_times_are_said_as_people_say_them() -> None:
    assert [clock(s) for s in (0, 40, 89, 720, 3 * 3600 + 300)] == ["0 s", "40 s", "89 s", "12 min", "3 h 05 min"]


def test_a_cell_that_is_tried_again_is_one_cell() -> None:
    output = io.StringIO()
    with Progress(Console(file=output, width=200), ROLES, total=1, cell_seconds=10) as progress:
        progress.end(progress.begin(CELL), Ended(CELL, False, False, "lost", 5.0), last_attempt=False)
        progress.end(progress.begin(CELL, 2), Ended(CELL, True, True, "", 15.0))
    first, second = output.getvalue().splitlines()
    assert first.endswith("lost; 5 s left")
    assert "cell 1 of 1: 01-baseline (attempt 2): 15 s" in second
    assert second.endswith("0 s left")


def test_of_cells_side_by_side_each_has_its_own_faults_and_the_time_left_is_shared() -> None:
    output = io.StringIO()
    with Progress(Console(file=output, width=200), ROLES, total=6, cell_seconds=10) as progress:
        first, second = progress.begin(CELL), progress.begin(CELL)
        first.tick(tick(0, (1, "apache2", 1)))
        second.tick(tick(0, (1, "apache2", 1)))
        second.tick(tick(1, (1, "apache2", 9)))
        progress.end(second, Ended(CELL, True, True, "", 40.0))
        progress.end(first, Ended(CELL, True, True, "", 40.0))
    early, late = output.getvalue().splitlines()
    assert "cell 2 of 6: 01-baseline: 40 s, major faults httpd 8; ok; 2 min left" in early
    assert "cell 1 of 6: 01-baseline: 40 s, major faults httpd 0; ok; 80 s left" in late


def test_of_a_cell_that_ran_elsewhere_the_records_tell_the_faults(tmp_path: Path) -> None:
    packed = PROJECT / "results" / "reference" / "cells" / "01-baseline" / "samples.jsonl.gz"
    lines = gzip.decompress(packed.read_bytes()).splitlines(keepends=True)
    stream = tmp_path / "samples.jsonl"
    watched = Watched(CELL, "", load(PROJECT / "experiments.toml").roles)
    watched.recorded(stream)
    assert watched.faults() == "none yet"
    stream.write_bytes(b"".join(lines))
    watched.recorded(stream)
    whole = watched.faults()
    assert re.fullmatch(r"httpd \d+, rdbms \d{4}, query.cgi \d+", whole), "one that has ended counts, too"
    stream.write_bytes(b"".join(lines[:-1]) + b"{")
    watched.recorded(stream)
    assert watched.faults() == whole
