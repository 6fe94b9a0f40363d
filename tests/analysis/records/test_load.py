"""Run directories that are whole, growing, half-written or wrong: what is kept, marked and said."""

import json
from pathlib import Path

import pytest
from fake_run import tick, write_cell, write_plan, write_run, write_skipped

from analysis.records.conditions import skipped
from analysis.records.frames import Frames, make_frames
from analysis.records.load import load_run
from analysis.report.tables import summarise
from measure.journal import Advance, Mechanism
from testbed.errors import UsageError

QUICK = ("baseline", "working-set")


def rewrite(path: Path, *, drop: int = 0, cut: int = 0, insert: tuple[int, str] | None = None) -> None:
    """Drops the last lines of a file, cuts its last characters, or puts a line in before number insert[0]."""
    lines = path.read_text().splitlines(keepends=True)
    if insert:
        lines.insert(insert[0] - 1, insert[1] + "\n")
    text = "".join(lines[: len(lines) - drop])
    path.write_text(text[: len(text) - cut])


def verdict(frames: Frames, cell: str) -> tuple[bool, str]:
    row = frames.cells.set_index("cell").loc[cell]
    return bool(row["valid"]), str(row["reason"])


def test_whole_run_is_valid_and_keeps_the_order_of_its_plan(tmp_path: Path) -> None:
    run = load_run(write_run(tmp_path, QUICK, 2))
    plan = json.loads((tmp_path / "plan.json").read_text())
    assert [cell.name for cell in run.cells] == [cell["name"] for cell in plan["cells"]]
    assert all(cell.valid and cell.state == "complete" and not cell.reason for cell in run.cells)
    assert (run.accelerator, run.dataset) == ("tcg", "employees, synthetic seed 1")
    assert run.problems == ()


def test_cells_not_run_yet_are_planned_and_have_no_numbers(tmp_path: Path) -> None:
    frames = make_frames(load_run(write_run(tmp_path, QUICK, 2, until=3)))
    assert list(frames.cells["state"]) == ["complete"] * 3 + ["planned"]
    assert list(frames.cells["valid"]) == [True] * 3 + [False]
    assert frames.cells["majflt_rdbms"].isna().tolist() == [False] * 3 + [True]
    assert frames.faults["cell"].nunique() == 3


def test_invalid_cell_is_kept_with_its_reason_and_left_out_of_the_summary(tmp_path: Path) -> None:
    frames = make_frames(load_run(write_run(tmp_path, ("baseline",), 3, invalid=["02-baseline"])))
    assert verdict(frames, "02-baseline") == (False, "swapped-out: too little")
    faults = frames.cells.set_index("cell")["majflt_rdbms"]
    assert faults["02-baseline"] > 0
    summary = summarise(frames.cells, {}).set_index("outcome")
    assert not {"replicate", "guests"} & {*summary.index}, "these are no outcomes"
    row = summary.loc["majflt_rdbms"]
    assert (row["n"], row["median"]) == (2, faults[["01-baseline", "03-baseline"]].mean())


def test_cell_without_its_end_does_not_count_and_keeps_its_data(tmp_path: Path) -> None:
    write_run(tmp_path, QUICK, 1)
    cell = tmp_path / "cells" / "01-baseline"
    rewrite(cell / "cell.jsonl", drop=1)
    rewrite(cell / "samples.jsonl", drop=1, cut=40)
    frames = make_frames(load_run(tmp_path))
    assert verdict(frames, "01-baseline") == (False, "no end record: still running, or broken off")
    whole = frames.faults[frames.faults["cell"] == "01-baseline"]["t"].nunique()
    assert whole == len((cell / "samples.jsonl").read_text().splitlines()) - 4, "hello, start, exit, cut tick"
    assert verdict(frames, "01-working-set") == (True, "")


