"""The notebook runs on any run, and what it shows is the run's."""

from pathlib import Path

import nbformat
import pytest
from fake_run import write_run

import run
from testbed.process import PROJECT

pytestmark = pytest.mark.whole


def test_an_executed_copy_is_written_into_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_run(tmp_path / "one", ("figure1", "baseline", "working-set"), 2, invalid=["01-baseline"])
    (folder / "configuration.toml").write_text((PROJECT / "experiments.toml").read_text())
    before = {path.name for path in PROJECT.iterdir()}
    assert run.main(["--results", str(tmp_path), "notebook", "one"]) == 0
    assert capsys.readouterr().out.strip() == str(folder / "review.ipynb")
    notebook = nbformat.read(folder / "review.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)
    assert not [out for cell in code for out in cell.outputs if out.output_type == "error"]
    text = nbformat.writes(notebook)  # type: ignore[no-untyped-call]
    assert "run one: TCG, guest kernel 6.12.48+deb13-cloud-amd64" in text
    assert text.count('"image/png"') == 4, "every figure"
    assert "swapped-out: too little" in text
    assert str(tmp_path) not in text, "it is for reading elsewhere, too"
    assert {path.name for path in PROJECT.iterdir()} == before, "nothing is left behind"


def test_a_failing_notebook_is_told_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_run(tmp_path / "one", ("baseline",), 1)
    (folder / "manifest.json").write_text("{")
    assert run.main(["--results", str(tmp_path), "notebook", "one"]) == 3
    said = capsys.readouterr().err
    assert "review.ipynb failed: UsageError: " in said
    assert "manifest.json: line 1: not JSON" in said
    assert "Traceback" not in said
    assert run.main(["--results", str(tmp_path), "notebook", "two"]) == 2


def test_the_shipped_notebook_has_no_results() -> None:
    notebook = nbformat.read(PROJECT / "analysis" / "review.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    assert not any(cell.get("outputs") for cell in notebook.cells)
