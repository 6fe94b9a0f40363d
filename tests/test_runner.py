"""The runner's bounds: failures in a row, room on the disk, a configuration that has changed."""

from pathlib import Path

import pytest

from experiment.cell import Outcome
from experiment.commands import refuse_changes
from experiment.config import load
from experiment.difference import differences
from experiment.plan import Cell, make_plan
from experiment.runner import Streak
from experiment.store import Store
from testbed import host
from testbed.errors import DiskFull, RunStopped, UsageError

PROJECT = Path(__file__).parent.parent
SHIPPED = load(PROJECT / "experiments.toml")


def outcome(kind: str) -> Outcome:
    cell = Cell(1, "baseline", "lxc", "off")
    return Outcome(cell, complete=not kind, valid=not kind, reason=f"why\nmore of {kind}", seconds=1, kind=kind)


def test_three_of_a_kind_in_a_row_stop_the_run() -> None:
    streak = Streak(3)
    for kind in ("A", "A", "", "A", "A", "B", "A", "A"):
        streak.add(outcome(kind))
    with pytest.raises(RunStopped, match="3 failures in a row of the same kind, A: why") as stopped:
        streak.add(outcome("A"))
    assert "evidence/ of 01-baseline" in str(stopped.value)
    assert stopped.value.exit_code == 5


def test_cells_that_count_never_stop_it() -> None:
    streak = Streak(1)
    for _ in range(5):
        streak.add(outcome(""))


def test_no_room_is_said_before_it_is_needed(tmp_path: Path) -> None:
    host.require_room(tmp_path, 1)
    with pytest.raises(DiskFull, match="MB free, 1000000000000 needed"):
        host.require_room(tmp_path, 1e12)


def test_what_differs_is_named() -> None:
    other = SHIPPED.model_copy(
        update={
            "alpha": SHIPPED.alpha.model_copy(update={"size_mib": 700}),
            "run": SHIPPED.run.model_copy(update={"seed": 1}),
            "testbed": SHIPPED.testbed.model_copy(update={"accelerator": "tcg"}),
            "roles": {**SHIPPED.roles, "ruby": "query.cgi"},
        }
    )
    assert differences(SHIPPED, SHIPPED) == []
    assert differences(SHIPPED, other) == [
        "alpha.size_mib: 819 -> 700",
        "roles.ruby: (not there) -> 'query.cgi'",
    ]


def test_a_changed_configuration_is_refused(tmp_path: Path) -> None:
    store = Store.create(tmp_path, SHIPPED, make_plan(SHIPPED))
    refuse_changes(store, store.configuration(), SHIPPED)
    other = SHIPPED.model_copy(update={"alpha": SHIPPED.alpha.model_copy(update={"size_mib": 700})})
    with pytest.raises(UsageError, match=r"alpha\.size_mib: 819 -> 700") as refused:
        refuse_changes(store, store.configuration(), other)
    assert f"--config {store.folder}/configuration.toml" in str(refused.value)


def test_the_runs_own_configuration_cannot_be_changed_unseen(tmp_path: Path) -> None:
    store = Store.create(tmp_path, SHIPPED, make_plan(SHIPPED))
    path = store.folder / "configuration.toml"
    path.write_text(path.read_text().replace("size_mib = 819", "size_mib = 700"))
    with pytest.raises(UsageError, match="was changed since the run began"):
        store.configuration()


def test_two_runs_in_one_second_are_two_runs(tmp_path: Path) -> None:
    stores = [Store.create(tmp_path, SHIPPED, make_plan(SHIPPED)) for _ in range(3)]
    assert len({store.folder for store in stores}) == 3
    assert (tmp_path / "latest").resolve() == stores[-1].folder


def test_a_run_is_made_by_one_process_at_a_time(tmp_path: Path) -> None:
    store = Store.create(tmp_path, SHIPPED, make_plan(SHIPPED))
    with store.locked(), pytest.raises(UsageError, match="by another process"), store.locked():
        pass
    with store.locked():
        pass
