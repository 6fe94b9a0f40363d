"""A run on a real guest that is as short as one can be, and what there must not be when it is over.

A guest sleeps most of the time, so make test has two pytests side by side: in one each test must leave the cache as it
was; those in the other are marked as FORKS are, and have their guests in folders of their own.
"""

import contextlib
import csv
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import psutil
import pytest
import tomli_w
from rich.console import Console
from words import in_folders

from configuration.condition import LXC
from configuration.load import load
from experiment.building.prepare import Prepared, prepare
from experiment.progress import Progress
from testbed import ledger
from testbed.cache import Cache, default_cache
from testbed.connection import PREFIX, SHORT_PLACE
from testbed.ledger import notes, programs
from testbed.process import PROJECT

CACHE = default_cache().resolve()
CONDITIONS = ("baseline", "working-set")
FORKS = [pytest.mark.guest, pytest.mark.forks]

# The snapshot depends on none of these. Other work on the host is no reason to run a cell again here.
DISTURBED = {"others_share": 1.0, "steal_share": 1.0, "sampler_late_s": 5.0, "clock_jump_s": 5.0}
SHORT = {"before_recording_s": 0.5, "before_request_s": 2, "after_response_s": 1}


def configuration(folder: Path, **changes: dict[str, float]) -> Path:
    """experiments.toml for short cells on a host that does other things, too, with the ``changes`` of its sections."""
    values = tomllib.loads((PROJECT / "experiments.toml").read_text())
    for section, keys in {"checks": DISTURBED, "steps": SHORT, **changes}.items():
        values[section].update(keys)
    path = folder / "short.toml"
    path.write_text(tomli_w.dumps(values))
    return path


def command(folder: Path, *words: str, config: Path | None = None) -> list[str]:
    """run.py with results in ``folder`` and the project's cache."""
    places = {"config": config or folder / "short.toml", "results": folder / "results", "cache": CACHE}
    return [sys.executable, "run.py", *in_folders(words, **places)]


def start(folder: Path, *words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        command(folder, *words), cwd=PROJECT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip


def finish(folder: Path, *words: str, timeout: float = 900) -> "subprocess.CompletedProcess[str]":
    words_ = command(folder, *words)
    done = subprocess.run(words_, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=timeout)
    print(done.stdout, done.stderr)
    return done


def runs(folder: Path) -> list[Path]:
    """The runs that there are, oldest first."""
    return sorted(path.parent for path in (folder / "results").glob("2*/plan.json"))


def last_record(cell: Path) -> dict[str, object]:
    record: dict[str, object] = json.loads((cell / "cell.jsonl").read_text().splitlines()[-1])
    return record


def assert_complete(run: Path) -> None:
    """Every planned cell counts, and tables, figures and report are there."""
    planned = [cell["name"] for cell in json.loads((run / "plan.json").read_text())["cells"]]
    assert sorted(path.name for path in (run / "cells").iterdir()) == sorted(planned)
    for name in planned:
        last = last_record(run / "cells" / name)
        assert (last["type"], last["complete"], last["valid"]) == ("end", True, True)
    with (run / "tables" / "cells.csv").open() as file:
        assert [row["cell"] for row in csv.DictReader(file)] == planned
    assert (run / "report.html").is_file()
    assert list((run / "figures").glob("*.svg"))


def prepare_forks() -> Prepared:
    """Image and warm snapshot, with a ledger of what is made in this process."""
    ledger.begin(CACHE)
    settings = load(PROJECT / "experiments.toml")
    with Progress(Console(stderr=True), settings.roles, 0, 0) as progress:
        return prepare(Cache(CACHE), settings, [LXC], progress)


def processes() -> list[psutil.Process]:
    """Guests of our cache, and whatever else is at work for a run in it."""
    return [psutil.Process(pid) for pid in programs.processes_of(CACHE / "guests", programs.own_mark())]


def short_folders() -> set[Path]:
    """But for those of tests themselves, which their ledgers list."""
    found = set(SHORT_PLACE.glob(f"{PREFIX}*"))
    for path in ledgers_of_tests():
        with contextlib.suppress(FileNotFoundError):  # its process has just ended
            found -= {noted.folder for noted in notes.read(path.read_bytes())[0]}
    return {path for path in found if path.exists()}


def assert_nothing_left(before: set[Path]) -> None:
    """No process, no overlay, no socket, no ledger, no lock. ``before``: short_folders() earlier."""
    assert [process.cmdline() for process in processes()] == []
    assert list((CACHE / "guests").iterdir()) == []
    assert short_folders() <= before
    assert set((CACHE / ledger.FOLDER).iterdir()) <= ledgers_of_tests()
    assert locks_of_others() == []


def end_runners(folder: Path) -> None:
    """Those that we have started with results in ``folder``."""
    for child in psutil.Process().children():
        if any(str(folder) in word for word in child.cmdline()):
            child.kill()


def pids_of_tests() -> set[int]:
    """This one, and every other pytest."""
    running = psutil.process_iter(["cmdline"])
    others = {process.pid for process in running if "pytest" in (process.info["cmdline"] or [])}
    return {os.getpid(), *others}


def ledgers_of_tests() -> set[Path]:
    return {path for pid in pids_of_tests() for path in (CACHE / ledger.FOLDER).glob(f"{pid}-*")}


def locks_of_others() -> list[str]:
    """Lines of /proc/locks (proc_locks(5)) for the cache's locks; tests hold those of the entries that they use."""
    inodes = {path.stat().st_ino for path in CACHE.glob("*.lock")}
    lines = [line for line in Path("/proc/locks").read_text().splitlines() if "FLOCK" in line and "->" not in line]
    words = [line.split() for line in lines]
    tests = pids_of_tests()
    return [
        " ".join(found) for found in words if int(found[5].rpartition(":")[2]) in inodes and int(found[4]) not in tests
    ]
