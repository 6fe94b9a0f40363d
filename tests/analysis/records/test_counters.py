"""Counts within a recording, against numbers worked out by hand from small hand-written streams."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fake_run import (
    Json,
    disk,
    exited,
    process,
    start,
    stop,
    tick,
    write_cell,
    write_plan,
)

from analysis.estimates.outcomes import cell_outcomes
from analysis.records.conditions import ordered_conditions
from analysis.records.counters import DEFAULT_ROLES, before, between, peak
from analysis.records.frames import MOVED, Frames, make_frames, system
from analysis.records.load import load_run
from analysis.report.tables import summarise


def frames_of(tmp_path: Path, samples: list[Json], **cell: object) -> Frames:
    """The frames of a run with the one cell 01-baseline."""
    write_plan(tmp_path, ["01-baseline"])
    write_cell(tmp_path, "01-baseline", samples, **cell)  # type: ignore[arg-type]
    return make_frames(load_run(tmp_path))


def curve(frames: Frames, role: str, column: str = "majflt") -> list[float]:
    return [float(value) for value in frames.faults.loc[frames.faults["role"] == role, column]]


def test_count_is_the_difference_from_the_first_tick_summed_over_a_role(tmp_path: Path) -> None:
    frames = frames_of(
        tmp_path,
        [
            start(),
            tick(0, [process(1, "apache2", 40, minflt=7), process(2, "apache2", 5), process(3, "mariadbd", 900)]),
            tick(1, [process(1, "apache2", 42, minflt=9), process(2, "apache2", 5), process(3, "mariadbd", 900)]),
            tick(2, [process(1, "apache2", 43, minflt=9), process(2, "apache2", 9), process(3, "mariadbd", 931)]),
            stop(2.1, 3),
        ],
        request=0.5,
        response=1.5,
    )
    assert curve(frames, "httpd") == [0, 2, 7]
    assert curve(frames, "httpd", "minflt") == [0, 2, 2]
    assert curve(frames, "rdbms") == [0, 0, 31]
    assert list(frames.faults.loc[frames.faults["role"] == "rdbms", "t"]) == [0, 1, 2]


def test_process_born_within_the_recording_starts_at_zero(tmp_path: Path) -> None:
    frames = frames_of(
        tmp_path,
        [
            start(),
            tick(0, [process(1, "apache2", 40)]),
            tick(1, [process(1, "apache2", 40), process(9, "query.cgi", 30, start=51)]),
            tick(2, [process(1, "apache2", 40), process(9, "query.cgi", 50, start=51)]),
            stop(2.1, 3),
        ],
        request=0.5,
        response=1.5,
    )
    assert curve(frames, "query.cgi") == [0, 30, 50]


def test_exit_record_replaces_the_last_tick_and_stays(tmp_path: Path) -> None:
    frames = frames_of(
        tmp_path,
        [
            start(),
            tick(0, [process(2, "apache2", 10)]),
            tick(1, [process(2, "apache2", 12), process(9, "query.cgi", 30, start=51)]),
            tick(2, []),
            exited(1.4, 9, "query.cgi", 105),
            exited(1.6, 2, "apache2", 17),
            tick(3, []),
            stop(3.1, 4),
        ],
        request=0.5,
        response=1.5,
    )
    assert curve(frames, "query.cgi") == [0, 30, 105, 105]
    assert curve(frames, "httpd") == [0, 2, 7, 7]


def test_process_that_no_tick_saw_is_known_from_its_exit(tmp_path: Path) -> None:
    frames = frames_of(
        tmp_path,
        [
            start(),
            tick(0),
            tick(1),
            exited(0.7, 9, "query.cgi", 105),
            exited(1.2, 9, "query.cgi", 11),
            tick(2),
            exited(2.05, 10, "query.cgi", 4),
            stop(2.1, 3),
        ],
        request=0.5,
        response=1.5,
    )
    assert curve(frames, "query.cgi") == [0, 105, 116]
    assert frames.cells["majflt_query.cgi_window"].item() == 120, "exits after the last tick count"


def test_what_ended_before_the_first_tick_is_outside(tmp_path: Path) -> None:
    frames = frames_of(
        tmp_path,
        [
            start(),
            tick(0, at=0.3),
            exited(0.2, 9, "query.cgi", 105),
            tick(1),
            tick(2),
            stop(2.1, 3),
        ],
        request=0.5,
        response=1.5,
    )
    assert curve(frames, "query.cgi") == [0, 0, 0]


def test_pid_used_again_is_another_process(tmp_path: Path) -> None:
    frames = frames_of(
        tmp_path,
        [
            start(),
            tick(0, [process(9, "apache2", 100, start=10)]),
            tick(1, [process(9, "query.cgi", 6, start=60)]),
            exited(0.5, 9, "apache2", 103),
            tick(2, [process(9, "query.cgi", 8, start=60)]),
            stop(2.1, 3),
        ],
        request=0.5,
        response=1.5,
    )
    assert curve(frames, "httpd") == [0, 3, 3]
    assert curve(frames, "query.cgi") == [0, 6, 8]


def test_role_is_that_of_the_last_comm(tmp_path: Path) -> None:
    frames = frames_of(
        tmp_path,
        [
            start(),
            tick(0),
            tick(1, [process(9, "apache2", 3, start=60)]),
            tick(2, [process(9, "query.cgi", 8, start=60), process(10, "sh", 2, start=61)]),
            stop(2.1, 3),
        ],
        request=0.5,
        response=1.5,
    )
    assert curve(frames, "httpd") == [0, 0, 0]
    assert curve(frames, "query.cgi") == [0, 3, 8]
    assert curve(frames, "other") == [0, 0, 2]


def test_request_to_response_goes_from_the_tick_before_to_the_tick_after(tmp_path: Path) -> None:
    values = [900, 901, 905, 950, 1000, 1010, 1020]
    ticks = [
        tick(n, [process(3, "mariadbd", value)], pswpin=10 * n, vdb=disk(read_sectors=8 * n * n))
        for n, value in enumerate(values)
    ]
    row = frames_of(
        tmp_path, [start(), *ticks, stop(6.5, 7, cpu_us=13000)], request=1.5, first_byte=2.5, response=4.2
    ).cells.iloc[0]
    assert (row["request_t"], row["first_byte_t"], row["response_t"]) == (1.5, 2.5, 4.2)
    assert (row["first_byte_s"], row["response_s"]) == (pytest.approx(1.0), pytest.approx(2.7))
    assert row["majflt_rdbms"] == 1010 - 901
    assert row["majflt_rdbms_window"] == 1020 - 900
    assert row["pswpin"] == 50 - 10
    assert row["vdb_read_bytes"] == 512 * 8 * (25 - 1)
    assert row["vdb_read_bytes_window"] == 512 * 8 * 36
    assert row["sampler_cpu_share"] == pytest.approx(0.002)
    assert bool(row["valid"])


@pytest.mark.parametrize(
    ("request_at", "response_at", "count"),
    [
        (1.0, 3.0, 5.0),
        (1.0, 3.01, 9.0),
        (0.99, 3.0, 6.0),
        (1.0, 4.01, math.nan),
        (-0.1, 2.0, math.nan),
        (math.nan, 2.0, math.nan),
        (1.0, math.nan, math.nan),
    ],
)
def test_between_at_its_edges(request_at: float, response_at: float, count: float) -> None:
    times, values = np.arange(5.0), np.array([0.0, 1.0, 3.0, 6.0, 10.0])
    assert between(times, values, request_at, response_at) == pytest.approx(count, nan_ok=True)


def test_a_level_is_that_before_an_instant_and_its_peak_lies_within() -> None:
    times, values = np.arange(6.0), np.array([9.0, 1.0, 5.0, math.nan, 3.0, 8.0])
    assert (before(times, values, 1.9), before(times, values, 1.0)) == (1, 1)
    assert math.isnan(before(times, values, -0.5))
    assert math.isnan(before(times, values, math.nan))
    assert peak(times, values, 1.5, 3.5) == 5, "of the ticks 1 to 4: neither 9 before nor 8 after"
    assert peak(times, values, 1.5, 4.5) == 8
    assert math.isnan(peak(times, values, 1.5, 9)), "no tick at or after the response"
    assert math.isnan(peak(times, values * math.nan, 1.5, 3.5))


def test_what_a_cell_costs(tmp_path: Path) -> None:
    """Memory of service A, idle and at its peak, the mechanism's own, and reads that came before the request."""
    levels = [100, 110, 300, 200, 500]
    faults = [[process(3, "mariadbd", 900 + 10 * n), process(4, "alpha", 7 * n, group="alpha")] for n in range(5)]
    ticks = [
        tick(n, faults[n], current=level * 10**6, vda=disk(read_sectors=1000 * n)) for n, level in enumerate(levels)
    ]
    more = [{"type": "mechanism", "memory_bytes": 4 * 10**6}]
    samples = [start(), *ticks, exited(1.8, 9, "query.cgi", 12), stop(4.5, 5)]
    frames = frames_of(tmp_path, samples, request=1.5, first_byte=2, response=2.5, records_more=more)
    row = cell_outcomes(frames, "unpressured", 3).iloc[0]
    assert (row["majflt_rdbms"], row["majflt_query.cgi"], row["majflt_service"]) == (20, 12, 32), "alpha is not of it"
    assert (row["idle_mb"], row["peak_mb"], row["mechanism_mb"], row["memory_mb"]) == (110, 300, 4, 304)
    assert row["read_mb"] == pytest.approx(512 * 2000 / 1e6)
    assert row["read_whole_mb"] == pytest.approx(512 * 3000 / 1e6)