def test_half_written_end_is_no_end(tmp_path: Path) -> None:
    write_run(tmp_path, QUICK, 1)
    rewrite(tmp_path / "cells" / "01-baseline" / "cell.jsonl", cut=1)
    cell = {cell.name: cell for cell in load_run(tmp_path).cells}["01-baseline"]
    assert (cell.valid, cell.state) == (False, "incomplete")


@pytest.mark.parametrize(
    ("file", "line", "message"),
    [
        ("cell.jsonl", 3, "cells/01-baseline/cell.jsonl:3: not JSON"),
        ("samples.jsonl", 5, "cells/01-baseline/samples.jsonl:5: "),
        ("prefetch.jsonl", 1, "cells/01-baseline/prefetch.jsonl:1: not JSON"),
    ],
)
def test_broken_line_is_named_and_takes_only_its_cell(tmp_path: Path, file: str, line: int, message: str) -> None:
    write_run(tmp_path, QUICK, 1)
    rewrite(tmp_path / "cells" / "01-baseline" / file, insert=(line, '{"type": "tick", '))
    run = load_run(tmp_path)
    frames = make_frames(run)
    valid, reason = verdict(frames, "01-baseline")
    # A ledger that breaks off has no end record that could be believed.
    assert not valid
    assert reason.startswith(message)
    assert [problem.startswith(message) for problem in run.problems] == [True]
    assert verdict(frames, "01-working-set") == (True, "")


def test_stream_cut_within_a_line_does_not_count(tmp_path: Path) -> None:
    write_run(tmp_path, ("baseline",), 1)
    samples = tmp_path / "cells" / "01-baseline" / "samples.jsonl"
    rewrite(samples, cut=5)
    last = len(samples.read_text().splitlines())
    frames = make_frames(load_run(tmp_path))
    assert verdict(frames, "01-baseline") == (False, f"cells/01-baseline/samples.jsonl:{last}: ends within a line")
    assert len(frames.faults) > 0


def test_missing_streams(tmp_path: Path) -> None:
    write_run(tmp_path, QUICK, 1)
    (tmp_path / "cells" / "01-baseline" / "samples.jsonl").unlink()
    (tmp_path / "cells" / "01-working-set" / "prefetch.jsonl").unlink()
    frames = make_frames(load_run(tmp_path))
    assert verdict(frames, "01-baseline") == (False, "cells/01-baseline/samples.jsonl: No such file")
    assert verdict(frames, "01-working-set") == (True, "")
    assert frames.cells.set_index("cell")["majflt_rdbms"].isna()["01-baseline"]


@pytest.mark.parametrize(
    ("last_tick", "reason"),
    [
        (19, "cells/01-baseline/samples.jsonl: the ticks do not span request and response"),
        (-1, "cells/01-baseline/samples.jsonl: no start record followed by a tick"),
    ],
)
def test_valid_by_its_record_but_without_the_ticks(tmp_path: Path, last_tick: int, reason: str) -> None:
    write_plan(tmp_path, ["01-baseline"])
    start = {"type": "start", "t": 500.0, "wall": 1.7e9, "interval": 1.0}
    write_cell(tmp_path, "01-baseline", [start, *(tick(n) for n in range(last_tick + 1))])
    assert verdict(make_frames(load_run(tmp_path)), "01-baseline") == (False, reason)


def test_cell_of_another_plan_does_not_count(tmp_path: Path) -> None:
    write_run(tmp_path, ("baseline",), 1)
    ledger = tmp_path / "cells" / "01-baseline" / "cell.jsonl"
    ledger.write_text(ledger.read_text().replace('"policy": "off"', '"policy": "siblings"'))
    assert verdict(make_frames(load_run(tmp_path)), "01-baseline") == (
        False,
        "cells/01-baseline/cell.jsonl:1: policy is 'siblings', plan.json says 'off'",
    )


