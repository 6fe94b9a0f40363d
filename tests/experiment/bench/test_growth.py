"""Runs replayed from the committed one: the same records by the harness's own path, what they cost, how that grows."""

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
from fake_run import write_run
from rich.console import Console

from configuration.load import load
from configuration.plan import Cell
from experiment.bench import growth
from experiment.bench.growth import REFERENCE, Seen, Spent, measure, report_here, spent
from experiment.bench.replay import RecordedRun, open_recording, open_replay
from experiment.bench.scaling import COSTS, Growth, Size, growths, missed, redrawn
from experiment.run_folder import Store
from measure.stream import Tick, read_stream
from testbed.errors import CellError, UsageError
from testbed.process import PROJECT

SHIPPED = load(PROJECT / "experiments.toml")
SETTINGS = SHIPPED.model_copy(update={"bars": SHIPPED.bars.model_copy(update={"resamples": 199})})
LINEAR = Size(1000, 100, 20.0, (6.0, 40.0), 200 * 10**6, 50.0, 600 * 10**6)


@pytest.fixture(scope="module")
def recording() -> RecordedRun:
    return open_recording(Store(REFERENCE))


def journal(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "cell.jsonl").read_text().splitlines()]


def test_a_replayed_cell_has_a_recorded_ones_records_under_its_own_name(tmp_path: Path, recording: RecordedRun) -> None:
    cell = Cell(7, "working-set", "lxc", "working-set")  # six were recorded: it is the first one again
    folder, source = tmp_path / "cells" / cell.name, REFERENCE / "cells" / "01-working-set"
    ticks: list[Tick] = []
    with open_replay(recording, SETTINGS) as replay:
        outcome = replay(cell, folder, ticks.append)
    assert (outcome.cell, outcome.complete, outcome.valid, outcome.reason) == (cell, True, True, "")
    for name in ("samples.jsonl", "prefetch.jsonl", "alpha.jsonl", "console.log"):
        assert (folder / name).read_bytes() == gzip.decompress((source / f"{name}.gz").read_bytes()), name
    assert (folder / "domain.xml").read_bytes() == (source / "domain.xml").read_bytes()
    assert (folder / "peer.jsonl").read_bytes() == b"", "a cell has this stream now, and had not when it was recorded"
    assert ticks == [record for record in read_stream(folder / "samples.jsonl") if isinstance(record, Tick)]
    now, then = journal(folder), journal(source)
    assert now[0] == {**then[0], "name": "07-working-set", "replicate": 7}
    steps = [[record for record in records if record["type"] == "step"] for records in (now, then)]
    assert steps[0] == steps[1] != []
    assert now[-1] == {"type": "end", "complete": True, "valid": True, "kind": "", "reason": ""}


def test_the_checks_of_a_replayed_cell_are_made_anew(tmp_path: Path, recording: RecordedRun) -> None:
    checks = SETTINGS.checks.model_copy(update={"swapped_out_mib": 100_000.0})
    with open_replay(recording, SETTINGS.model_copy(update={"checks": checks})) as replay:
        outcome = replay(Cell(1, "baseline", "lxc", "off"), tmp_path / "01-baseline")
    assert (outcome.complete, outcome.valid, outcome.kind) == (True, False, "check swapped-out")
    failed = [record["check"] for record in journal(tmp_path / "01-baseline") if record.get("ok") is False]
    assert failed == ["swapped-out"]
    assert journal(tmp_path / "01-baseline")[-1]["valid"] is False


def test_a_configuration_without_a_recorded_condition_is_refused(recording: RecordedRun) -> None:
    fewer = {name: condition for name, condition in SETTINGS.condition.items() if name != "siblings"}
    replay = open_replay(recording, SETTINGS.model_copy(update={"condition": fewer}))
    with pytest.raises(UsageError, match="lacks: siblings"), replay:
        pass


