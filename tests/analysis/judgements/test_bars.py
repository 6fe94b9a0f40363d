"""The prefetcher's bars: per-cell values from events, comparisons and verdicts on made-up cells with known answers."""

import csv
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fake_run import BOOT, REQUEST, Json, disk, process, start, stop, tick, write_cell, write_plan, write_run

from analysis.estimates.outcomes import cell_outcomes
from analysis.judgements.bars import Judgement, judge
from analysis.judgements.verdicts import CANNOT_TELL, MET, MISSED
from analysis.records.frames import make_frames
from analysis.records.load import load_run
from analysis.redraw import redraw
from analysis.study import study
from configuration.bars import Bars
from configuration.load import load
from testbed.process import PROJECT

CONFIGURATION = PROJECT / "experiments.toml"
FILES = ["prefetcher.csv", "prefetcher.md"]
GOOD = {
    "majflt_rdbms": 0.03,
    "majflt_httpd": 0.2,
    "majflt_query.cgi": 0.1,
    "read_mb": 1.1,
    "first_byte_s": 0.9,
    "precision": 0.97,
    "coverage": 0.95,
    "late_share": 0.05,
    "first_issue_ms": 2.0,
    "first_issue_ms_max": 4.0,
}


@pytest.fixture(name="bars")
def shipped_bars() -> Bars:
    bars = load(CONFIGURATION).bars
    return bars.model_copy(update={"resamples": 999})


def cell_values(run: Path, bars: Bars) -> pd.DataFrame:
    return cell_outcomes(make_frames(load_run(run)), bars.reference, bars.before_request_s)


def made_up(blocks: int, changes: Mapping[str, float] | None = None, suffix: str = "") -> pd.DataFrame:
    """Cells whose prefetch has these parts of the baseline's values, but for its own; blocks differ by up to 10 %."""
    parts = {**GOOD, **(changes or {})}
    rows = []
    for block in range(1, blocks + 1):
        more = 1 + 0.1 * (block % 3)
        base = {"majflt_rdbms": 1000, "majflt_httpd": 100, "majflt_query.cgi": 70, "read_mb": 40, "first_byte_s": 3}
        common = {"replicate": block, "valid": True}
        rows.append({"condition": "unpressured", "response_s": 5.0, **common})
        rows.append({"condition": f"baseline{suffix}", "response_s": 10.0, **common})
        rows[-1] |= {name: value * more for name, value in base.items()}
        rows.append({"condition": f"working-set{suffix}", "response_s": 5 + 5 * parts.get("excess", 0.4), **common})
        rows[-1] |= {name: part * base.get(name, 1) * (more if name in base else 1) for name, part in parts.items()}
    return pd.DataFrame(rows)


def by_outcome(judged: list[Judgement]) -> dict[str, Judgement]:
    return {judgement.outcome: judgement for judgement in judged}


def test_a_good_prefetcher_meets_every_bar_with_the_known_values(bars: Bars) -> None:
    judged = by_outcome(judge(made_up(6), bars))
    assert {judgement.verdict for judgement in judged.values()} == {MET}
    assert len(judged) == 11
    rdbms = judged["major faults, RDBMS"]
    assert rdbms.found.value == pytest.approx(0.03)
    assert [rdbms.found.low, rdbms.found.high] == pytest.approx([0.03, 0.03]), "blocks are paired"
    assert [rdbms.baseline, rdbms.prefetch] == pytest.approx([1100, 33])
    assert rdbms.bar == "95 % fewer, upper end < 0.1"
    excess = judged["excess time to response"]
    assert [excess.baseline, excess.prefetch, excess.found.value] == pytest.approx([5, 2, 0.4])
    assert judged["precision"].found.value == pytest.approx(0.97)
    assert math.isnan(judged["precision"].baseline)
    assert judged["trigger to first issue, worst"].found.value == 4


