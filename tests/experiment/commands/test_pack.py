"""A packed run is small, says the same, and is read even when it is damaged; the committed one says what it said."""

import gzip
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from fake_run import write_run

import run
from analysis.redraw import redraw
from analysis.report.tables import write_tables
from analysis.study import study
from analysis.words.findings import findings
from configuration.load import load
from experiment.open_run import settings_of
from experiment.run_folder import Store
from testbed.process import PROJECT

pytestmark = pytest.mark.whole

# The committed runs: the page of their findings, and the replicates that they must have.
COMMITTED = {
    "reference": ("findings.md", 6),
    "controls": ("findings-controls.md", 6),
    "peers": ("findings-peers.md", 6),
    "disks": ("findings-disks.md", 6),
    "sweep": ("findings-sweep.md", 6),
}
BARS = load(PROJECT / "experiments.toml").bars.model_copy(update={"resamples": 199})
DOMAIN = "<kernel>/home/me/.cache/disk-1/vmlinuz</kernel><source file='/home/me/.cache/guests/a/root.qcow2'/>"
QEMU_LOG = """\
2026-11-27 02:10:29.467+0000: starting up libvirt version: 9.0.0, kernel: 6.1, hostname: my-laptop
LC_ALL=C \\
PATH=/home/me/bin:/usr/bin \\
HOME=/home/me \\
/usr/bin/qemu-system-x86_64 \\
-kernel /home/me/.cache/disk-1/vmlinuz
"""
COMPUTED = ("cells.csv", "faults.csv", "prefetch.csv", "outcomes.csv", "effects.csv", "claims.csv")


@pytest.fixture(name="packed")
def packed_run(tmp_path: Path) -> Path:
    folder = write_run(tmp_path / "one", ("baseline", "working-set"), 2)
    (folder / "configuration.toml").write_text((PROJECT / "experiments.toml").read_text())
    (folder / "cells" / "01-baseline" / "domain.xml").write_text(DOMAIN)
    evidence = folder / "failed" / "01-baseline.1" / "evidence"
    evidence.mkdir(parents=True)
    (evidence / "paging.log").write_text(QEMU_LOG)
    (evidence / "error.txt").write_text('  File "/home/me/tree/experiment/cell.py", line 1\n')
    (evidence / "repeat.txt").write_text(f"python run.py --config {folder}/configuration.toml\n")
    assert run.main(["--results", str(tmp_path), "pack", "one", "small"]) == 0
    return tmp_path / "small"


def test_a_packed_run_says_the_same(tmp_path: Path, packed: Path) -> None:
    redraw(study(tmp_path / "one", load(tmp_path / "one" / "configuration.toml").bars))
    for name in COMPUTED:
        assert (packed / "tables" / name).read_text() == (tmp_path / "one" / "tables" / name).read_text()
    large = gzip.decompress((packed / "tables" / "system.csv.gz").read_bytes())
    assert large == (tmp_path / "one" / "tables" / "system.csv").read_bytes()
    assert sorted(path.name for path in (packed / "cells" / "01-baseline").iterdir()) == [
        "cell.jsonl", "domain.xml", "prefetch.jsonl.gz", "samples.jsonl.gz",
    ]  # fmt: skip
    domain = (packed / "cells" / "01-baseline" / "domain.xml").read_text()
    assert domain == "<kernel>CACHE/disk-1/vmlinuz</kernel><source file='CACHE/guests/a/root.qcow2'/>"
    assert (packed / "report.html").is_file()


