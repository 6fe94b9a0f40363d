"""The runner's bounds: failures in a row, room on the disk, a configuration that has changed."""

import io
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from configuration.difference import differences
from configuration.load import load
from configuration.plan import Cell, make_plan
from experiment.cell import Ended
from experiment.commands.reproduce import refuse_changes
from experiment.progress import Progress, Watched
from experiment.run_folder import Store
from experiment.scheduling import runner as runner_module
from experiment.scheduling.runner import Runner, Streak, require_rooms
from measure.journal import End, Journal
from testbed import host
from testbed.errors import DiskFull, RunStopped, UsageError
from testbed.process import PROJECT

SHIPPED = load(PROJECT / "experiments.toml")


def outcome(kind: str) -> Ended:
    cell = Cell(1, "baseline", "lxc", "off")
    return Ended(cell, complete=not kind, valid=not kind, reason=f"why\nmore of {kind}", seconds=1, kind=kind)


def test_three_of_a_kind_in_a_row_stop_the_run() -> None:
    streak = Streak(3)
    for kind in ("A", "A", "", "A", "A", "B", "A", "A"):
        streak.add(outcome(kind), streak.incident)
    with pytest.raises(RunStopped, match="3 failures in a row of the same kind, A: why") as stopped:
        streak.add(outcome("A"), streak.incident)
    assert "evidence/ of 01-baseline" in str(stopped.value)
    assert stopped.value.exit_code == 5


def test_a_busy_host_is_not_to_be_mended_but_left_alone() -> None:
    with pytest.raises(RunStopped) as stopped:
        Streak(1).add(outcome("check host"), 0)
    assert "let the host do nothing else meanwhile, then go on with --resume" in str(stopped.value)


def test_cells_that_count_never_stop_it() -> None:
    streak = Streak(1)
    for _ in range(5):
        streak.add(outcome(""), streak.incident)


def test_cells_that_fail_together_are_one_failure() -> None:
    """A worker of many guests dies: that stops nothing. One that always does is stopped."""
    streak = Streak(3)
    for _ in range(8):
        streak.add(outcome("WorkerLost"), 0)
    begun = [streak.incident] * 2  # two at a time, each begun when another one failed
    streak.add(outcome("WorkerLost"), begun[0])
    begun[0] = streak.incident
    streak.add(outcome("WorkerLost"), begun[1])  # began with the one before it
    with pytest.raises(RunStopped, match="3 failures in a row"):
        streak.add(outcome("WorkerLost"), begun[0])


def test_no_room_is_said_before_it_is_needed(tmp_path: Path) -> None:
    host.require_room({tmp_path: 1})
    with pytest.raises(DiskFull, match="MB free, 1000000000000 needed"):
        host.require_room({tmp_path: 1e12})


def free(monkeypatch: pytest.MonkeyPatch, mb: int) -> None:
    """So much on every disk."""
    monkeypatch.setattr("testbed.host.shutil.disk_usage", lambda _folder: SimpleNamespace(free=mb * 1_000_000))


def test_folders_of_one_disk_share_its_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other"
    other.mkdir()
    free(monkeypatch, 100)
    host.require_room({tmp_path: 40, other: 60})
    with pytest.raises(DiskFull, match="other: 100 MB free, 101 needed"):
        host.require_room({tmp_path: 40, other: 60.5})