@pytest.mark.parametrize(
    ("column", "part", "outcome"),
    [
        ("majflt_rdbms", 0.051, "major faults, RDBMS"),
        ("majflt_httpd", 0.21, "major faults, httpd"),
        ("majflt_query.cgi", 0.31, "major faults, query.cgi"),
        ("read_mb", 1.21, "bytes read"),
        ("first_byte_s", 1.01, "time to first byte"),
        ("precision", 0.94, "precision"),
        ("coverage", 0.89, "coverage"),
        ("late_share", 0.11, "late share"),
        ("first_issue_ms", 5.0, "trigger to first issue, median"),
        ("first_issue_ms_max", 5.0, "trigger to first issue, worst"),
        ("excess", 0.61, "excess time to response"),
    ],
)
def test_each_bar_is_missed_alone(bars: Bars, column: str, part: float, outcome: str) -> None:
    judged = by_outcome(judge(made_up(6, {column: part}), bars))
    assert {name for name, judgement in judged.items() if judgement.verdict == MISSED} == {outcome}


def test_the_intervals_upper_end_has_to_hold_too(bars: Bars) -> None:
    cells = made_up(6)
    prefetched = cells["condition"] == "working-set"
    cells.loc[prefetched & (cells["replicate"] <= 3), "majflt_rdbms"] = 400
    cells.loc[prefetched & (cells["replicate"] == 4), "first_byte_s"] = 9
    judged = by_outcome(judge(cells, bars))
    rdbms = judged["major faults, RDBMS"]
    assert rdbms.found.high > 0.1
    assert rdbms.verdict == MISSED
    cells.loc[prefetched, "majflt_rdbms"] = [30, 31, 32, 33, 34, 400]
    rdbms = by_outcome(judge(cells, bars))["major faults, RDBMS"]
    assert rdbms.found.value < 0.05
    assert rdbms.verdict == (MET if rdbms.found.high < 0.1 else MISSED)


def test_fewer_than_five_blocks_cannot_tell(bars: Bars) -> None:
    judged = judge(made_up(4), bars)
    assert {judgement.verdict for judgement in judged} == {CANNOT_TELL}
    assert {judgement.found.method for judgement in judged} == {""}
    assert by_outcome(judged)["major faults, RDBMS"].found.value == pytest.approx(0.03), (
        "the value is told all the same"
    )


def test_a_block_with_a_cell_that_does_not_count_is_left_out_whole(bars: Bars) -> None:
    cells = made_up(6)
    cells.loc[(cells["condition"] == "baseline") & (cells["replicate"] == 2), "valid"] = False
    cells.loc[(cells["condition"] == "unpressured") & (cells["replicate"] == 3), "valid"] = False
    judged = by_outcome(judge(cells, bars))
    assert judged["major faults, RDBMS"].found.blocks == 5
    assert judged["precision"].found.blocks == 6, "needs no baseline"
    assert judged["excess time to response"].found.blocks == 4
    assert judged["excess time to response"].verdict == CANNOT_TELL


def test_slow_disks_have_their_own_excess_bar_and_some_bars_stand_on_one_disk_only(bars: Bars) -> None:
    judged = by_outcome(judge(made_up(6, {"excess": 0.55, "late_share": 0.5}, suffix="-5000"), bars))
    assert {judgement.disk for judgement in judged.values()} == {"iops-5000"}
    assert (judged["excess time to response"].bar, judged["excess time to response"].verdict) == ("<= 0.5", MISSED)
    assert (judged["late share"].bar, judged["late share"].verdict) == ("", "")
    slow = by_outcome(judge(made_up(6, {"excess": 0.99}, suffix="-200"), bars))
    assert (slow["excess time to response"].bar, slow["excess time to response"].verdict) == ("<= 1", MET)


def test_without_the_reference_there_is_no_excess_and_without_a_pair_nothing(bars: Bars) -> None:
    cells = made_up(6)
    judged = by_outcome(judge(cells[cells["condition"] != "unpressured"], bars))
    assert "excess time to response" not in judged
    assert judged["major faults, RDBMS"].verdict == MET
    assert judge(cells[cells["condition"] != "baseline"], bars) == []