@pytest.mark.parametrize("more", [[], [{"type": "mechanism"}], [{"type": "mechanism", "memory_bytes": "4"}]])
def test_a_mechanism_whose_memory_is_not_recorded_has_no_known_cost(tmp_path: Path, more: list[Json]) -> None:
    samples = [start(), *(tick(n) for n in range(5)), stop(4.5, 5)]
    frames = frames_of(tmp_path, samples, request=1.5, first_byte=2, response=2.5, records_more=more)
    row = cell_outcomes(frames, "unpressured", 3).iloc[0]
    assert row[["mechanism_mb", "memory_mb"]].isna().all()
    assert row["peak_mb"] > 0


def test_a_step_that_says_something_unknown_is_a_fault_of_its_cell(tmp_path: Path) -> None:
    write_plan(tmp_path, ["01-baseline"])
    cell = write_cell(tmp_path, "01-baseline", [start(), tick(0), tick(1), tick(2), stop(2.1, 3)])
    journal = cell / "cell.jsonl"
    journal.write_text(journal.read_text().replace('"guest":', '"unknown":', 1))
    row = make_frames(load_run(tmp_path)).cells.iloc[0]
    assert not row["valid"]
    assert row["reason"].startswith("cells/01-baseline/cell.jsonl:2: step: ")