def test_a_run_without_a_cell_that_counts_is_no_recording(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no cell of run one counts"):
        open_recording(Store(write_run(tmp_path / "one", until=0)))


@pytest.mark.whole
def test_a_block_is_run_drawn_and_reported(tmp_path: Path, recording: RecordedRun) -> None:
    with open_replay(recording, SETTINGS) as replay:
        size = measure(replay, 1, tmp_path)
    folder = (tmp_path / "latest").resolve()
    with (folder / "tables" / "cells.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["condition"] for row in rows) == sorted(recording.conditions)
    assert {row["valid"] for row in rows} == {"True"}
    assert (size.cells, size.blocks) == (5, 1)
    assert size.disk_bytes == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert len(size.drawings_s) == 1, "at its end only, which is that of its only block"
    assert size.harness_s > 0
    assert size.report_s > 0
    assert size.report_bytes > 50e6, "pandas and matplotlib alone take more"


def test_a_report_that_leaves_something_out_is_no_measurement(tmp_path: Path) -> None:
    run = write_run(tmp_path / "one", ("baseline",), 1)
    with (run / "cells" / "01-baseline" / "samples.jsonl").open("a") as stream:
        stream.write("garbage\n")
    with pytest.raises(CellError, match=r"samples\.jsonl"):
        report_here(run)


def test_between_two_cells_a_run_was_drawn_if_its_report_is_another_one() -> None:
    seen = [
        Seen(0.0, 2.0, None),
        Seen(3.0, 5.0, None),
        Seen(15.0, 17.0, (1, 1)),
        Seen(17.25, 18.25, (1, 1)),
        Seen(18.75, 18.75, (1, 2)),
    ]
    assert spent(seen) == Spent(harness_s=2 + 1 + 2 + 2 + 0.25 + 1, drawings_s=(10.0, 0.5))


@pytest.mark.parametrize(
    ("exponents", "words", "too_fast"),
    [
        ((), "one size cannot tell", False),
        ((1.0,), "1: linear", False),
        ((1.14,), "1.14: linear", False),
        ((0.86,), "0.86: linear", False),
        ((1.0, 1.16), "1.16: more than linear", True),
        ((1.4, 1.0), "1: linear", False),
        ((0.5,), "0.5: less than linear", False),
    ],
)
def test_growth_is_judged_by_the_largest_sizes(exponents: tuple[float, ...], words: str, too_fast: bool) -> None:
    growth = Growth(COSTS[0], exponents)
    assert (growth.words, growth.too_fast) == (words, too_fast)


def test_an_exponent_is_that_of_the_number_of_cells() -> None:
    small = Size(10, 1, 0.2, (6.0,), 2 * 10**4, 50.0, 600 * 10**6)
    found = {growth.cost.field: growth.exponents for growth in growths([small, LINEAR])}
    assert {len(exponents) for exponents in found.values()} == {1}
    expected = {"harness_s": 1.0, "disk_bytes": 2.0, "report_s": 0.0, "report_bytes": 0.0}
    assert {field: exponents[0] for field, exponents in found.items()} == pytest.approx(expected)


def test_bars_are_met_by_what_lies_within_them() -> None:
    assert missed([LINEAR], growths([LINEAR])) == []
    over = Size(1000, 100, 20.0, (), 200 * 10**6, 61.0, 1200 * 10**6)
    assert missed([over], growths([over])) == [
        "report, s: 61 with 1,000 cells, at most 60",
        "memory of the report, MB: 1,200 with 1,000 cells, at most 1000",
    ]


@pytest.mark.parametrize("blocks", [100, 200])
def test_drawing_is_a_small_share_of_a_run_however_long_it_is(blocks: int) -> None:
    def drawing_s(done: int) -> float:
        return 0.6 * done

    times, share = redrawn(blocks, 100.0, drawing_s)
    each = sum(drawing_s(done) for done in range(1, blocks + 1))
    assert each / (100.0 * blocks + each) > 0.2, "drawn after every block it would be a large one"
    assert share < 0.1
    assert 10 < times < blocks


def test_what_is_drawn_fast_is_drawn_after_every_block() -> None:
    times, share = redrawn(8, 400.0, lambda _: 10.0)
    assert times == 8
    assert share == pytest.approx(80 / 3280)


@pytest.mark.parametrize(("power", "code"), [(1, 0), (2, 1)])
def test_the_table_says_how_costs_grow_and_what_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, power: int, code: int
) -> None:
    def made_up(_replay: object, blocks: int, _folder: Path) -> Size:
        return Size(5 * blocks, blocks, 0.2 * blocks, (1.0,), 10**6 * blocks**power, 5 + 0.25 * blocks, 3 * 10**8)

    monkeypatch.setattr(growth, "measure", made_up)
    output, out = io.StringIO(), tmp_path / "growth.json"
    console = Console(file=output, width=200, markup=False)
    assert growth.main(SETTINGS, console, [1000, 98, 10, 100], out) == code
    kept = json.loads(out.read_text())
    assert [size["cells"] for size in kept["sizes"]] == [10, 100, 1000], "whole blocks, each size once"
    assert kept["exponents"]["disk_bytes"] == pytest.approx([power, power])
    assert len(kept["with_guests"]) == 3
    said = output.getvalue()
    assert "1,000 cells" in said
    assert "1: linear" in said
    line = "results, MB: grows more than linearly, exponent 2, at most 1.15"
    assert kept["missed"] == [line] * code
    assert (f"missed: {line}" in said) is bool(code)


@pytest.mark.parametrize("sizes", [[], [0, 10]])
def test_sizes_that_are_none_are_refused(sizes: list[int]) -> None:
    with pytest.raises(UsageError, match="--cells"):
        growth.main(SETTINGS, Console(file=io.StringIO()), sizes, None)
