"""Tables and figures of whole runs: written when there is data, the same bytes each time, well labelled."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fake_run import exited, process, start, stop, tick, write_cell, write_plan, write_run
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from analysis.figures import cells, style
from analysis.figures.curves import median_curve
from analysis.records.frames import make_frames, system
from analysis.records.load import load_run
from analysis.redraw import redraw
from analysis.report.csv_files import write_csv, write_rows
from analysis.report.tables import write_tables
from analysis.study import study
from configuration.load import load
from testbed.process import PROJECT

BARS = load(PROJECT / "experiments.toml").bars.model_copy(update={"resamples": 999})
TABLES = [
    "faults.csv", "system.csv", "cells.csv", "prefetch.csv", "summary.csv", "outcomes.csv", "effects.csv", "claims.csv",
    "suite-own.csv", "suite-own.md",
]  # fmt: skip
SUITE = ("suite-own", "suite-own-cost")  # the conditions of a run that names no suite
JUDGED = ["prefetcher.csv", "prefetcher.md"]  # where a pair of conditions is planned for which bars stand


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def drawn(*figure_names: str) -> list[str]:
    return [f"{name}.{kind}" for name in figure_names for kind in ("png", "svg")]


def words(figure: Figure) -> str:
    """Every text outside the axes."""
    return "\n".join(text.get_text() for text in figure.texts)


@pytest.mark.whole
def test_redraw_twice_gives_the_same_bytes_and_leaves_nothing_else(tmp_path: Path) -> None:
    write_run(tmp_path, ("figure1", "baseline"), 2, invalid=["01-baseline"])
    first = {path: path.read_bytes() for path in redraw(study(tmp_path, BARS))}
    second = {path: path.read_bytes() for path in redraw(study(tmp_path, BARS))}
    assert first == second
    assert names(list(first)) == TABLES + drawn("figure1", "curves", "bars", "block_io", *SUITE) + ["report.html"]
    left = {path for folder in ("tables", "figures") for path in (tmp_path / folder).iterdir()}
    assert left | {tmp_path / "report.html"} == set(first), "no file half-written or aside"


@pytest.mark.whole
def test_run_without_the_papers_condition_has_no_figure1(tmp_path: Path) -> None:
    written = redraw(study(write_run(tmp_path, ("baseline", "working-set"), 1), BARS))
    assert names(written) == [*TABLES, *JUDGED, *drawn("curves", "bars", "block_io", *SUITE), "report.html"]


def test_run_that_has_not_begun_has_tables_and_no_figure(tmp_path: Path) -> None:
    written = redraw(study(write_run(tmp_path, until=0), BARS))
    assert names(written) == [*TABLES, *JUDGED, "report.html"]
    with (tmp_path / "tables" / "cells.csv").open() as file:
        assert {row["reason"] for row in csv.DictReader(file)} == {"not run yet"}
    assert (tmp_path / "tables" / "faults.csv").read_text().startswith("run,cell,condition,replicate,")


def test_run_of_failed_cells_only_is_drawn_without_medians(tmp_path: Path) -> None:
    write_run(tmp_path, ("baseline",), 1, invalid=["01-baseline"])
    run = load_run(tmp_path)
    frames = make_frames(run)
    bars, curves = cells.bars(frames, run), cells.curves(frames, run)
    assert bars is not None
    assert curves is not None
    assert not any(ax.patches for ax in bars.axes), "no bar stands on a cell that does not count"
    assert {line.get_linewidth() for ax in curves.axes for line in ax.lines} == {0.9}, "no median either"
    assert "does not count: 01-baseline (swapped-out: too little)" in words(bars)


def test_unknown_is_blank_in_tables_and_counts_have_no_fraction(tmp_path: Path) -> None:
    write_plan(tmp_path, ["01-baseline"])
    write_cell(
        tmp_path,
        "01-baseline",
        [
            start(),
            tick(0, [process(3, "mariadbd", 900)]),
            tick(1, [process(3, "mariadbd", 931)]),
            exited(0.5, 9, "query.cgi", 12),
            stop(1.1, 2),
        ],
        request=0.25,
        response=0.75,
    )
    write_tables(study(tmp_path, BARS), tmp_path / "tables")
    with (tmp_path / "tables" / "cells.csv").open() as file:
        row = next(csv.DictReader(file))
    assert (row["majflt_rdbms"], row["majflt_query.cgi"], row["prefetch_issued"]) == ("31", "12", "")
    assert (row["request_t"], row["valid"]) == ("0.25", "True")


@pytest.mark.parametrize(("accelerator", "warned"), [("tcg", True), ("kvm", False)])
def test_footer_says_what_was_measured(tmp_path: Path, accelerator: str, warned: bool) -> None:
    run = load_run(write_run(tmp_path, replicates=2, invalid=["02-baseline"], accelerator=accelerator))
    frames = make_frames(run)
    for draw in (cells.curves, cells.bars, cells.block_io):
        figure = draw(frames, run)
        assert figure is not None
        said = words(figure).replace("\n", "  ·  ")
        for part in (
            accelerator.upper(),
            "guest kernel 6.12.48+deb13-cloud-amd64",
            "employees, synthetic seed 1",
            "n = 2 per condition (baseline 1)",
            f"run {tmp_path.name}",
            "02-baseline (swapped-out",
        ):
            assert part in said
        assert ("times are emulated: compare counts, not seconds" in said) is warned


def test_figure1_draws_httpd_red_and_rdbms_blue_with_every_replicate(tmp_path: Path) -> None:
    run = load_run(write_run(tmp_path, ("figure1",), 3))
    figure = cells.figure1(make_frames(run), run)
    assert figure is not None
    drawn_lines = [(line, np.asarray(line.get_xdata())) for line in figure.axes[0].lines]
    curves = [line for line, times in drawn_lines if len(times) > 2]
    thick = [line for line in curves if line.get_linewidth() == 2]
    assert [line.get_color() for line in thick] == [style.COLOURS["httpd"], style.COLOURS["rdbms"]]
    assert len(thick) == len(curves), "the single cells are collections"
    single = [collection for collection in figure.axes[0].collections if isinstance(collection, LineCollection)]
    assert [len(collection.get_segments()) for collection in single] == [3, 3]
    colours = [to_hex(np.asarray(collection.get_color())[0]).upper() for collection in single]
    assert colours == [style.COLOURS["httpd"], style.COLOURS["rdbms"]]
    assert 10.25 in [times[0] for _, times in drawn_lines if len(times) == 2], "the request is marked"


@pytest.mark.parametrize("count", [1, 5, 6, 20])
def test_small_multiples_have_a_panel_for_every_condition(tmp_path: Path, count: int) -> None:
    conditions = ["baseline", *(f"policy-{number}" for number in range(1, count))]
    run = load_run(write_run(tmp_path, conditions, 1))
    figure = cells.curves(make_frames(run), run)
    assert figure is not None
    assert [ax.get_title(loc="left") for ax in figure.axes if ax.get_title(loc="left")] == conditions
    assert len([ax for ax in figure.axes if ax.axison]) == 3 * count
    assert figure.get_size_inches()[0] <= 15


def test_median_curve_ends_with_the_shortest_and_counts_no_further() -> None:
    times = np.arange(4.0)
    grid, median = median_curve(
        [
            (times, np.array([0.0, 0.0, 10.0, 10.0])),
            (times[:3], np.array([0.0, 2.0, 30.0])),
            (times, np.array([0.0, 4.0, 20.0, 99.0])),
        ]
    )
    assert list(grid) == [0, 1, 2]
    assert list(median) == [0, 2, 20]


def test_the_table_of_counters_is_written_row_by_row_as_the_frame_would_be(tmp_path: Path) -> None:
    run = load_run(write_run(tmp_path / "a, b", ("baseline", "siblings"), 2, until=3))
    write_tables(study(run.path, BARS), run.path / "tables")
    frame = write_csv(system(run), tmp_path / "frame.csv")
    assert (run.path / "tables" / "system.csv").read_bytes() == frame.read_bytes()
    assert len(frame.read_text().splitlines()) > 1000
    assert frame.read_text().splitlines()[1].startswith('"a, b",01-')


def test_a_table_that_breaks_off_leaves_the_one_that_was_there(tmp_path: Path) -> None:
    def rows() -> Iterator[tuple[object, ...]]:
        yield ("new",)
        raise InterruptedError

    table = write_rows(["one"], [("old",)], tmp_path / "table.csv")
    with pytest.raises(InterruptedError):
        write_rows(["one"], rows(), table)
    assert table.read_text() == "one\nold\n"
    assert list(tmp_path.iterdir()) == [table]
