"""The catalogue's conditions on a real guest: each one's mechanism is at work, whatever it is good for.

`make conditions` runs them; they take half an hour, most of which are snapshots for other bases.
"""

import csv
import json
import os
from pathlib import Path

import pytest
from short_run import CACHE, assert_complete, configuration, finish, runs

pytestmark = [
    pytest.mark.guest,
    pytest.mark.skipif(not os.environ.get("PAGING_CONDITIONS"), reason="takes long: make conditions"),
]
CONTROLS = ("baseline", "placebo", "same-process", "same-program", "siblings-protected", "container", "other-container",
            "working-set-unheld", "oracle", "clairvoyant")  # fmt: skip
PEERS = ("memory-low", "memory-low-classic", "memory-min", "classic-lru", "zram", "cluster-0-ssd", "cluster-3-hdd",
         "swap-cycle", "memory-reader", "damon", "own-madvise")  # fmt: skip
SWEEP = ("alpha-409", "alpha-1024", "idle-0", "idle-60", "processes-20", "processes-20-working-set",
         "service-c", "service-c-working-set")  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cell of each, in one run."""
    folder = tmp_path_factory.mktemp("conditions")
    configuration(folder, steps={})  # after a shorter end the prefetcher has not told yet what became of its pages
    done = finish(folder, "--conditions", ",".join((*CONTROLS, *PEERS, *SWEEP)), "--replicates", "1", timeout=3600)
    assert done.returncode == 0, done.stderr
    (made,) = runs(folder)
    return made


def rows(run: Path, name: str) -> dict[str, dict[str, str]]:
    with (run / "tables" / name).open() as file:
        return {row["condition"]: row for row in csv.DictReader(file)}


def record(run: Path, condition: str, kind: str) -> dict[str, object]:
    lines = (run / "cells" / f"01-{condition}" / "cell.jsonl").read_text().splitlines()
    found: dict[str, object] = next(r for line in lines if (r := json.loads(line))["type"] == kind)
    return found


def issued_for(run: Path, condition: str, group: str) -> int:
    """Pages that a cell's prefetcher has asked for, of one of its groups."""
    lines = (run / "cells" / f"01-{condition}" / "prefetch.jsonl").read_text().splitlines()
    events = [event for line in lines if (event := json.loads(line))["event"] == "issue"]
    return sum(event["pages"] for event in events if event["group"] == group)


def number(value: object) -> float:
    return float(str(value))


def test_every_cell_counts(run: Path) -> None:
    assert_complete(run)


def test_controls_fetch_what_they_are_to_fetch(run: Path) -> None:
    outcomes = rows(run, "outcomes.csv")
    assert outcomes["placebo"]["issued"] == "", "no daemon"
    issued = {name: number(outcomes[name]["issued"]) for name in CONTROLS if outcomes[name]["issued"]}
    assert issued["baseline"] == 0
    assert 0 < issued["same-process"] < issued["container"] / 10
    assert issued["other-container"] > 5000
    assert number(outcomes["other-container"]["precision"]) < 0.05
    assert number(outcomes["oracle"]["precision"]) > 0.9
    assert number(outcomes["oracle"]["coverage"]) > 0.9, "its rehearsal told it nearly all"
    faults = {name: number(outcomes[name]["majflt_rdbms"]) for name in CONTROLS}
    assert faults["oracle"] < 0.1 * faults["baseline"]
    assert issued_for(run, "same-program", "mariadbd") > 10_000
    assert faults["same-program"] < 0.8 * faults["baseline"], "the RDBMS brings in its own"
    assert faults["siblings-protected"] < 0.1 * faults["baseline"], "what was read ahead stays until it is used"
    assert number(outcomes["working-set-unheld"]["coverage"]) > 0.9, "it knows its set after prefetchd was started anew"
    assert faults["clairvoyant"] < 0.1 * faults["baseline"]
    assert faults["other-container"] > 0.5 * faults["baseline"]


def test_peers_are_at_work(run: Path) -> None:
    outcomes = rows(run, "outcomes.csv")
    faults = {name: number(outcomes[name]["majflt_rdbms"]) for name in (*PEERS, "baseline")}
    assert faults["memory-min"] < 0.1 * faults["cluster-3-hdd"], "what is protected stays"
    assert faults["memory-low-classic"] < 0.5 * faults["classic-lru"]
    assert faults["cluster-0-ssd"] > 2 * faults["baseline"], "without readahead every page is a fault"
    assert faults["memory-reader"] < 0.5 * faults["baseline"]
    assert faults["own-madvise"] < 0.8 * faults["baseline"]
    assert number(record(run, "zram", "mechanism")["memory_bytes"]) > 20e6, "the pool"
    assert number(record(run, "damon", "mechanism")["advised_bytes"]) > 1e6
    read = record(run, "memory-reader", "advance")
    assert (read["ok"], number(read["pages"]) > 10_000) == (True, True)
    cycle = record(run, "swap-cycle", "advance")
    assert number(cycle["pages"]) > 1000
    assert cycle["ok"] or "swapoff /dev/vdb: " in str(cycle["detail"]), "memory for all of it there is not"


def test_the_sweep_changes_what_it_names(run: Path) -> None:
    cells = rows(run, "cells.csv")
    assert number(cells["idle-60"]["request_t"]) == pytest.approx(60, abs=2)
    assert number(cells["idle-0"]["request_t"]) < 2
    for mib in (409, 1024):
        ready = (run / "cells" / f"01-alpha-{mib}" / "alpha.jsonl").read_text()
        assert f'"mb":{mib}' in ready
    outcomes = rows(run, "outcomes.csv")
    for name in ("processes-20", "service-c"):
        before, ours = (number(outcomes[one]["majflt_rdbms"]) for one in (name, f"{name}-working-set"))
        assert ours < 0.3 * before, "nothing is tuned to one service"


def test_the_cache_has_a_snapshot_a_base(run: Path) -> None:
    assert run.exists()
    for base in ("lxc", "lxc-20-processes", "lxc-service_c"):
        assert list(CACHE.glob(f"snapshot-{base}-*/memory.save"))