def event(kind: str, at: float, activation: int | None, *, group: str = "service_a", **more: Any) -> Json:
    number = {} if activation is None else {"activation": activation}
    return {"event": kind, "t": BOOT + at, "group": group, "policy": "working-set", **number, **more}


def values_of(tmp_path: Path, bars: Bars, events: list[Json]) -> "pd.Series[float]":
    write_plan(tmp_path, ["01-working-set"])
    samples = [start(), *(tick(n, vda=disk(read_sectors=2 * n), vdb=disk(read_sectors=8 * n)) for n in range(22))]
    write_cell(tmp_path, "01-working-set", [*samples, stop(21.1, 22)], prefetch=events)
    return cell_values(tmp_path, bars).iloc[0]


def test_activations_count_from_three_seconds_before_the_request(tmp_path: Path, bars: Bars) -> None:
    told: dict[str, Any] = {"issued": 100, "used": 80, "late": 10, "wasted": 10, "demanded": 120, "covered": 90}
    row = values_of(
        tmp_path,
        bars,
        [
            {"event": "start"},
            event("trigger", REQUEST - 3.1, 7),
            event("issue", REQUEST - 3.0, 7, first_issue_us=90_000),
            event("outcome", REQUEST + 1, 7, **{**told, "issued": 5000, "used": 5000}),
            event("trigger", REQUEST - 2.9, 8),
            event("issue", REQUEST - 2.8, 8, first_issue_us=1000),
            event("outcome", REQUEST - 0.5, 8, **told),
            event("trigger", REQUEST + 0.2, 9),
            event("issue", REQUEST + 0.3, 9, first_issue_us=4000),
            event("outcome", REQUEST + 30, 9, **told),
            event("trigger", REQUEST + 0.2, 9, group="alpha"),
            event("outcome", REQUEST + 30, 9, group="alpha", **told),
        ],
    )
    assert (row["issued"], row["demanded"]) == (200, 240)
    assert row["precision"] == pytest.approx(0.9)
    assert row["coverage"] == pytest.approx(0.75)
    assert row["late_share"] == pytest.approx(1 / 9)
    assert (row["first_issue_ms"], row["first_issue_ms_max"]) == (2.5, 4)
    assert row["read_mb"] == pytest.approx(512 * (2 + 8) * 11 / 1e6), (
        "both disks, from the tick before to the tick after"
    )


def test_activations_of_other_cells_with_the_same_number_are_not_counted(tmp_path: Path, bars: Bars) -> None:
    names = ["01-working-set", "02-working-set", "03-working-set"]
    write_plan(tmp_path, names)
    for name, trigger, used in zip(names, (-1, -5, 1), (10, 20, None), strict=True):
        samples = [start(), *(tick(n) for n in range(22)), stop(21.1, 22)]
        more: Json = {} if used is None else {"used": used, "late": 0}
        events = [
            event("trigger", REQUEST + trigger, 1),
            event("issue", REQUEST + trigger, 1, first_issue_us=1000 * used if used else 7000),
            event("outcome", REQUEST + 5, 1, issued=40, **more),
        ]
        write_cell(tmp_path, name, samples, prefetch=events)
    rows = cell_values(tmp_path, bars).set_index("cell")
    assert rows["used"].tolist() == pytest.approx([10, math.nan, math.nan], nan_ok=True), "the second's was too early"
    assert rows["issued"].tolist() == pytest.approx([40, math.nan, 40], nan_ok=True)
    assert rows["precision"].tolist() == pytest.approx([0.25, math.nan, math.nan], nan_ok=True)
    assert rows["first_issue_ms"].tolist() == pytest.approx([10, math.nan, 7], nan_ok=True)


def test_a_prefetcher_started_again_counts_anew(tmp_path: Path, bars: Bars) -> None:
    told: dict[str, Any] = {"issued": 100, "used": 100, "late": 0, "wasted": 0}
    row = values_of(
        tmp_path,
        bars,
        [
            {"event": "start"},
            event("trigger", REQUEST - 90, 1),
            event("outcome", REQUEST - 80, 1, demanded=700, covered=0),
            {"event": "start"},
            event("trigger", REQUEST + 0.2, 1),
            event("outcome", REQUEST + 3, 1, demanded=100, covered=100, **told),
        ],
    )
    assert (row["demanded"], row["coverage"], row["issued"]) == (100, 1, 100), "nothing of the warm-up's first"


