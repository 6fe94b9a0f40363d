"""Suites in the report and as figures: readable with 20 conditions, complete, and escaped."""

import tomllib
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
from fake_run import Shape, write_cell, write_plan, write_run, write_suites
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from analysis.figures import cells, suites
from analysis.redraw import redraw
from analysis.report.page import write_report
from analysis.report.tables import write_tables
from analysis.study import Study, study
from analysis.words.findings import findings
from configuration.load import load
from testbed.process import PROJECT

BARS = load(PROJECT / "experiments.toml").bars.model_copy(update={"resamples": 199})
SHAPES = {
    "baseline": Shape(1500), "working-set": Shape(5, 8000, 0.8), "siblings": Shape(600, 46000, 1.1),
    "memory-low": Shape(30, 0, 0.8, idle_mib=450), "flood": Shape(9000, 0, 1.5),
}  # fmt: skip
ZRAM = "the guest's kernel has no module <zram>"


def many(count: int) -> list[str]:
    return [*SHAPES, *(f"peer-with-a-long-name-{number}" for number in range(count - len(SHAPES)))]


def made(folder: Path, conditions: list[str], blocks: int = 5, **more: Any) -> Study:
    write_run(folder, conditions, blocks, shapes=SHAPES, **more)
    write_suites(folder, {"peers": conditions})
    return study(folder, BARS)


def drawn(found: Study) -> tuple[Figure, Figure]:
    (suite,) = found.suites
    overview = suites.overview(suite, found.cells, found.run, found.frames.cells)
    cost = suites.cost(suite, found.run, found.frames.cells)
    assert overview
    assert cost
    return overview, cost


@pytest.mark.parametrize("count", [5, 20])
def test_figures_of_a_suite_have_all_conditions_and_no_label_on_another(tmp_path: Path, count: int) -> None:
    found = made(tmp_path, many(count))
    overview, cost = drawn(found)
    panels = [ax for ax in overview.axes if ax.axison]
    assert len(panels) == 8
    for ax in panels:
        assert len([text for text in ax.texts if text.get_text().startswith("#")]) == count
    for ax in (panels[0], panels[4]):
        labels = [label.get_text() for label in ax.get_yticklabels()]
        assert sorted(labels) == sorted(many(count))
        assert (labels[0], labels[-1]) == ("working-set", "flood"), "the one with fewest major faults first"
    assert panels[0].get_ylim()[0] > panels[0].get_ylim()[1], "from top to bottom"
    cost.draw_without_rendering()
    names = [text for text in cost.axes[0].texts if isinstance(text, Annotation) and text.get_text()]
    assert len(names) == count - 1, "all that are compared with another"
    boxes = [name.get_window_extent().padded(-1) for name in names]
    assert not [pair for pair in combinations(boxes, 2) if pair[0].overlaps(pair[1])]
    assert all(cost.axes[0].get_window_extent().padded(2).containsx(x) for box in boxes for x in (box.x0, box.x1))


def test_what_adds_many_faults_stands_at_the_edge_with_its_number(tmp_path: Path) -> None:
    _, cost = drawn(made(tmp_path, many(5)))
    (name,) = (text.get_text() for text in cost.axes[0].texts if text.get_text().startswith("flood"))
    assert name.startswith("flood (-")
    assert cost.axes[0].get_xlim()[0] > -3000


