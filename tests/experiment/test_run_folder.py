"""A run's folder: what counts as done, what is set aside, what resuming reads back."""

import errno
import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from configuration.load import SHIPPED, Configuration, load
from configuration.plan import Plan, make_plan
from experiment.manifest import accept, of_hosts, suite_used
from experiment.open_run import settings_of
from experiment.places.this_host import InThisThread
from experiment.run_folder import Store
from experiment.scheduling.runner import owners
from measure.journal import Head, Journal
from testbed.errors import UsageError
from testbed.process import PROJECT

CONFIGURATION = PROJECT / "experiments.toml"


@pytest.fixture
def configuration() -> Configuration:
    return load(CONFIGURATION)


@pytest.fixture
def plan(configuration: Configuration) -> Plan:
    return make_plan(configuration)


@pytest.fixture
def store(tmp_path: Path, configuration: Configuration, plan: Plan) -> Store:
    return Store.create(tmp_path, configuration, plan)


def test_a_run_reads_back_as_it_was_written(
    tmp_path: Path, store: Store, configuration: Configuration, plan: Plan
) -> None:
    for name in (store.run, "latest", str(store.folder)):
        found = Store.open(tmp_path, name)
        assert found.configuration() == configuration
        assert found.plan() == plan
    assert (tmp_path / "latest").readlink() == Path(store.run)


def test_a_run_of_another_version_is_read_and_says_so_in_two_lines(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    path = store.folder / "configuration.toml"
    path.write_text(re.sub(r"^(answers = .*)$", r"\1\nbring_in = false", path.read_text(), flags=re.MULTILINE))
    assert settings_of(store) == load(SHIPPED)
    first, second = [record.getMessage() for record in caplog.records]
    assert "bring_in: there is no such key" in first
    assert re.search(r" \(and \d+ more\)$", first)
    assert "\n" not in first
    assert second.startswith(f"run {store.run} is of another version")


def test_a_suite_and_its_overrides_read_back(tmp_path: Path) -> None:
    chosen = load(CONFIGURATION, {"run": {"suite": "prefetcher", "replicates": 2}})
    again = Store.create(tmp_path, chosen, make_plan(chosen)).configuration()
    assert again == chosen
    assert make_plan(again) == make_plan(chosen)
    manifest = suite_used(again)
    assert (manifest["names"], manifest["replicates"]) == (["prefetcher"], 2)
    assert manifest["conditions"] == list(chosen.conditions)


def test_only_a_complete_and_valid_last_record_is_done(store: Store, plan: Plan) -> None:
    cell = plan.cells[0]
    store.cell_folder(cell).mkdir()
    path = store.cell_folder(cell) / "cell.jsonl"
    end = {"type": "end", "complete": True, "valid": True, "reason": ""}
    for line, done in (
        ("", False),
        (json.dumps({"type": "cell"}), False),
        (json.dumps({**end, "valid": False}), False),
        (json.dumps({**end, "complete": False}), False),
        (json.dumps(end)[:-5], False),
        (json.dumps([1]), False),
        (json.dumps(end), False),
        (json.dumps(end) + "\n", True),
    ):
        path.write_text(line)
        assert store.is_done(cell) is done, line


def test_an_attempt_is_set_aside_never_overwritten(store: Store, plan: Plan) -> None:
    cell = plan.cells[0]
    for attempt in (1, 2):
        store.cell_folder(cell).mkdir()
        (store.cell_folder(cell) / "note").write_text(str(attempt))
        store.set_aside(cell)
        assert not store.cell_folder(cell).exists()
    kept = sorted((store.folder / "failed").iterdir())
    assert [(p / "note").read_text() for p in kept] == ["1", "2"]
    store.set_aside(cell)
    assert len(list((store.folder / "failed").iterdir())) == 2


def test_the_journal_is_appended(tmp_path: Path) -> None:
    for number in (1, 2):
        with Journal(tmp_path / "cell.jsonl") as journal:
            journal.step("restore", guest=float(number))
    lines = [json.loads(line) for line in (tmp_path / "cell.jsonl").read_text().splitlines()]
    assert [line["guest"] for line in lines] == [1, 2]
    assert all(line["type"] == "step" and line["host"] > 0 for line in lines)


def test_a_run_made_with_other_programs_is_not_gone_on_with(store: Store) -> None:
    accept(store, {"digests": {"image": "a", "sampler": "1"}})
    accept(store, {"digests": {"image": "a", "sampler": "1"}})
    with pytest.raises(UsageError, match="sampler: 1 -> 2"):
        accept(store, {"digests": {"image": "a", "sampler": "2"}})


def made_on(accelerator: str = "kvm", dataset: str = "real", kernel: str = "6.12") -> dict[str, Any]:
    empty = dict.fromkeys(("host", "accelerator_reason", "git", "guests"))
    labels = {"accelerator": accelerator, "dataset": {"identity": dataset}, "guest": {"kernel": kernel}}
    return {**empty, **labels, "digests": {"image": "a"}}


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (made_on(accelerator="tcg"), "accelerator: kvm -> tcg"),
        (made_on(dataset="synthetic"), "dataset: real -> synthetic"),
        (made_on(kernel="6.13"), "guest kernel: 6.12 -> 6.13"),
    ],
)
def test_what_stands_on_every_figure_is_one_thing_on_all_hosts(store: Store, other: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=f"hosts a and b differ:\n    {said}"):
        of_hosts({"b": other, "a": made_on()})
    accept(store, of_hosts({"a": made_on()}))
    with pytest.raises(UsageError, match=said):
        accept(store, of_hosts({"b": other}))
    accept(store, of_hosts({"b": made_on()}))
    assert set(store.manifest()["hosts"]) == {"a", "b"}


def test_a_done_cell_says_where_it_ran(store: Store, plan: Plan) -> None:
    done, begun = plan.cells[:2]
    for cell in (done, begun):
        store.cell_folder(cell).mkdir()
        with Journal(store.cell_folder(cell) / "cell.jsonl") as journal:
            head = Head(cell.name, **asdict(cell), pressure=True, disk_iops=0, accelerator="tcg", ran_on="x")
            journal.write(head)
    with (store.cell_folder(done) / "cell.jsonl").open("a") as file:
        file.write('{"type": "end", "complete": true, "valid": true}\n')
    assert owners(store, plan) == {done.replicate: "x"}
    assert store.host_of(begun) == ""


def test_the_default_executor_lets_ctrl_c_through_and_keeps_errors() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    def broken() -> None:
        raise ValueError("a bug")

    with InThisThread() as executor:
        assert executor.submit(lambda: 3).result() == 3
        with pytest.raises(KeyboardInterrupt):
            executor.submit(interrupted)
        with pytest.raises(ValueError, match="a bug"):
            executor.submit(broken).result()


def test_where_links_are_not_permitted_a_run_is_made_all_the_same(
    tmp_path: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "symlink_to", refused)
    made = Store.create(tmp_path / "elsewhere", load(CONFIGURATION), plan)
    assert Store.open(tmp_path / "elsewhere", made.run) == made
    assert f"name it, {made.run}" in caplog.text
