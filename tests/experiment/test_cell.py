"""How a cell's failure is told: its kind, its records, its evidence. The steps themselves are the guest tests'."""

import errno
import gzip
import json
import os
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from configuration.condition import LXC
from configuration.load import load
from configuration.plan import Cell
from experiment import cell as cells
from experiment import failure
from experiment.building.snapshot import Snapshot
from experiment.cell import REHEARSAL, TRACE, Checked, StepSeen, Task, perform, read_trace
from measure.journal import Journal
from testbed.errors import DiskFull, GuestPanicked, HostError, UsageError
from testbed.images.image import Image
from testbed.process import PROJECT
from workloads.request import Expected


@pytest.fixture
def task(tmp_path: Path) -> Task:
    cell = Cell(1, "baseline", "lxc", "off")
    return Task(
        cell=cell,
        settings=load(PROJECT / "experiments.toml").for_condition("baseline"),
        snapshot=Snapshot(tmp_path / "snapshot", LXC, Image(tmp_path / "image")),
        accelerator="tcg",
        expected=Expected(1, 1),
        folder=tmp_path / "results" / "run" / "cells" / cell.name,
        scratch=tmp_path,
    )


def fail(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def steps(*_: Any) -> Checked:
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
    run = task.folder.parent.parent.name
    assert words == ["python", "run.py", "--like", run, "--conditions", "baseline", "--replicates", "1"]


def test_of_a_log_without_end_the_tail_alone_is_read(tmp_path: Path) -> None:
    log = tmp_path / "paging.log"
    with log.open("wb") as file:
        file.truncate(2**30)  # a hole
        file.seek(0, os.SEEK_END)
        file.write(b"last words\n")
    tracemalloc.start()
    failure.keep_tail(tmp_path, log)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * failure.LOG_BYTES
    kept = (tmp_path / "evidence" / "paging.log").read_bytes()
    assert len(kept) == failure.LOG_BYTES
    assert kept.endswith(b"\0last words\n")
    log.write_text("short\n")
    failure.keep_tail(tmp_path, log)
    assert (tmp_path / "evidence" / "paging.log").read_text() == "short\n"


def test_a_check_that_fails_is_the_kind(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "run_steps", lambda *_: Checked("check ticks", "ticks: 3 are missing"))
    outcome = perform(task)
    assert (outcome.complete, outcome.valid, outcome.kind) == (True, False, "check ticks")
    assert end(task)["reason"] == "ticks: 3 are missing"


def test_a_cell_that_counts_has_no_evidence(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "run_steps", lambda *_: Checked())
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


def of_oracle(task: Task) -> Task:
    settings = load(PROJECT / "experiments.toml").for_condition("oracle")
    return replace(task, cell=Cell(1, "oracle", "lxc", "oracle"), settings=settings)


def test_policy_oracle_is_told_what_a_rehearsal_of_the_cell_needed(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    performed: list[tuple[str, bool, Path]] = []

    def steps(given: Task, journal: Journal, on_step: StepSeen, *_: Any) -> Checked:
        performed.append((given.condition.policy, given.rehearses, given.folder))
        if given.rehearses:
            (given.folder / TRACE).write_bytes(b"pages")
        else:
            assert read_trace(given.folder) == b"pages"
        journal.step("ready")
        on_step("ready")
        return Checked()

    monkeypatch.setattr(cells, "run_steps", steps)
    oracle, seen = of_oracle(task), list[str]()
    assert perform(oracle, on_step=seen.append).valid
    assert performed == [("off", True, oracle.folder / "rehearsal"), ("oracle", False, oracle.folder)]
    assert seen == ["rehearsal: ready", "ready"]
    assert oracle.condition.policy == "oracle", "the rehearsal's is a copy"


def test_without_a_rehearsal_that_counts_the_cell_does_not(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "run_steps", lambda *_: Checked("check ticks", "ticks: 3 are missing"))
    outcome = perform(of_oracle(task))
    assert (outcome.valid, outcome.kind, outcome.reason) == (False, "check ticks", "rehearsal: ticks: 3 are missing")


def test_a_trace_is_read_from_a_packed_run_too(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has left no trace"):
        read_trace(tmp_path)
    (tmp_path / REHEARSAL).mkdir()
    (tmp_path / REHEARSAL / f"{TRACE}.gz").write_bytes(gzip.compress(b"pages"))
    assert read_trace(tmp_path) == b"pages"