def test_records_that_cannot_be_drawn_are_packed_all_the_same(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_study: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("experiment.commands.pack.redraw", broken)
    assert run.main(["--results", str(tmp_path), "pack", "one", "other"]) == 0
    assert "has the records, but not all tables and figures: a bug" in caplog.text
    assert (tmp_path / "other" / "failed" / "01-baseline.1" / "evidence" / "error.txt").is_file()


def test_a_packed_run_does_not_say_whose_machine_it_was(packed: Path) -> None:
    evidence = packed / "failed" / "01-baseline.1" / "evidence"
    assert gzip.decompress((evidence / "paging.log.gz").read_bytes()).decode() == (
        "2026-11-27 02:10:29.467+0000: starting up libvirt version: 9.0.0, kernel: 6.1, hostname: ...\n"
        "LC_ALL=... \\\nPATH=... \\\nHOME=... \\\n"
        "/usr/bin/qemu-system-x86_64 \\\n-kernel CACHE/disk-1/vmlinuz\n"
    )
    assert (evidence / "error.txt").read_text() == '  File "PROJECT/experiment/cell.py", line 1\n'
    assert (evidence / "repeat.txt").read_text() == "python run.py --config RESULTS/one/configuration.toml\n"


def test_packing_twice_gives_the_same_bytes_and_never_overwrites(
    tmp_path: Path, packed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.main(["--results", str(tmp_path), "pack", "one", "again"]) == 0
    for path in (path for path in packed.rglob("*.gz")):
        assert (tmp_path / "again" / path.relative_to(packed)).read_bytes() == path.read_bytes()
    assert run.main(["--results", str(tmp_path), "pack", "one", "small"]) == 2
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["cut", "noise"])
def test_a_damaged_stream_is_told_and_its_cell_left_out(packed: Path, damage: str) -> None:
    stream = packed / "cells" / "01-baseline" / "samples.jsonl.gz"
    content = stream.read_bytes()
    stream.write_bytes(content[:-200] if damage == "cut" else content[:100] + b"noise" + content[105:])
    found = study(packed, BARS)
    (problem,) = found.run.problems
    assert problem.startswith("cells/01-baseline/samples.jsonl.gz")
    assert not found.cells.set_index("cell").loc["01-baseline", "valid"]


@pytest.mark.parametrize("name", COMMITTED)
def test_a_committed_run_says_what_it_said_when_it_was_committed(tmp_path: Path, name: str) -> None:
    page, replicates = COMMITTED[name]
    committed, copy = PROJECT / "results" / name, tmp_path / name
    shutil.copytree(committed, copy, ignore=shutil.ignore_patterns("tables", "figures", "report.html"))
    settings = settings_of(Store(copy))
    found = study(copy, settings.bars, settings.roles)
    assert found.run.problems == ()
    write_tables(found, copy / "tables")
    told = (PROJECT / "docs" / page).read_text()
    assert findings(found, name) == told, f"run.py findings {name} > docs/{page}"
    for table in (*COMPUTED, "summary.csv"):
        (then,) = map(pd.read_csv, (committed / "tables").glob(f"{table}*"))
        now = pd.read_csv(copy / "tables" / table)
        pd.testing.assert_frame_equal(now, then, rtol=1e-9, obj=table)
    plan = json.loads((committed / "plan.json").read_text())
    assert len({cell["replicate"] for cell in plan["cells"]}) >= replicates
    assert sum(path.stat().st_size for path in committed.rglob("*") if path.is_file()) < 16 * 2**20


def test_a_packed_run_names_no_host_and_no_place_of_its_configuration(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "one", ("baseline",), 1)
    text = (PROJECT / "experiments.toml").read_text()
    assert 'path = ""' in text
    (folder / "configuration.toml").write_text(text.replace('path = ""', 'path = "/home/alice/secret"'))
    journal = folder / "cells" / "01-baseline" / "cell.jsonl"
    journal.write_text(
        journal.read_text().replace('"accelerator": "tcg"', '"accelerator": "tcg", "ran_on": "alices.example"')
    )
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["hosts"] = {"alices.example": {"guests": 1}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    evidence = folder / "failed" / "01-baseline.1" / "evidence"
    evidence.mkdir(parents=True)
    (evidence / "paging.log").write_text("XDG_DATA_HOME=/home/alice/.local \\\n-kernel x\n")
    (evidence / "error.txt").write_text('  File "/home/alice/python/lib/python3.11/queue.py", line 1\n')
    assert run.main(["--results", str(tmp_path), "pack", "one", "small"]) == 0
    for path in (tmp_path / "small").rglob("*"):
        if path.is_file() and path.suffix != ".png":
            content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            assert b"alice" not in content, path
    assert '"ran_on": "host-1"' in (tmp_path / "small" / "cells" / "01-baseline" / "cell.jsonl").read_text()
    assert Store.open(tmp_path, "small").configuration().dataset.path == ""