def test_a_cell_begins_only_where_its_guest_may_write_to_its_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For each of two: 20 MB of records; 500 of the root disk and 500 more until that is seen; swap; the console."""
    store = Store.create(tmp_path / "results", SHIPPED, make_plan(SHIPPED))
    whole = 2 * (20 + SHIPPED.estimate.cell_mb + 500 + 500 + 1.0486 * SHIPPED.guest.swap_mib + 16.8)
    free(monkeypatch, int(whole))
    with pytest.raises(DiskFull) as refused:
        require_rooms(store, tmp_path, SHIPPED, 2)
    assert refused.value.hint == "free some (python run.py clean --images), then start again, a run with --resume"
    require_rooms(store, None, SHIPPED, 2)
    free(monkeypatch, int(whole + 30))
    require_rooms(store, tmp_path, SHIPPED, 2)


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
    assert f"--resume {store.run} --like {store.run}" in str(refused.value)


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


class MadeUp:
    """A pool whose cells end as ``ends`` says, by attempt; "" counts. Each host has room for ``guests``."""

    def __init__(self, ends: Callable[[Cell, int], str], guests: int = 1, hosts: tuple[str, ...] = ("x",)) -> None:
        self.ends = ends
        self.guests = guests
        self.hosts = list(hosts)
        self.ran: list[tuple[str, str]] = []
        self.most = 0
        self.cancelled = 0
        self._waiting: list[tuple[Future[Ended], Ended]] = []

    def room(self) -> Mapping[str, int]:
        for future, ended in self._waiting:  # those under way end while others are looked for
            future.set_result(ended)
        self._waiting.clear()
        return dict.fromkeys(self.hosts, self.guests)

    def submit(self, host: str, cell: Cell, folder: Path, watched: Watched) -> Future[Ended]:
        self.ran.append((host, cell.name))
        kind = self.ends(cell, sum(name == cell.name for _, name in self.ran))
        folder.mkdir(parents=True)
        with Journal(folder / "cell.jsonl") as journal:
            journal.write(End(not kind, not kind, kind, kind))
        future: Future[Ended] = Future()
        self._waiting.append((future, Ended(cell, not kind, not kind, kind, 1.0, kind)))
        self.most = max(self.most, len(self._waiting))
        return future

    def cancel(self) -> None:
        self.cancelled += 1
        for future, ended in self._waiting:
            future.set_result(ended)
        self._waiting.clear()


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module, "POLL_S", 0.01)


def runner(tmp_path: Path, pool: MadeUp, conditions: tuple[str, ...] = ("baseline", "siblings")) -> Runner:
    settings = SHIPPED.model_copy(
        update={"run": SHIPPED.run.model_copy(update={"conditions": conditions, "replicates": 2})}
    )
    store = Store.create(tmp_path / "results", settings, make_plan(settings))
    progress = Progress(Console(file=io.StringIO()), {}, len(store.plan().cells), 1.0)
    return Runner(store, tmp_path, settings, pool, progress)


def names(runner: Runner) -> list[str]:
    return [cell.name for cell in runner.store.plan().cells]


def test_every_cell_is_run_in_the_plans_order(tmp_path: Path) -> None:
    pool = MadeUp(lambda _cell, _attempt: "")
    run = runner(tmp_path, pool)
    assert run.run() == 0
    assert [name for _, name in pool.ran] == names(run)
    assert pool.most == 1


def test_what_is_done_is_not_run_again(tmp_path: Path) -> None:
    run = runner(tmp_path, MadeUp(lambda _cell, _attempt: ""))
    run.run()
    again = MadeUp(lambda _cell, _attempt: "")
    assert Runner(run.store, tmp_path, run.configuration, again, run.progress).run() == 0
    assert again.ran == []


def test_a_failed_cell_is_tried_again_at_once_and_does_not_end_the_run(tmp_path: Path) -> None:
    pool = MadeUp(lambda cell, attempt: "Lost" if cell.replicate == 1 and attempt == 1 else "")
    run = runner(tmp_path, pool)
    assert run.run() == 0
    first, second, *_ = names(run)
    assert [name for _, name in pool.ran][:4] == [first, first, second, second]
    assert sorted(path.name for path in (run.store.folder / "failed").iterdir()) == sorted(
        [f"{first}.1", f"{second}.1"]
    )


def test_one_that_fails_again_is_given_up(tmp_path: Path) -> None:
    kinds = iter("ABCDEFGH")
    pool = MadeUp(lambda cell, _attempt: next(kinds) if cell.condition == "siblings" else "")
    run = runner(tmp_path, pool)
    assert run.run() == 2
    assert len(pool.ran) == 2 + 2 * SHIPPED.retry.cell_attempts


def test_what_the_guest_lacks_is_run_once(tmp_path: Path) -> None:
    pool = MadeUp(lambda cell, _attempt: "Unsupported" if cell.condition == "siblings" else "")
    assert runner(tmp_path, pool).run() == 0
    assert len(pool.ran) == 4


def test_the_same_failure_again_and_again_ends_the_run_and_what_is_under_way(tmp_path: Path) -> None:
    pool = MadeUp(lambda _cell, _attempt: "Lost", guests=2)
    with pytest.raises(RunStopped, match="3 failures in a row"):
        runner(tmp_path, pool).run()
    assert len(pool.ran) < 2 * 4


def test_a_host_runs_as_many_as_it_has_room_for(tmp_path: Path) -> None:
    pool = MadeUp(lambda _cell, _attempt: "", guests=3)
    assert runner(tmp_path, pool).run() == 0
    assert pool.most == 3
    assert len(set(pool.ran)) == 4


def test_a_block_stays_on_one_host(tmp_path: Path) -> None:
    pool = MadeUp(lambda _cell, _attempt: "", hosts=("x", "y"))
    assert runner(tmp_path, pool).run() == 0
    hosts = {(name[:2], host) for host, name in pool.ran}
    assert sorted(block for block, _ in hosts) == ["01", "02"]
    assert {host for _, host in hosts} == {"x", "y"}


def test_cells_of_a_host_that_is_lost_run_elsewhere(tmp_path: Path) -> None:
    pool = MadeUp(lambda _cell, _attempt: "", hosts=("x", "y"))
    ends = pool.ends

    def lose(cell: Cell, attempt: int) -> str:
        if len(pool.ran) == 2:
            pool.hosts.remove("x")
            return "WorkerLost" if pool.ran[-1][0] == "x" else ends(cell, attempt)
        return ends(cell, attempt)

    pool.ends = lose
    run = runner(tmp_path, pool)
    assert run.run() == 0
    assert {host for host, _ in pool.ran[2:]} == {"y"}
    assert {name for _, name in pool.ran} == set(names(run))


def test_an_interruption_ends_what_is_under_way_first(tmp_path: Path) -> None:
    def interrupted(_cell: Cell, attempt: int) -> str:
        if len(pool.ran) == 2:
            raise KeyboardInterrupt
        return ""

    pool = MadeUp(interrupted, guests=2)
    with pytest.raises(KeyboardInterrupt):
        runner(tmp_path, pool).run()
    assert pool.cancelled == 1