def test_what_a_guest_lacks_is_skipped_with_its_reason_and_is_no_problem(tmp_path: Path) -> None:
    run = load_run(write_run(tmp_path, ("baseline", "zram"), 2, skipped={"zram": "no module zram"}))
    states = {cell.name: (cell.state, cell.valid, cell.reason) for cell in run.cells}
    assert states["01-zram"] == states["02-zram"] == ("skipped", False, "no module zram")
    assert states["01-baseline"] == ("complete", True, "")
    assert run.problems == ()
    cells = make_frames(run).cells
    assert skipped(cells) == {"zram": "no module zram"}
    assert cells.loc[cells["condition"] == "zram", "majflt_rdbms"].isna().all()


def test_a_condition_that_was_skipped_at_times_says_how_often(tmp_path: Path) -> None:
    write_run(tmp_path, ("zram",), 3)
    write_skipped(tmp_path, "02-zram", "no module zram")
    assert skipped(make_frames(load_run(tmp_path)).cells) == {"zram": "no module zram (1 of 3 cells)"}


def test_a_cell_that_failed_for_another_reason_is_not_skipped(tmp_path: Path) -> None:
    write_run(tmp_path, ("zram",), 1)
    write_skipped(tmp_path, "01-zram", "lost")
    ledger = tmp_path / "cells" / "01-zram" / "cell.jsonl"
    ledger.write_text(ledger.read_text().replace("Unsupported", "GuestLost"))
    (cell,) = load_run(tmp_path).cells
    assert (cell.state, cell.valid) == ("incomplete", False)


def test_what_was_begun_before_the_request_and_what_the_mechanism_holds_are_kept(tmp_path: Path) -> None:
    write_plan(tmp_path, ["01-baseline"])
    advance = {"type": "advance", "action": "swap-cycle", "t_begin": 502.0, "t_end": 509.5, "ok": False, "detail": "x"}
    mechanism = {"type": "mechanism", "memory_bytes": 7}
    write_cell(tmp_path, "01-baseline", [tick(0)], records_more=[advance, mechanism])
    (cell,) = load_run(tmp_path).cells
    assert cell.advances == (Advance("swap-cycle", 502.0, 509.5, ok=False, detail="x"),)
    assert cell.mechanism == Mechanism(7)


def test_foreign_folder_is_named_and_left_out(tmp_path: Path) -> None:
    write_run(tmp_path, ("baseline",), 1)
    (tmp_path / "cells" / "backup").mkdir()
    run = load_run(tmp_path)
    assert [cell.name for cell in run.cells] == ["01-baseline"]
    assert run.problems == ("cells/backup: not in plan.json, left out",)


def test_folder_without_records_is_incomplete(tmp_path: Path) -> None:
    write_plan(tmp_path, ["01-baseline"])
    (tmp_path / "cells" / "01-baseline").mkdir(parents=True)
    run = load_run(tmp_path)
    assert run.cells[0].state == "incomplete"
    assert run.problems == ("cells/01-baseline/cell.jsonl: No such file",)


def test_empty_directory_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is no run directory: it has no plan\.json"):
        load_run(tmp_path)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("plan.json", '{"run": 1,\n"cells"', r"plan\.json: line 2: not JSON"),
        ("plan.json", "[]", r"plan\.json: Input should be a valid dictionary"),
        ("plan.json", '{"run": "r", "cells": []}', r"plan\.json: seed: Field required"),
        ("plan.json", '{"run": "r", "cells": [{"name": "01-baseline"}]}', r"plan\.json: seed: Field required"),
        ("manifest.json", '{"accelerator": "tcg"}', r"manifest\.json: guest\.kernel is missing, or is no word"),
        ("manifest.json", None, r"manifest\.json: No such file"),
    ],
)
def test_unreadable_plan_or_manifest_is_an_error(tmp_path: Path, file: str, text: str | None, message: str) -> None:
    write_run(tmp_path, ("baseline",), 1)
    (tmp_path / file).unlink()
    if text is not None:
        (tmp_path / file).write_text(text)
    with pytest.raises(UsageError, match=message):
        load_run(tmp_path)
