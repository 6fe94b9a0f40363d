"""Ledger: what is written before it is made, what a dead process's tells, and what is done about it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testbed import ledger
from testbed.errors import HostError
from testbed.ledger import Ledger, entry, leftovers, read, reconcile

PROJECT = Path(__file__).parent.parent
# Makes a folder, starts a process that names it, says so, and waits to be killed.
RUNNER = """
import subprocess, sys, time
from pathlib import Path
from testbed import ledger
ledger.begin(Path(sys.argv[1]))
folder = ledger.make(Path(sys.argv[2]), "guest-")
(folder / "disk").write_bytes(bytes(100_000))
words = [sys.executable, "-c", "import time; time.sleep(1000)", str(folder)]
child = subprocess.Popen(words, start_new_session=True)
print(folder, child.pid, flush=True)
time.sleep(1000)
"""


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def start(cache: Path, place: Path) -> tuple[subprocess.Popen[str], Path, psutil.Process]:
    words = [sys.executable, "-c", RUNNER, str(cache), str(place)]
    runner = subprocess.Popen(words, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    assert runner.stdout
    folder, pid = runner.stdout.readline().split()
    runner.stdout.close()
    return runner, Path(folder), psutil.Process(int(pid))


def kill(runner: subprocess.Popen[str]) -> None:
    runner.kill()
    runner.wait()


def is_over(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_killed_process_is_cleared_up(cache: Path, tmp_path: Path) -> None:
    runner, folder, child = start(cache, tmp_path)
    kill(runner)
    (found,) = leftovers(cache)
    assert found.folder == folder
    assert found.bytes >= 100_000
    assert [process.pid for process in found.processes] == [child.pid]
    assert not is_over(child)
    assert folder.exists()
    assert [leftover.folder for leftover in reconcile(cache)] == [folder]
    assert is_over(child)
    assert not folder.exists()
    assert reconcile(cache) == []
    assert list((cache / ledger.FOLDER).iterdir()) == []


def test_living_process_keeps_what_it_has(cache: Path, tmp_path: Path) -> None:
    runner, folder, child = start(cache, tmp_path)
    try:
        assert leftovers(cache) == reconcile(cache) == []
        assert folder.exists()
        assert not is_over(child)
    finally:
        kill(runner)
        reconcile(cache)


def test_terminated_process_clears_up_behind_itself(cache: Path, tmp_path: Path) -> None:
    ending = RUNNER.rsplit("time.sleep(1000)", 1)[0] + "raise SystemExit(3)\n"
    words = [sys.executable, "-c", ending, str(cache), str(tmp_path)]
    done = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, check=False)
    folder, pid = done.stdout.split()
    assert done.returncode == 3
    assert not Path(folder).exists()
    assert not psutil.pid_exists(int(pid)) or is_over(psutil.Process(int(pid)))


def test_written_and_synced_before_it_is_made(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bytes] = []
    real = os.fsync

    def sync(descriptor: int) -> None:
        real(descriptor)
        synced.append(own.read_bytes())

    monkeypatch.setattr(os, "fsync", sync)
    mine = Ledger(cache)
    (own,) = (cache / ledger.FOLDER).glob("*.jsonl")
    seen: list[bool] = []
    make = Path.mkdir

    def announced(self: Path, mode: int) -> None:
        seen.append(str(self).encode() in synced[-1])
        make(self, mode)

    monkeypatch.setattr(Path, "mkdir", announced)
    folder = mine.make(tmp_path, "x-")
    assert seen == [True]
    assert folder.stat().st_mode & 0o777 == 0o700
    mine.close()
    assert not folder.exists()


def test_nothing_is_made_if_it_cannot_be_written(cache: Path, tmp_path: Path) -> None:
    mine = Ledger(cache)
    mine._file.close()
    with pytest.raises((HostError, ValueError)):
        mine.make(tmp_path, "x-")
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


def test_link_in_the_place_of_a_folder_is_not_followed(cache: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("kept")
    link = tmp_path / "guest-0123abcd"
    link.symlink_to(precious)
    place = cache / ledger.FOLDER
    place.mkdir(parents=True)
    (place / "1-00000000.jsonl").write_bytes(entry("folder", link))
    assert reconcile(cache) == []
    assert (precious / "file").read_text() == "kept"


def test_a_folder_that_was_renamed_or_removed_is_forgotten(cache: Path, tmp_path: Path) -> None:
    mine = Ledger(cache)
    folder = mine.make(tmp_path, "x-")
    folder.rename(tmp_path / "kept")
    mine.gone(folder)
    mine.close()
    assert (tmp_path / "kept").exists()


def test_folder_is_removed_after_the_block(tmp_path: Path) -> None:
    with ledger.folder(tmp_path, "x-") as folder:
        (folder / "file").write_text("x")
    assert not folder.exists()


NAMES = st.text(st.characters(exclude_characters="\0/"), min_size=1, max_size=20)
PATHS = NAMES.map(lambda name: Path(f"/tmp/{name}-0a1b2c3d"))
LINES = st.lists(st.tuples(st.sampled_from(["folder", "gone"]), PATHS), max_size=8)


def expected(lines: list[tuple[str, Path]]) -> list[Path]:
    left: dict[Path, None] = {}
    for kind, path in lines:
        if kind == "folder":
            left[path] = None
        else:
            left.pop(path, None)
    return list(left)


@settings(max_examples=2000, deadline=None)
@given(LINES)
def test_what_was_written_is_read(lines: list[tuple[str, Path]]) -> None:
    assert read(b"".join(entry(*line) for line in lines)) == (expected(lines), 0)


@settings(max_examples=2000, deadline=None)
@given(LINES, st.data())
def test_cut_anywhere_it_tells_what_was_whole(lines: list[tuple[str, Path]], data: st.DataObject) -> None:
    written = [entry(*line) for line in lines]
    cut = data.draw(st.integers(0, sum(map(len, written))))
    whole, at = 0, 0
    for line in written:
        at += len(line)
        whole += at <= cut
    assert read(b"".join(written)[:cut]) == (expected(lines[:whole]), 0)


@settings(max_examples=2000, deadline=None)
@given(LINES.filter(bool), st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4))
def test_damaged_bytes_name_nothing_new(lines: list[tuple[str, Path]], damage: list[tuple[int, int]]) -> None:
    data = bytearray(b"".join(entry(*line) for line in lines))
    for place, value in damage:
        data[place % len(data)] = value
    folders, _ = read(bytes(data))
    assert set(folders) <= {path for _, path in lines}


@settings(max_examples=2000, deadline=None)
@given(st.binary(max_size=400))
def test_nonsense_names_nothing(data: bytes) -> None:
    folders, damaged = read(data)
    assert folders == []
    assert damaged == data.count(b"\n")


def test_damaged_ledger_is_told_and_the_rest_done(
    cache: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "x-0a1b2c3d"
    folder.mkdir()
    place = cache / ledger.FOLDER
    place.mkdir(parents=True)
    (place / "1-00000000.jsonl").write_bytes(b"rubbish\n" + entry("folder", folder) + b"half a li")
    assert [leftover.folder for leftover in reconcile(cache)] == [folder]
    assert "1 damaged lines" in caplog.text


def test_process_that_does_not_heed_sigterm_is_killed(cache: Path, tmp_path: Path) -> None:
    words = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(1000)"
    child = subprocess.Popen([sys.executable, "-c", words, str(tmp_path)], stdout=subprocess.PIPE)
    assert child.stdout
    child.stdout.readline()
    begin = time.monotonic()
    ledger.end(tuple(ledger.processes_of(tmp_path)))
    assert not psutil.pid_exists(child.pid)
    assert time.monotonic() - begin < ledger.TERMINATE_S + 2
    child.stdout.close()