def test_system_holds_differences_of_counters_and_levels_as_they_are(tmp_path: Path) -> None:
    frames_of(
        tmp_path,
        [
            start(),
            tick(0, pswpin=1000, vda=disk(5, 100, 7, 200), current=11),
            tick(1, pswpin=1030, vda=disk(6, 108, 9, 203), current=22),
            stop(1.1, 2),
        ],
        request=0.1,
        response=0.9,
    )
    whole = system(load_run(tmp_path))

    def values(scope: str, name: str) -> list[float]:
        return list(whole.loc[(whole["scope"] == scope) & (whole["name"] == name), "value"])

    assert values("vmstat", "pswpin") == [0, 30]
    assert values("vda", "reads") == [0, 1]
    assert values("vda", "read_bytes") == [0, 8 * 512]
    assert values("vda", "write_bytes") == [0, 3 * 512]
    assert values("service_a", "memory.current") == [11, 22]
    assert values("service_a", "some_us") == [0, 1000]
    assert values("meminfo", "MemFree") == [30000, 30000]
    assert list(whole["t"].unique()) == [0, 1]
    moved = make_frames(load_run(tmp_path)).moved
    ours = [which in MOVED for which in zip(whole["scope"], whole["name"], strict=True)]
    pd.testing.assert_frame_equal(moved, whole[ours].reset_index(drop=True))
    assert len(moved) == 2 * len(MOVED)


