"""The report's words, what it escapes, and what becomes of runs with something wrong in their files."""

import base64
import json
import time
from collections import defaultdict
from pathlib import Path

import pytest
from fake_run import write_run

import run
from analysis.redraw import redraw
from analysis.report.page import write_report
from analysis.study import study
from configuration.load import load
from testbed.process import PROJECT

BARS = load(PROJECT / "experiments.toml").bars
FEWER = BARS.model_copy(update={"resamples": 199})
ALL = ("figure1", "baseline", "baseline-again", "siblings", "working-set")


def configure(folder: Path, old: str = "", new: str = "") -> Path:
    text = (PROJECT / "experiments.toml").read_text()
    assert old in text
    (folder / "configuration.toml").write_text(text.replace(old, new, 1) if old else text)
    return folder


def page(folder: Path) -> str:
    return write_report(study(folder, FEWER), (), defaultdict(tuple), folder / "report.html").read_text()


def report(results: Path, name: str) -> int:
    return run.main(["--results", str(results), "report", name])


def test_what_a_guest_or_a_file_says_cannot_become_html(tmp_path: Path) -> None:
    folder = configure(write_run(tmp_path, ALL, 1), 'answers = "A/A: the', "answers = '''<script>A/A</script> the")
    text = (folder / "configuration.toml").read_text()
    (folder / "configuration.toml").write_text(text.replace('must show no difference."', "must show no difference.'''"))
    end = {"type": "end", "complete": True, "valid": False, "reason": "<img src=x onerror=alert(1)>"}
    ledger = folder / "cells" / "01-baseline" / "cell.jsonl"
    ledger.write_text("\n".join(ledger.read_text().splitlines()[:-1]) + "\n" + json.dumps(end) + "\n")
    (folder / "cells" / "<b>foreign").mkdir()
    written = page(folder)
    assert "<script" not in written
    assert "&lt;script&gt;A/A" in written
    assert "<img src=x" not in written
    assert "&lt;img src=x onerror=alert(1)&gt;" in written
    assert "cells/&lt;b&gt;foreign: not in plan.json, left out" in written


def test_verdict_first_then_what_it_rests_on(tmp_path: Path) -> None:
    written = page(configure(write_run(tmp_path, ALL, 6)))
    assert written.index("The paper&#39;s hypothesis holds: 0.") < written.index("<main")
    assert "Of 10 claims:" in written
    assert "It must show nothing" in written
    assert "python run.py --like test_verdict_first_then_what_i0" in written
    assert "655M" in written


def test_few_replicates_get_no_interval(tmp_path: Path) -> None:
    written = page(configure(write_run(tmp_path, ALL, 3)))
    assert "too few replicates: fewer than 5" in written
    assert "Too few replicates (fewer than 5) for an A/A comparison." in written
    assert "Of 10 claims: 1 reproduced, 9 cannot tell." in written, "the arithmetic one"


@pytest.mark.whole
def test_forty_cells_take_less_than_20_s(tmp_path: Path) -> None:
    folder = configure(write_run(tmp_path, ALL, 8))
    begin = time.monotonic()
    redraw(study(folder, BARS))
    assert time.monotonic() - begin < 20


@pytest.mark.whole
def test_what_is_wrong_in_the_files_is_told_and_the_rest_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = configure(write_run(tmp_path / "one", ("baseline", "working-set"), 3))
    cells = folder / "cells"
    with (cells / "01-baseline" / "samples.jsonl").open("a") as stream:
        stream.write('{"type": "tick", "n"')
    text = (cells / "02-baseline" / "cell.jsonl").read_text().splitlines()
    (cells / "02-baseline" / "cell.jsonl").write_text("\n".join([*text[:2], "{nonsense", *text[2:]]) + "\n")
    (cells / "notes").mkdir()
    assert report(tmp_path, "one") == 0
    said = caplog.text
    assert "cells/01-baseline/samples.jsonl:" in said
    assert "ends within a line" in said
    assert "cells/02-baseline/cell.jsonl:3: not JSON" in said
    assert "cells/notes: not in plan.json, left out" in said
    assert "4 of 6 cells count" in (folder / "report.html").read_text()


@pytest.mark.whole
def test_a_run_of_an_older_format_is_still_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = configure(write_run(tmp_path / "old", ("baseline", "working-set"), 1), "sampler_late_s = 0.5", "#")
    assert report(tmp_path, "old") == 0
    assert f"{folder}/configuration.toml: checks: lacks sampler_late_s" in caplog.text
    assert (folder / "report.html").is_file()


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("plan.json", None, "one is no run: it has no plan.json"),
        ("plan.json", "{", "plan.json: line 1: not JSON"),
        ("plan.json", '{"run": "one", "cells": []}', "plan.json: seed: Field required"),
        ("manifest.json", None, "manifest.json: No such file"),
        ("manifest.json", "[]", "manifest.json: not a JSON object"),
        ("manifest.json", "{}", "manifest.json: accelerator is missing"),
    ],
)
def test_a_folder_that_is_no_run_is_refused_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, text: str | None, message: str
) -> None:
    folder = configure(write_run(tmp_path / "one", ("baseline",), 1))
    if text is None:
        (folder / file).unlink()
    else:
        (folder / file).write_text(text)
    assert report(tmp_path, "one") == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said


@pytest.mark.whole
def test_a_figure_is_in_the_page_once_and_its_link_leads_to_the_file_beside_it(tmp_path: Path) -> None:
    folder = configure(write_run(tmp_path / "one", ("baseline", "working-set"), 2))
    written = redraw(study(folder, FEWER))[-1].read_text()
    pictures = sorted((folder / "figures").glob("*.svg"))
    assert len(pictures) == 5
    for picture in pictures:
        assert written.count(base64.b64encode(picture.read_bytes()).decode()) == 1
        assert f'<a href="figures/{picture.name}" download="one-{picture.name}"' in written