@pytest.mark.whole
def test_the_report_has_a_section_a_suite_with_its_words_table_and_figures(tmp_path: Path) -> None:
    conditions = [*many(5), "zram"]
    write_run(tmp_path, conditions, 5, shapes=SHAPES, skipped={"zram": ZRAM}, mechanism=dict.fromkeys(SHAPES, 10**7))
    write_suites(tmp_path, {"controls": ["baseline", "working-set"], "peers": ["baseline", *conditions[2:]]})
    found = study(tmp_path, BARS)
    names = {path.name for path in write_tables(found, tmp_path / "tables")}
    pictures = {
        suite.name: suites.draw_suite(suite, found.cells, found.run, found.frames.cells, tmp_path / "figures")
        for suite in found.suites
    }
    page = write_report(found, [], pictures, tmp_path / "report.html").read_text()
    for name in ("controls", "peers"):
        assert f'<section id="suite-{name}"><h2>Suite {name}</h2>' in page
        assert f'<a href="#suite-{name}">Suite {name}</a>' in page
        assert f"Is {name} answered?" in page
    assert page.index('id="suite-controls"') < page.index('id="suite-peers"') < page.index('id="figures"')
    assert "working-set has clearly fewer RDBMS major faults than baseline" in page
    assert "skipped: the guest&#39;s kernel has no module &lt;zram&gt;" in page
    assert "<dt>zram</dt>" in page
    assert "5 skipped, as the guest lacks what they need" in page
    assert page.count("Download suite-") == 4
    assert {"suite-controls.csv", "suite-controls.md", "suite-peers.csv", "suite-peers.md"} <= names
    table = (tmp_path / "tables" / "suite-peers.md").read_text()
    assert "Skipped: zram (the guest's kernel has no module \\<zram\\>)." in table
    peers = Study(**{**vars(found), "suites": found.suites[1:]})
    footer = drawn(peers)[0].texts
    assert any("skipped: zram (the guest's kernel has no module <zram>)" in text.get_text() for text in footer)
    assert not any("does not count" in text.get_text() for text in footer)


def test_what_went_wrong_before_the_request_is_told(tmp_path: Path) -> None:
    write_plan(tmp_path, ["01-swap-cycle"])
    advances = [
        {"type": "advance", "action": "swap-cycle", "ok": False, "detail": "<b>swapoff: busy"},
        {"type": "advance", "action": "wake", "ok": True, "detail": "fine"},
    ]
    write_cell(tmp_path, "01-swap-cycle", [], records_more=advances)
    found = study(tmp_path, BARS)
    page = redraw(found)[-1].read_text()
    assert "<li>01-swap-cycle: swap-cycle: &lt;b&gt;swapoff: busy</li>" in page
    assert "fine</li>" not in page
    assert "fine</li>" not in page
    text = findings(found, "mine")
    assert "- swap-cycle: swap-cycle did not succeed in 1 cell: \\<b\\>swapoff: busy\n" in text


def test_a_run_of_skipped_cells_only_is_reported(tmp_path: Path) -> None:
    found = made(tmp_path, ["zram"], 1, skipped={"zram": ZRAM})
    assert [path.name for path in redraw(found) if path.suffix == ".png"] == []
    assert "Skipped: zram" in (tmp_path / "report.html").read_text()


@pytest.mark.whole
def test_hostile_names_of_suites_and_conditions_stay_words(tmp_path: Path) -> None:
    conditions = ["baseline", "siblings"]  # of a plan that is another's they are checked
    made(tmp_path / "a" / "run", conditions, 5)
    configuration = tmp_path / "a" / "run" / "configuration.toml"
    values = tomllib.loads(configuration.read_text())
    hostile = "<img src=x>|`$x_y*"
    values["suite"] = {"../../escaped": values["suite"]["peers"], "peers": {"conditions": [1, "baseline", hostile]}}
    values["condition"][hostile] = {"answers": hostile}
    values["condition"]["baseline"] = 3
    configuration.write_text(tomli_w.dumps(values))
    before = {path for path in tmp_path.rglob("*") if not path.is_relative_to(tmp_path / "a" / "run")}
    written = redraw(study(tmp_path / "a" / "run", BARS))
    assert "<img src=x" not in written[-1].read_text()
    assert {path for path in tmp_path.rglob("*") if not path.is_relative_to(tmp_path / "a" / "run")} == before


@pytest.mark.parametrize("draw", [cells.curves, cells.block_io])
def test_a_late_request_has_as_much_room_as_the_others(tmp_path: Path, draw: Any) -> None:
    run = made(tmp_path, ["baseline", "idle-600"], 1)
    late = run.frames.cells["condition"] == "idle-600"
    run.frames.cells.loc[late, ["request_t", "response_t"]] += 600
    for frame in (run.frames.faults, run.frames.moved):
        frame.loc[frame["condition"] == "idle-600", "t"] += 600
    spans = {tuple(np.round(ax.get_xlim(), 6)) for ax in draw(run.frames, run.run).axes}
    assert len(spans) == 2
    (begin, end), (late_begin, late_end) = sorted(spans)
    assert begin == 0
    assert late_begin == pytest.approx(610.25 - 12)
    assert late_end - late_begin == pytest.approx(end)