def test_prefetch_outcome_counts_service_a_within_the_recording(tmp_path: Path) -> None:
    def event(kind: str, at: float, group: str = "service_a", **more: float) -> Json:
        return {"event": kind, "t": 500.0 + at, "group": group, "policy": "working-set", **more}

    frames = frames_of(
        tmp_path,
        [start(), tick(0), tick(1), tick(2), stop(2.1, 3)],
        request=0.5,
        response=1.5,
        prefetch=[
            {"event": "start"},
            event("outcome", -3, issued=999, used=999),
            event("trigger", 0.6),
            event("issue", 0.7, pages=80, first_issue_us=1500, done_us=90000),
            event("issue", 0.8, group="alpha", pages=7000, first_issue_us=1, done_us=2),
            event("outcome", 4.0, issued=80, used=60, wasted=20, majors=3),
        ],
    )
    row = frames.cells.iloc[0]
    assert (row["prefetch_triggers"], row["prefetch_issued"], row["prefetch_used"]) == (1, 80, 60)
    assert row["prefetch_precision"] == 0.75
    assert row["prefetch_first_issue_s"] == pytest.approx(0.0015)
    assert row["prefetch_done_s"] == pytest.approx(0.09)
    assert list(frames.prefetch["event"]) == ["start", "outcome", "trigger", "issue", "issue", "outcome"]
    assert frames.prefetch["t"].iloc[2] == pytest.approx(0.6)
    assert math.isnan(frames.prefetch["t"].iloc[0])


def test_late_pages_are_not_wasted_ones(tmp_path: Path) -> None:
    outcome = {"event": "outcome", "t": 501.0, "group": "service_a", "issued": 80, "used": 60, "late": 12}
    samples = [start(), tick(0), tick(1), stop(1.1, 2)]
    row = frames_of(tmp_path, samples, request=0.1, response=0.9, prefetch=[outcome]).cells.iloc[0]
    assert (row["prefetch_used"], row["prefetch_precision"]) == (60, 0.9)


def test_no_prefetch_is_unknown_and_not_zero(tmp_path: Path) -> None:
    samples = [start(), tick(0), tick(1), stop(1.1, 2)]
    row = frames_of(tmp_path, samples, request=0.1, response=0.9).cells.iloc[0]
    assert math.isnan(row["prefetch_issued"])
    assert math.isnan(row["prefetch_precision"])


def test_other_roles_can_be_given(tmp_path: Path) -> None:
    write_plan(tmp_path, ["01-baseline"])
    samples = [start(), tick(0, [process(1, "nginx", 1)]), tick(1, [process(1, "nginx", 5)]), stop(1.1, 2)]
    write_cell(tmp_path, "01-baseline", samples, request=0.1, response=0.9)
    cells = make_frames(load_run(tmp_path), {**DEFAULT_ROLES, "nginx": "httpd"}).cells
    assert cells["majflt_httpd"].item() == 4


def test_summary_takes_valid_cells_and_divides_medians() -> None:
    cells = pd.DataFrame(
        {
            "condition": ["baseline"] * 4 + ["working-set"] * 3 + ["siblings"],
            "replicate": [1, 2, 3, 4, 1, 2, 3, 1],
            "valid": [True, True, True, False, True, True, True, False],
            "majflt_rdbms": [100.0, 300.0, 200.0, 9999.0, 10.0, math.nan, 30.0, 5.0],
        }
    )
    against = {"working-set": "baseline", "siblings": "baseline"}
    summary = summarise(cells, against).set_index("condition")
    columns = ["n", "median", "min", "max", "ratio"]
    assert list(summary.loc["baseline", columns[:-1]]) == [3, 200, 100, 300]
    assert summary["ratio"].isna()["baseline"], "it is compared with nothing"
    assert list(summary.loc["working-set", columns]) == [2, 20, 10, 30, 0.1]
    assert list(summary["against"]) == ["", "baseline", "baseline"]
    assert summary.loc["siblings", "n"] == 0
    assert summary.loc["siblings", columns[1:]].isna().all()


def test_conditions_stand_in_natural_order() -> None:
    names = ["ws-16", "ws-4", "siblings", "baseline", "figure1", "ws-4"]
    assert ordered_conditions(pd.DataFrame({"condition": names})) == [
        "figure1",
        "baseline",
        "siblings",
        "ws-4",
        "ws-16",
    ]
