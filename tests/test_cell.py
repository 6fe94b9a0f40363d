"""How a cell's failure is told: its kind, its records, its evidence. The steps themselves are the guest tests'."""

import errno
import json
from pathlib import Path
from typing import Any

import pytest

from experiment import cell as cells
from experiment.cell import Task, Verdict, perform
from experiment.condition import LXC
from experiment.config import load
from experiment.plan import Cell
from experiment.snapshot import Snapshot
from testbed.errors import DiskFull, GuestPanicked, HostError
from testbed.image import Image
from workloads.service_a.request import Expected

PROJECT = Path(__file__).parent.parent


@pytest.fixture
def task(tmp_path: Path) -> Task:
    cell = Cell(1, "baseline", "lxc", "off")
    return Task(
        cell,
        load(PROJECT / "experiments.toml"),
        Snapshot(tmp_path / "snapshot", LXC, Image(tmp_path / "image")),
        "tcg",
        Expected(1, 1),
        tmp_path / "results" / "run" / "cells" / cell.name,
        tmp_path,
    )


def fail(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def steps(*_: Any) -> Verdict:
        raise error

    monkeypatch.setattr(cells, "run_steps", steps)


def end(task: Task) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((task.folder / "cell.jsonl").read_text().splitlines()[-1])
    return record


@pytest.mark.parametrize(
    "error",
    [
        GuestPanicked("the guest panicked"),
        HostError("qemu-img is gone"),
        OSError(errno.EIO, "Input/output error"),
        ZeroDivisionError("a bug"),
        KeyError(),
    ],
)
def test_whatever_fails_is_a_failed_cell(task: Task, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    fail(monkeypatch, error)
    outcome = perform(task)
    kind = type(error).__name__
    assert (outcome.complete, outcome.valid, outcome.kind) == (False, False, kind)
    assert outcome.reason
    assert end(task) == {
        "type": "end", "complete": False, "valid": False, "kind": kind, "reason": outcome.reason,
    }  # fmt: skip
    assert kind in (task.folder / "evidence" / "error.txt").read_text()
    words = (task.folder / "evidence" / "repeat.txt").read_text().split()
    run = task.folder.parent.parent
    assert words == [
        "python", "run.py", "--config", f"{run}/configuration.toml", "--conditions", "baseline", "--replicates", "1",
    ]  # fmt: skip


def test_a_check_that_fails_is_the_kind(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "run_steps", lambda *_: Verdict("check ticks", "ticks: 3 are missing"))
    outcome = perform(task)
    assert (outcome.complete, outcome.valid, outcome.kind) == (True, False, "check ticks")
    assert end(task)["reason"] == "ticks: 3 are missing"


def test_a_cell_that_counts_has_no_evidence(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "run_steps", lambda *_: Verdict())
    outcome = perform(task)
    assert (outcome.complete, outcome.valid, outcome.kind, outcome.reason) == (True, True, "", "")
    assert [path.name for path in task.folder.iterdir()] == ["cell.jsonl"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_no_cells_fault(task: Task, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    fail(monkeypatch, OSError(number, "No space left on device"))
    with pytest.raises(DiskFull, match="No space left"):
        perform(task)
    assert end(task)["kind"] == "DiskFull"


def test_what_ran_out_of_disk_may_be_wrapped(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(monkeypatch, DiskFull("the host's disk is full: swap.qcow2 cannot grow"))
    with pytest.raises(DiskFull, match="cannot grow"):
        perform(task)


def test_ctrl_c_is_recorded_and_goes_on_up(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(monkeypatch, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        perform(task)
    assert (end(task)["complete"], end(task)["kind"]) == (False, "Interrupted")