def test_an_older_event_stream_leaves_columns_empty(tmp_path: Path, bars: Bars) -> None:
    row = values_of(
        tmp_path,
        bars,
        [
            event("trigger", REQUEST + 0.2, None),
            event("issue", REQUEST + 0.3, None, first_issue_us=4000),
            event("outcome", REQUEST + 9, None, issued=100, used=80, wasted=20, majors=3),
        ],
    )
    assert (row["issued"], row["used"], row["first_issue_ms"]) == (100, 80, 4)
    assert row[["late", "demanded", "covered", "precision", "coverage", "late_share"]].isna().all()


def test_no_event_at_all_is_unknown_and_not_zero(tmp_path: Path, bars: Bars) -> None:
    row = values_of(tmp_path, bars, [])
    assert row[["issued", "used", "precision", "first_issue_ms"]].isna().all()


@pytest.mark.whole
def test_redraw_writes_the_tables_where_a_pair_of_conditions_was_run(tmp_path: Path, bars: Bars) -> None:
    run = write_run(tmp_path, ("baseline", "working-set", "unpressured"), 5, invalid=["02-baseline"])
    written = {path.name: path.read_bytes() for path in redraw(study(run, bars))}
    assert [name for name in written if name.startswith("prefetcher")] == FILES
    assert written == {path.name: path.read_bytes() for path in redraw(study(run, bars))}, "the same bytes again"
    with (run / "tables" / "prefetcher.csv").open() as file:
        rows = {row["outcome"]: row for row in csv.DictReader(file)}
    assert rows["major faults, RDBMS"]["blocks"] == "4"
    assert rows["major faults, RDBMS"]["verdict"] == "cannot tell"
    with (run / "tables" / "outcomes.csv").open() as file:
        cells = {row["cell"]: row for row in csv.DictReader(file)}
    assert len(cells) == 15
    assert cells["01-baseline"]["issued"] == ""
    text = (run / "tables" / "prefetcher.md").read_text()
    assert text.startswith(f"# The prefetcher and its bars: run {tmp_path.name}\n")
    assert "| unthrottled | major faults, RDBMS | 4 |" in text
    assert "95 % fewer, upper end < 0.1 | cannot tell |" in text
    assert "Times are emulated (TCG)" in text
    assert text.count("|\n") == 2 + 11


@pytest.mark.whole
def test_redraw_writes_none_without_a_pair(tmp_path: Path, bars: Bars) -> None:
    alone = write_run(tmp_path / "alone", ("baseline", "siblings"), 1)
    assert not {path.name for path in redraw(study(alone, bars))} & set(FILES)
    begun = write_run(tmp_path / "begun", ("baseline", "working-set"), 1, until=0)
    assert "prefetcher.md" in {path.name for path in redraw(study(begun, bars))}


def test_faults_of_a_whole_fake_cell_reach_the_table(tmp_path: Path, bars: Bars) -> None:
    write_plan(tmp_path, [f"{n:02d}-{name}" for n in range(1, 7) for name in ("baseline", "working-set")])
    for n in range(1, 7):
        for name, faults in (("baseline", 1000), ("working-set", 20)):
            samples = [tick(i, [process(3, "mariadbd", 900 + (faults if i > 12 else 0))]) for i in range(22)]
            write_cell(tmp_path, f"{n:02d}-{name}", [start(), *samples, stop(21.1, 22)])
    judged = by_outcome(judge(cell_values(tmp_path, bars), bars))
    rdbms = judged["major faults, RDBMS"]
    assert (rdbms.found.blocks, rdbms.found.value, rdbms.verdict) == (6, 0.02, MET)
    assert judged["major faults, httpd"].verdict == CANNOT_TELL, "0 / 0"
