"""A run that somebody sent is data: thousands of hostile ones are read, and nothing but a line comes of it."""

import gzip
import subprocess
import sys
from pathlib import Path

import pytest
from fake_run import write_run
from hostile_runs import ESCAPE, hostile, nothing_outside

from analysis.frames import make_frames
from analysis.load import load_run
from experiment.reading import settings_of
from experiment.store import Store
from testbed.errors import HarnessError, UsageError

PROJECT = Path(__file__).parent.parent
RUNS = 2000
PARTS = 4  # so that processes share the work


@pytest.mark.whole
@pytest.mark.parametrize("part", range(PARTS))
def test_hostile_runs_are_read_or_refused_in_a_line(part: int, tmp_path: Path) -> None:
    refused = 0
    for seed in range(part, RUNS, PARTS):
        made = hostile(seed)
        place = tmp_path / str(seed)
        made.write(place)
        with nothing_outside(place):
            try:
                store = Store.open(place / "results", "one")
                settings = settings_of(store)
                run = load_run(store.folder)
                frames = make_frames(run, settings.roles)
                words = [*run.problems, run.name, run.kernel, run.dataset, run.accelerator, *frames.cells["reason"]]
            except HarnessError as error:
                refused += 1
                words = str(error).splitlines()
                assert len(words) == 2 or not error.hint, f"{seed} {made.how}: {words}"
            except Exception as error:
                raise AssertionError(f"seed {seed}: {made.how}") from error
        assert all(text.replace("\n", "").isprintable() for text in words), f"seed {seed}: {made.how}"
        subprocess.run(["rm", "-r", place], check=True)
    assert RUNS / PARTS * 0.2 < refused < RUNS / PARTS * 0.9


READ = """
import sys
from pathlib import Path
from analysis.load import load_run
for cell in load_run(Path(sys.argv[1])).cells:
    print(cell.valid, cell.reason)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.whole
@pytest.mark.parametrize("kind", ["zeroes", "lines", "records"])
@pytest.mark.parametrize("stream", ["samples.jsonl", "prefetch.jsonl"])
def test_a_bomb_takes_no_more_than_a_cell_could(tmp_path: Path, kind: str, stream: str) -> None:
    run = write_run(tmp_path / "one", ("baseline",), 1)
    path = run / "cells" / "01-baseline" / stream
    records = path.read_bytes().splitlines(keepends=True)
    path.unlink()
    with gzip.open(path.with_name(f"{stream}.gz"), "wb", 1) as file:
        if kind != "zeroes":
            file.writelines(records[:3])
        piece = {"zeroes": bytes(1 << 20), "lines": b"{}\n" * 300_000, "records": records[3 % len(records)] * 1000}[
            kind
        ]
        for _ in range(1 + 400_000_000 // len(piece)):
            file.write(piece)
    said = subprocess.run([sys.executable, "-c", READ, run], cwd=PROJECT, capture_output=True, text=True, check=True)
    verdict, memory = said.stdout.splitlines()
    assert verdict.startswith("False ")
    assert int(memory) < 1_000_000  # KiB


def test_a_link_is_named_and_the_way_out_with_it(tmp_path: Path) -> None:
    run = write_run(tmp_path / "one", ("baseline",), 1)
    victim = tmp_path / "site-packages.pth"
    (run / "tables").mkdir()
    (run / "tables" / ".cells.csv.tmp").symlink_to(victim)
    with pytest.raises(UsageError, match=r"tables/\.cells\.csv\.tmp is a symbolic link: .* is not opened") as refused:
        load_run(run)
    assert refused.value.hint
    assert not victim.exists()


def test_a_name_that_a_terminal_obeys_is_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path / "one", ("baseline",), 1)
    (run / "cells" / ESCAPE.replace("/", "")).mkdir()
    with pytest.raises(UsageError, match="is a name that cannot be printed") as refused:
        load_run(run)
    assert "\x1b" not in str(refused.value)
