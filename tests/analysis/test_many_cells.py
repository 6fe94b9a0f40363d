"""Runs of many cells: their records are not kept, and figures and tables of them stay bounded."""

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_run import write_run
from matplotlib.collections import FillBetweenPolyCollection, LineCollection
from matplotlib.figure import Figure

from analysis.figures import cells, style, suites
from analysis.figures.curves import common, rates
from analysis.records.frames import make_frames
from analysis.records.load import load_run
from analysis.study import Study, study
from configuration.load import load
from measure.stream import Tick
from testbed.process import PROJECT

BARS = load(PROJECT / "experiments.toml").bars.model_copy(update={"resamples": 199})


def ticks() -> int:
    """That are in memory."""
    gc.collect()
    return sum(type(one) is Tick for one in gc.get_objects())


def test_records_of_the_sampler_are_not_kept(tmp_path: Path) -> None:
    write_run(tmp_path, ("baseline",), 2)
    before = ticks()
    run = load_run(tmp_path)
    frames = make_frames(run)
    assert ticks() == before
    assert len(frames.faults) > 100, "what is counted in them is"


def many(folder: Path, replicates: int) -> Study:
    """With one cell that does not count."""
    return study(write_run(folder, ("figure1",), replicates, invalid=["03-figure1"]), BARS)


def collections(figure: Figure | None) -> list[tuple[str, int]]:
    """The single cells and bands of its first panel, with the number of curves in each."""
    assert figure is not None
    found = figure.axes[0].collections
    assert all(isinstance(one, LineCollection | FillBetweenPolyCollection) for one in found)
    return [(type(one).__name__, len(one.get_paths())) for one in found]


def legend(figure: Figure | None) -> list[str]:
    assert figure is not None
    return [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.mark.parametrize(("draw", "shown"), [(cells.figure1, 2), (cells.curves, 1), (cells.block_io, 2)])
def test_more_than_20_cells_are_a_band_and_those_that_do_not_count(tmp_path: Path, draw: Any, shown: int) -> None:
    """``shown``: how many quantities the first panel has."""
    single, bands = many(tmp_path / "single", 21), many(tmp_path / "bands", 22)
    figure = draw(single.frames, single.run)
    of_role = [("LineCollection", 1), ("LineCollection", 20)]  # first those that do not count
    assert collections(figure) == of_role * shown
    assert ("one cell" in legend(figure), "10 % to 90 % of the cells" in legend(figure)) == (True, False)
    figure = draw(bands.frames, bands.run)
    of_role = [("LineCollection", 1), ("FillBetweenPolyCollection", 1)]
    assert collections(figure) == of_role * shown
    assert ("one cell" in legend(figure), "10 % to 90 % of the cells" in legend(figure)) == (False, True)


def test_a_figure_of_many_cells_has_as_much_in_it_as_one_of_more(tmp_path: Path) -> None:
    artists = []
    for replicates in (22, 122):
        found = many(tmp_path / str(replicates), replicates)
        (suite,) = found.suites
        drawn = [draw(found.frames, found.run) for draw in (cells.curves, cells.bars, cells.block_io)]
        drawn.append(suites.overview(suite, found.cells, found.run, found.frames.cells))
        panels = [ax for figure in drawn if figure for ax in figure.axes]
        artists.append(sum(len(ax.get_children()) for ax in panels))
        assert max(len(np.asarray(line.get_xdata())) for ax in panels for line in ax.lines) < 100, "no point a cell"
    assert artists[0] == artists[1] > 100


@pytest.mark.whole
def test_captions_say_what_a_band_is(tmp_path: Path) -> None:
    said = {}
    for replicates in (20, 22):
        found = many(tmp_path / str(replicates), replicates)
        drawn = cells.draw_figures(found.frames, found.run, tmp_path / "figures")
        (suite,) = found.suites
        drawn += suites.draw_suite(suite, found.cells, found.run, found.frames.cells, tmp_path / "figures")
        said[replicates] = [one.caption.endswith("a band shows where 10 % to 90 % of them lie.") for one in drawn]
    assert said == {20: [False] * 5, 22: [True] * 5}


def test_a_band_holds_four_fifths_of_the_cells_at_common_instants() -> None:
    times = np.arange(4.0)
    slopes = np.arange(0.0, 41)
    grid, values = common([(times, slope * times) for slope in slopes])
    assert list(grid) == [0, 1, 2, 3]
    low, high = np.quantile(values, style.BAND, axis=0)
    assert list(low) == [0, 4, 8, 12]
    assert list(high) == [0, 36, 72, 108]
    same, megabytes = rates((grid, 1e6 * values))
    assert same is grid
    assert megabytes.tolist() == [[slope] * 4 for slope in slopes], "rows are curves, too"


def test_the_median_of_many_lies_within_their_band(tmp_path: Path) -> None:
    found = many(tmp_path, 40)
    figure = cells.block_io(found.frames, found.run)
    assert figure is not None
    for ax in figure.axes:
        bands = [one for one in ax.collections if isinstance(one, FillBetweenPolyCollection)]
        lines = [line for line in ax.lines if line.get_linewidth() == 2]
        assert len(bands) == len(lines) == 2
        for band, line in zip(bands, lines, strict=True):
            edges = np.asarray(band.get_paths()[0].vertices)
            for t, value in zip(np.asarray(line.get_xdata()), np.asarray(line.get_ydata()), strict=True):
                at = edges[edges[:, 0] == t, 1]
                assert at.min() <= value <= at.max()
