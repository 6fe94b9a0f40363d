"""A run that is killed, starved or disturbed: nothing is lost, nothing is left behind, nothing false is told.

`make survival` does the long ones as often as they are meant to be; `make test` does a few of each.
"""

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from short_run import (
    CONDITIONS,
    assert_complete,
    assert_nothing_left,
    command,
    configuration,
    end_runners,
    finish,
    last_record,
    processes,
    runs,
    short_folders,
    start,
)

from testbed.process import PROJECT

pytestmark = pytest.mark.guest

LONG = bool(os.environ.get("PAGING_SURVIVAL"))
KILLS = 30 if LONG else 1
RUN_S = 60.0  # a short run, roughly
SEED = 20140917
PLAN = ("--conditions", ",".join(CONDITIONS), "--replicates", "1")
ONE = ("--conditions", "baseline", "--replicates", "1")
long = pytest.mark.skipif(not LONG, reason="takes long: make survival")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    configuration(tmp_path)
    before = short_folders()
    yield tmp_path
    end_runners(tmp_path)  # of a test that failed
    assert_nothing_left(before)


@pytest.fixture(scope="module", autouse=LONG)
def _snapshot(tmp_path_factory: pytest.TempPathFactory) -> None:
    """So that no test builds it by the way."""
    folder = tmp_path_factory.mktemp("first")
    configuration(folder)
    assert finish(folder, *ONE).returncode == 0


@pytest.mark.parametrize("number", range(KILLS))
def test_killed_at_any_instant_it_goes_on(folder: Path, number: int) -> None:
    after = random.Random(SEED + number).uniform(1, RUN_S if LONG else RUN_S / 2)  # noqa: S311 - instants, not secrets
    plan = PLAN if LONG else ONE
    runner = start(folder, *plan)
    try:
        runner.wait(after)
    except subprocess.TimeoutExpired:
        runner.kill()
    runner.communicate()
    done = finish(folder, "--resume", "latest") if runs(folder) else finish(folder, *plan)
    assert done.returncode == 0, f"killed after {after:.1f} s"
    (run,) = runs(folder)
    assert_complete(run)
    for aside in (run / "failed").glob("*"):
        assert (aside / "cell.jsonl").exists(), "half-finished cells keep their records"


