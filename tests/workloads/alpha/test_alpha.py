"""Program alpha, built and run on this machine with a few MiB."""

import json
import os
import resource
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from testbed.process import PROJECT, run

FOLDER = PROJECT / "workloads" / "alpha"
PROGRAM = FOLDER / "build" / "alpha"


@pytest.fixture(scope="module", autouse=True)
def _built() -> None:
    run(["make", "-C", FOLDER, "all"])


@contextmanager
def alpha(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([PROGRAM, *arguments], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def event(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout
    result: dict[str, Any] = json.loads(process.stdout.readline())
    return result


def status_kb(pid: int, key: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1])
    raise AssertionError(f"no {key} in /proc/{pid}/status")


def failed(*arguments: str) -> tuple[int, str]:
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=10, check=False)
    assert done.stdout == ""
    return done.returncode, done.stderr


def test_its_own_unit_tests_pass() -> None:
    run(["make", "-C", FOLDER, "check"])


def test_every_page_is_resident_when_it_says_ready() -> None:
    with alpha("--mb", "24") as process:
        start, ready = event(process), event(process)
        assert (start["event"], ready["event"]) == ("start", "ready")
        assert start["pid"] == process.pid
        assert ready["pages"] == 24 * 256
        assert (ready["mb"], ready["stride"], ready["bytes"]) == (24, 4096, 4)
        assert ready["t"] - start["t"] == pytest.approx(ready["write_s"], abs=1e-6)
        assert ready["t"] <= time.monotonic()
        assert 24 * 1024 <= status_kb(process.pid, "RssAnon") < 25 * 1024
        assert status_kb(process.pid, "VmLck") == 0


def test_a_wider_stride_leaves_pages_out() -> None:
    with alpha("--mb", "24", "--stride", "16384") as process:
        event(process)
        assert event(process)["pages"] == 24 * 64
        # Huge pages would make the rest resident, too.
        assert 6 * 1024 <= status_kb(process.pid, "RssAnon") < 7 * 1024


COUNTS = [(1024, 4, 256), (4095, 4095, 256), (6144, 4096, 256), (12288, 4, 86), (12288, 4097, 170)]


@pytest.mark.parametrize(("stride", "length", "pages"), COUNTS)
def test_a_page_is_counted_once_however_often_it_is_written(stride: int, length: int, pages: int) -> None:
    with alpha("--mb", "1", "--stride", str(stride), "--bytes", str(length)) as process:
        event(process)
        assert event(process)["pages"] == pages


def test_sigterm_ends_it_while_it_holds() -> None:
    with alpha("--mb", "1") as process:
        event(process), event(process)
        assert process.poll() is None
        process.terminate()
        assert process.wait(5) == 0


def test_sigterm_ends_it_while_it_writes() -> None:
    # Every byte of 1 GiB takes a second, so it is writing when the signal comes.
    with alpha("--mb", "1024", "--stride", "1", "--bytes", "1") as process:
        assert event(process)["event"] == "start"
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
        assert process.stdout
        assert process.stdout.read() == ""


def test_events_go_to_a_file(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with alpha("--mb", "1", "--events", str(path)) as process:
        deadline = time.monotonic() + 5
        while not (path.exists() and path.read_text().count("\n") == 2):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.terminate()
        assert process.wait(5) == 0
    assert [json.loads(line)["event"] for line in path.read_text().splitlines()] == ["start", "ready"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--mb", "-1"], "--mb must be a whole number from 1 to 1048576"),
        (["--mb", "0"], "--mb must be a whole number from 1 to 1048576"),
        (["--mb", "lots"], "--mb must be a whole number from 1 to 1048576"),
        (["--mb", "1.5"], "--mb must be a whole number from 1 to 1048576"),
        (["--stride", "0"], "--stride must be a whole number from 1 to 858783744"),
        (["--stride", "2", "--bytes", "4"], "--bytes must be a whole number from 1 to 2"),
        (["--bytes", "0"], "--bytes must be a whole number from 1 to 4096"),
        (["--bytes"], "--bytes needs a value"),
        (["--size", "4"], "unknown argument"),
    ],
)
def test_a_bad_argument_is_named_with_its_range(arguments: list[str], named: str) -> None:
    code, said = failed(*arguments)
    assert code == 2
    assert said.startswith(f"alpha: {named}")
    assert said.count("\n") == 1


def test_failed_allocation_says_why() -> None:
    limit = 64 * 1024 * 1024
    done = subprocess.run(
        [PROGRAM, "--mb", "256"],
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    assert done.returncode == 3
    assert done.stderr == f"alpha: cannot allocate 256 MiB: {os.strerror(12)}\n"


def test_events_that_cannot_be_written_end_it() -> None:
    code, said = failed("--mb", "1", "--events", "/nowhere/events")
    assert (code, said) == (4, "alpha: /nowhere/events: No such file or directory\n")
    code, said = failed("--mb", "1", "--events", "/dev/full")
    assert (code, said) == (4, "alpha: /dev/full: No space left on device\n")


def test_help_teaches() -> None:
    said = run([PROGRAM, "--help"])
    assert all(word in said for word in ("--mb", "--stride", "--bytes", "--events", "SIGTERM", "Exit codes"))
