"""A cell in a process of its own: its words, its errors and its end come back, and it ends with its parent."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from configuration.condition import LXC
from configuration.load import load
from configuration.plan import Cell
from experiment.building.snapshot import Snapshot
from experiment.cell import Task
from experiment.places import own_process
from testbed.errors import WorkerLost
from testbed.images.image import Image
from testbed.process import PROJECT
from workloads.request import Expected

# In place of experiment.places.own_process: a process that does what the test is about, with the same words on pipes.
PROGRAM = """
import sys, time
from functools import partial
from experiment.places import own_process
from experiment.cell import Ended

def perform(task, on_step, on_tick):
    on_step("begun")
    {body}

own_process.perform_here = perform
sys.exit(own_process.main())
"""


@pytest.fixture
def task(tmp_path: Path) -> Task:
    (tmp_path / "cache" / "guests").mkdir(parents=True)
    return Task(
        cell=Cell(1, "baseline", "lxc", "off"),
        settings=load(PROJECT / "experiments.toml").for_condition("baseline"),
        snapshot=Snapshot(tmp_path / "snapshot", LXC, Image(tmp_path / "image")),
        accelerator="tcg",
        expected=Expected(1, 1),
        folder=tmp_path / "cells" / "01-baseline",
        scratch=tmp_path / "cache" / "guests",
    )


def program(monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    monkeypatch.setattr(own_process, "PROGRAM", [sys.executable, "-c", PROGRAM.format(body=body)])


def nothing(_: object) -> None:
    pass


def test_a_cell_that_cannot_run_is_a_failed_cell_with_its_records(task: Task) -> None:
    """The real program, whose snapshot is not there."""
    steps: list[str] = []
    outcome = own_process.run_cell(task, steps.append, nothing, lambda: True)
    assert (outcome.complete, outcome.valid, outcome.cell) == (False, False, task.cell)
    assert outcome.kind
    assert steps == ["restore"]
    assert '"type": "end"' in (task.folder / "cell.jsonl").read_text().splitlines()[-1]
    assert list((task.scratch.parent / "ledger").iterdir()) == []


def test_errors_that_end_a_run_are_raised_here(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    from testbed.errors import DiskFull

    program(monkeypatch, "from testbed.errors import DiskFull; raise DiskFull('no room', 'make some')")
    with pytest.raises(DiskFull, match="no room") as raised:
        own_process.run_cell(task, nothing, nothing, lambda: True)
    assert raised.value.hint == "make some"


def test_a_process_that_dies_is_told(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    program(monkeypatch, "import os; os.kill(os.getpid(), 9)")
    with pytest.raises(WorkerLost, match="exit code -9"):
        own_process.run_cell(task, nothing, nothing, lambda: True)


def test_what_it_prints_does_not_get_into_its_answers(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    program(monkeypatch, "print('x' * 100000, flush=True); return Ended(task.cell, True, True, '', 1.0)")
    assert own_process.run_cell(task, nothing, nothing, lambda: True).valid


def test_one_that_is_not_wanted_any_more_ends_in_order(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    note = task.scratch / "ended"
    program(
        monkeypatch,
        f"""try:
        on_step("under way")
        time.sleep(60)
    finally:
        open({str(note)!r}, "w").close()""",
    )
    wanted = threading.Event()
    wanted.set()
    begun: list[str] = []

    def step(name: str) -> None:
        begun.append(name)
        if name == "under way":
            wanted.clear()

    start = time.monotonic()
    with pytest.raises(WorkerLost, match="exit code 130"):
        own_process.run_cell(task, step, nothing, wanted.is_set)
    assert begun == ["begun", "under way"]
    assert note.exists()
    assert time.monotonic() - start < 30


def test_it_ends_in_order_when_its_parent_is_killed(task: Task, tmp_path: Path) -> None:
    note = tmp_path / "ended"
    body = f"""try:
        open({str(note) + ".pid"!r}, "w").write(str(__import__("os").getpid()))
        time.sleep(60)
    finally:
        open({str(note)!r}, "w").close()"""
    parent = tmp_path / "parent.py"
    parent.write_text(
        "import pickle, sys\n"
        f"sys.path.insert(0, {str(PROJECT)!r})\n"
        "from experiment.places import own_process\n"
        f"own_process.PROGRAM = [sys.executable, '-c', {PROGRAM.format(body=body)!r}]\n"
        f"task = pickle.loads({__import__('pickle').dumps(task)!r})\n"
        "own_process.run_cell(task, lambda _: None, lambda _: None, lambda: True)\n"
    )
    process = subprocess.Popen([sys.executable, str(parent)], cwd=PROJECT)
    deadline = time.monotonic() + 30
    while not (pid := note.with_name("ended.pid")).exists() or not pid.read_text():
        assert time.monotonic() < deadline, "it did not begin"
        time.sleep(0.05)
    child = psutil.Process(int(pid.read_text()))
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    child.wait(timeout=30)
    assert note.exists()
