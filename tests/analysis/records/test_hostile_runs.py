"""A run that somebody sent is data: thousands of hostile ones are read, and nothing but a line comes of it."""

import gzip
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fake_run import write_run
from hostile_runs import ESCAPE, hostile, nothing_outside

from analysis.records.frames import make_frames
from analysis.records.load import load_run
from analysis.report.csv_files import inert
from configuration.load import load
from experiment.commands.pack import places_of
from experiment.open_run import settings_of
from experiment.run_folder import Store
from testbed.errors import HarnessError, UsageError
from testbed.files.documents import Fault, parse_toml
from testbed.process import PROJECT

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
from analysis.records.load import load_run
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
    with pytest.raises(
        UsageError, match=r"tables/\.cells\.csv\.tmp is a symbolic link: a run with such is not opened"
    ) as refused:
        load_run(run)
    assert refused.value.hint
    assert not victim.exists()


def test_a_name_that_a_terminal_obeys_is_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path / "one", ("baseline",), 1)
    (run / "cells" / ESCAPE.replace("/", "")).mkdir()
    with pytest.raises(UsageError, match="has a name that cannot be printed") as refused:
        load_run(run)
    assert "\x1b" not in str(refused.value)


def made_run(folder: Path) -> Path:
    run = write_run(folder, ("baseline",), 1)
    (run / "configuration.toml").write_text((PROJECT / "experiments.toml").read_text())
    return run


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's files")
@pytest.mark.parametrize("place", ["", "cells", "cells/01-baseline/samples.jsonl"])
def test_a_run_that_another_user_can_change_is_not_opened(tmp_path: Path, place: str) -> None:
    """It was packed while its owner put a link to a private folder in."""
    run = made_run(tmp_path / "one")
    os.chown(run / place, 65534, 65534)
    with pytest.raises(UsageError, match="belongs to uid 65534: a run with such is not opened"):
        load_run(run)
    os.chown(run / place, 0, 0)
    (run / place).chmod(0o777)
    with pytest.raises(UsageError, match="may be written by others"):
        load_run(run)


def test_a_folder_above_a_run_that_others_may_write_is_refused_unless_it_is_sticky(tmp_path: Path) -> None:
    run = made_run(tmp_path / "shared" / "one")
    run.parent.chmod(0o777)
    with pytest.raises(UsageError, match="whoever may can put another in the place of"):
        load_run(run)
    run.parent.chmod(0o1777)
    load_run(run)


def test_what_the_own_group_may_write_is_taken(tmp_path: Path) -> None:
    run = made_run(tmp_path / "one")
    for path in (run, *run.rglob("*")):
        path.chmod(path.stat().st_mode | 0o020)
    assert load_run(run).cells


def test_folders_in_each_other_without_end_are_refused(tmp_path: Path) -> None:
    run = made_run(tmp_path / "one")
    deep = run / "cells"
    for _ in range(20):
        deep /= "a"
    deep.mkdir(parents=True)
    with pytest.raises(UsageError, match="more than 12 folders in each other"):
        load_run(run)


@pytest.mark.parametrize("text", [f"{'a.' * 16_000}a = 1", f"[{'a.' * 16_000}a]", f"x = {{ {'a.' * 16_000}a = 1 }}"])
def test_a_dotted_key_takes_no_memory_by_the_square_of_its_length(text: str) -> None:
    began = time.monotonic()
    with pytest.raises(Fault, match="nested too deeply"):
        parse_toml(text.encode())
    assert time.monotonic() - began < 1
    assert parse_toml(b'x = "' + b"." * 1000 + b'"')


def test_events_keep_plain_members_and_are_bounded_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_run(tmp_path / "one", ("baseline", "working-set"), 2)
    for folder in (run / "cells").iterdir():
        (folder / "prefetch.jsonl").write_text('{"event": "x", "a": [[], [], []]}\n')
    assert all(cell.prefetch == ({"event": "x"},) for cell in load_run(run).cells)
    many = {f"m{number}": 1 for number in range(201)}
    (run / "cells" / "01-baseline" / "prefetch.jsonl").write_text(json.dumps(many) + "\n")
    assert load_run(run).problems == ("cells/01-baseline/prefetch.jsonl:1: more than 200 members",)
    monkeypatch.setattr("analysis.records.load.RUN_EVENT_BYTES", 3000)
    assert any("longer than" in problem for problem in load_run(run).problems)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('answers = "', 'answers = "\\u009b2J'),
        ("[roles]", '[roles]\n"\\u001b[2J" = "rdbms"'),
        (
            "[condition.placebo]",
            '[condition.placebo]\nguest = { "/proc/sys/vm/swappiness" = "\\u001b]0;OWNED\\u0007" }',
        ),
        ('title = "', 'title = "\\u202e'),
    ],
)
def test_settings_hold_nothing_that_a_terminal_obeys(tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "mine.toml"
    text = (PROJECT / "experiments.toml").read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(UsageError, match="character that cannot be printed") as refused:
        load(path)
    assert str(refused.value).replace("\n", "").isprintable()


def test_a_word_that_a_spreadsheet_would_compute_gets_an_apostrophe() -> None:
    for word in ("=1+1", "@SUM(A1)", "+1+1", "-cmd|x", "\uff1d1+1"):
        assert inert(word) == f"'{word}"
    assert inert("x;=1+1") == "x;'=1+1"
    assert inert("\n=1+1") == " =1+1"
    for word in ("-5", "+1.5e3", "-", "baseline", "a; -5 of them", "mean - sd"):
        assert inert(word) in (word, f"'{word}")
    assert inert("-5") == "-5"


def test_a_hostile_domain_takes_no_time_to_pack(tmp_path: Path) -> None:
    run = made_run(tmp_path / "one")
    (run / "cells" / "01-baseline" / "domain.xml").write_text("<kernel>/" * 40_000)
    (run / "cells" / "01-baseline" / "evidence").mkdir()
    (run / "cells" / "01-baseline" / "evidence" / "error.txt").write_text('File "/' * 40_000)
    began = time.monotonic()
    places_of(Store.open(tmp_path, "one"))
    assert time.monotonic() - began < 5


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's files")
def test_a_run_in_a_checkout_of_another_user_is_opened(tmp_path: Path) -> None:
    """As a build server has it: whoever owns the folder of the program can exchange the program, too."""
    tree = tmp_path / "workspace" / "tree"
    shutil.copytree(PROJECT / "testbed", tree / "testbed", ignore=shutil.ignore_patterns("__pycache__"))
    for package in ("analysis", "experiment", "measure", "prefetch", "peers", "workloads"):
        (tree / package).symlink_to(PROJECT / package)
    run = made_run(tree / "results" / "one")
    os.chown(tree.parent, 65534, 65534)
    code = "import pathlib, sys, testbed.files.plain as files; files.require_plain(pathlib.Path(sys.argv[1]))"
    words = [sys.executable, "-c", code, str(run)]
    assert subprocess.run(words, cwd=tree, check=False).returncode == 0
    elsewhere = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert "belongs to uid 65534, and whoever may can put another in the place of" in elsewhere.stderr