def wait_step(folder: Path, step: str, limit: float = 120) -> Path:
    """The cell under way, once it has come to that step."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        for path in (folder / "results").glob("2*/cells/*/cell.jsonl"):
            if f'"step": "{step}"' in path.read_text():
                return path.parent
        time.sleep(0.1)
    raise AssertionError(f"no step {step}")


def failed(folder: Path, condition: str, attempt: int = 1) -> Path:
    (run,) = runs(folder)
    return run / "failed" / f"01-{condition}.{attempt}"


def kinds(folder: Path) -> list[object]:
    (run,) = runs(folder)
    return [last_record(path)["kind"] for path in sorted((run / "failed").iterdir())]


@pytest.mark.parametrize("step", ["restore", "ready", "alpha-ready", "request"] if LONG else ["alpha-ready"])
def test_interrupted_once_it_ends_in_order(folder: Path, step: str) -> None:
    runner = start(folder, *ONE)
    cell = wait_step(folder, step)
    begin = time.monotonic()
    runner.send_signal(signal.SIGINT)
    said, _ = runner.communicate(timeout=60)
    assert runner.returncode == 130
    assert time.monotonic() - begin < 30
    (run,) = runs(folder)
    assert f"--resume {run.name}" in said
    assert "Traceback" not in said
    assert last_record(cell)["kind"] == "Interrupted"
    assert processes() == []
    if LONG:
        assert finish(folder, "--resume", "latest").returncode == 0
        assert_complete(run)
        assert last_record(run / "failed" / f"{cell.name}.1")["kind"] == "Interrupted"


def test_interrupted_twice_it_ends_at_once(folder: Path) -> None:
    runner = start(folder, *ONE)
    wait_step(folder, "alpha-start")
    guests = processes()
    assert guests
    for guest in guests:
        guest.suspend()  # so that the end in order takes libvirt's patience
    runner.send_signal(signal.SIGINT)
    time.sleep(1)
    begin = time.monotonic()
    runner.send_signal(signal.SIGINT)
    said, _ = runner.communicate(timeout=60)
    assert runner.returncode == 130
    assert time.monotonic() - begin < 15
    assert "ending at once" in said


def test_qemu_killed_costs_one_attempt(folder: Path) -> None:
    runner = start(folder, *ONE)
    cell = wait_step(folder, "ready")
    for guest in processes():
        guest.kill()
    runner.communicate(timeout=300)
    assert runner.returncode == 0
    (run,) = runs(folder)
    assert_complete(run)
    assert kinds(folder) == ["GuestLost"]
    evidence = run / "failed" / f"{cell.name}.1" / "evidence"
    assert "GuestLost" in (evidence / "error.txt").read_text()
    assert "run.py" in (evidence / "repeat.txt").read_text()
    assert "qemu-system" in (evidence / "paging.log").read_text()


@long
def test_two_at_once_each_with_guests_of_its_own(folder: Path) -> None:
    (folder / "other").mkdir()
    configuration(folder / "other")
    first, second = start(folder, *ONE), start(folder / "other", *ONE)
    wait_step(folder, "ready")
    wait_step(folder / "other", "ready")
    assert len(processes()) == 2
    assert finish(folder, "clean").returncode == 0
    assert len(processes()) == 2, "what lives is nobody else's to clean"
    assert [runner.wait(300) for runner in (first, second)] == [0, 0]
    for runner, place in ((first, folder), (second, folder / "other")):
        assert runner.stdout
        runner.stdout.close()
        (run,) = runs(place)
        assert_complete(run)
        assert not (run / "failed").exists()


@long
def test_one_run_is_not_gone_on_with_twice(folder: Path) -> None:
    runner = start(folder, *ONE)
    wait_step(folder, "ready")
    done = finish(folder, "--resume", "latest")
    assert done.returncode == 2
    assert "is being made by another process" in done.stderr
    runner.kill()
    runner.communicate()
    assert finish(folder, "clean", "--dry-run").stdout.startswith("would remove ")
    assert "process" in finish(folder, "clean").stdout
    assert finish(folder, "clean").stdout == "no killed run has left anything\n"


@long
def test_three_failures_of_a_kind_end_the_run(folder: Path) -> None:
    configuration(folder, limits={"request_s": 0.5})
    done = finish(folder, *PLAN)
    assert done.returncode == 5
    assert "3 failures in a row of the same kind, RequestTimeout" in done.stderr
    assert kinds(folder) == ["RequestTimeout"]  # the first attempt at the first cell; the last of each stay in cells/
    (run,) = runs(folder)
    for cell in (run / "cells").iterdir():
        assert last_record(cell)["kind"] == "RequestTimeout"
        assert "Linux version" in (cell / "evidence" / "dmesg.txt").read_text()
    configuration(folder)
    refused = finish(folder, "--resume", "latest")
    assert refused.returncode == 2
    assert "limits.request_s: 0.5 -> 240" in refused.stderr


# A results folder of 24 MB that something else fills once the first samples are there; it is copied before it goes.
FULL_DISK = """
results=$1 kept=$2
shift 2
mount -t tmpfs -o size=24m tmpfs "$results" || exit 99
(
    until ls "$results"/*/cells/*/samples.jsonl; do sleep 0.1; done
    head -c 100M /dev/zero > "$results/filler"
) > /dev/null 2>&1 &
"$@"
code=$?
cp -a "$results/." "$kept"
exit $code
"""


def test_full_disk_ends_the_run_and_records_stay(folder: Path) -> None:
    for name in ("results", "kept"):
        (folder / name).mkdir()
    namespace = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    script = ["sh", "-c", FULL_DISK, "sh", str(folder / "results"), str(folder / "kept")]
    words = [*namespace, *script, *command(folder, *ONE)]
    done = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=300)
    print(done.stdout, done.stderr)
    assert done.returncode == 3
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    (run,) = (folder / "kept").glob("2*")
    (cell,) = (run / "cells").iterdir()
    assert '"step": "restore"' in (cell / "cell.jsonl").read_text()
    assert last_record(cell)["kind"] == "DiskFull"
    assert (run / "configuration.toml").read_text()
