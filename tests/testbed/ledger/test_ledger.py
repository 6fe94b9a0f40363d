"""Ledger: what is written before it is made, what a dead process's tells, and what is done about it."""

import json
import os
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stand_ins import running, stand_in

from testbed import ledger
from testbed.errors import HostError
from testbed.ledger import Ledger, leftovers, reconcile
from testbed.ledger.notes import Begun, Gone, Line, Made, Noted, entry, read
from testbed.ledger.programs import Mark
from testbed.process import PROJECT

NOBODY = 65534
# Makes a folder, starts a process that names it, says so, and waits to be killed. argv: cache, parent, program.
RUNNER = """
import subprocess, sys, time
from pathlib import Path
from testbed import ledger
ledger.begin(Path(sys.argv[1]))
folder = ledger.make(Path(sys.argv[2]), "01-baseline-")
(folder / "disk").write_bytes(bytes(100_000))
words = ["qemu", "-c", "import time; time.sleep(1000)", f"file={folder}/disk"]
child = subprocess.Popen(words, executable=sys.argv[3], start_new_session=True)
print(folder, child.pid, flush=True)
time.sleep(1000)
"""


@pytest.fixture
def qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return stand_in(tmp_path, monkeypatch)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def start(cache: Path, qemu: Path) -> tuple[subprocess.Popen[str], Path, psutil.Process]:
    words = [sys.executable, "-c", RUNNER, str(cache), str(cache / "guests"), str(qemu)]
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


def test_killed_process_is_cleared_up(cache: Path, qemu: Path) -> None:
    runner, folder, child = start(cache, qemu)
    kill(runner)
    (found,) = leftovers(cache)
    assert found.folder == folder
    assert found.bytes >= 100_000
    assert found.processes == (child.pid,)
    assert not is_over(child)
    assert folder.exists()
    assert [leftover.folder for leftover in reconcile(cache)] == [folder]
    assert is_over(child)
    assert not folder.exists()
    assert reconcile(cache) == []
    assert list((cache / ledger.FOLDER).iterdir()) == []


def test_living_process_keeps_what_it_has(cache: Path, qemu: Path) -> None:
    runner, folder, child = start(cache, qemu)
    try:
        assert leftovers(cache) == reconcile(cache) == []
        assert folder.exists()
        assert not is_over(child)
    finally:
        kill(runner)
        reconcile(cache)


def test_terminated_process_clears_up_behind_itself(cache: Path, qemu: Path) -> None:
    ending = RUNNER.rsplit("time.sleep(1000)", 1)[0] + "raise SystemExit(3)\n"
    words = [sys.executable, "-c", ending, str(cache), str(cache / "guests"), str(qemu)]
    done = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, check=False)
    folder, pid = done.stdout.split()
    assert done.returncode == 3
    assert not Path(folder).exists()
    assert not psutil.pid_exists(int(pid)) or is_over(psutil.Process(int(pid)))


def test_written_and_synced_before_it_is_made(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bytes] = []
    real = os.fsync

    def sync(descriptor: int) -> None:
        real(descriptor)
        synced.append(own.read_bytes())

    mine = Ledger(cache)
    (own,) = (cache / ledger.FOLDER).glob("*.jsonl")
    monkeypatch.setattr(os, "fsync", sync)
    seen: list[bool] = []
    make = Path.mkdir

    def announced(self: Path, mode: int) -> None:
        seen.append(str(self).encode() in synced[-1])
        make(self, mode)

    monkeypatch.setattr(Path, "mkdir", announced)
    folder = mine.make(cache, "records-")
    assert seen == [True]
    assert folder.stat().st_mode & 0o777 == 0o700
    mine.close()
    assert not folder.exists()


def test_nothing_is_made_if_it_cannot_be_written(cache: Path) -> None:
    mine = Ledger(cache)
    mine._file.close()
    with pytest.raises((HostError, ValueError)):
        mine.make(cache, "records-")
    assert sorted(path.name for path in cache.iterdir()) == ["guests", "ledger"]


def test_a_folder_that_was_renamed_or_removed_is_forgotten(cache: Path, tmp_path: Path) -> None:
    mine = Ledger(cache)
    folder = mine.make(cache, "records-")
    folder.rename(tmp_path / "kept")
    mine.gone(folder)
    mine.close()
    assert (tmp_path / "kept").exists()


def test_folder_is_removed_after_the_block(tmp_path: Path) -> None:
    with ledger.folder(tmp_path, "x-") as folder:
        (folder / "file").write_text("x")
    assert not folder.exists()


def test_damaged_ledger_is_told_and_the_rest_done(cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = planted(cache, "guests/01-baseline-0a1b2c3d")
    left_by_dead(cache, b"rubbish\n", entry(Made(folder=str(folder))), b"half a li")
    assert [leftover.folder for leftover in reconcile(cache)] == [folder]
    assert "1 damaged lines" in caplog.text


def test_of_an_earlier_version_the_folders_go_and_the_processes_stay(
    cache: Path, qemu: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = planted(cache, "guests/01-baseline-0a1b2c3d")
    text = json.dumps({"folder": str(folder)}).encode()
    left_by_dead(cache, b"%08x %s\n" % (zlib.crc32(text), text))
    with running(qemu, str(folder)) as process:
        assert [leftover.folder for leftover in reconcile(cache)] == [folder]
        assert "of an earlier version: folders are removed, processes are not looked for" in caplog.text
        assert process.poll() is None
    assert not folder.exists()


def left_by_dead(cache: Path, *lines: bytes) -> Path:
    """A ledger that nobody has locked."""
    place = cache / ledger.FOLDER
    place.mkdir(parents=True, exist_ok=True)
    path = place / "1-00000000.jsonl"
    path.write_bytes(b"".join(lines))
    return path


def planted(cache: Path, name: str) -> Path:
    folder = cache / name
    folder.mkdir(parents=True)
    (folder / "file").write_text("x")
    return folder


@pytest.mark.parametrize("link", [os.link, os.symlink])
@pytest.mark.parametrize("reading", [leftovers, reconcile])
def test_a_link_to_chosen_bytes_deletes_nothing(
    cache: Path, tmp_path: Path, link: Callable[[Path, Path], None], reading: Callable[[Path], list[object]]
) -> None:
    """Such a file is anything that holds what somebody else has said: a download, a run that was sent."""
    folder = planted(cache, "guests/01-baseline-0a1b2c3d")
    chosen = tmp_path / "downloaded"
    chosen.write_bytes(entry(Made(folder=str(folder))))
    (cache / ledger.FOLDER).mkdir()
    link(chosen, cache / ledger.FOLDER / "x.jsonl")
    with pytest.raises(HostError, match=r"ledger/x.jsonl (is a link|has 2 names)(.|\n)*rm -r "):
        reading(cache)
    assert (folder / "file").exists()


@pytest.mark.parametrize("name", ["records-0a1b2c3d", "etc-0a1b2c3d", "guests/../../home-0a1b2c3d", "guests"])
def test_only_folders_with_our_names_in_our_places_go(
    cache: Path, tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    (cache / "guests").mkdir(parents=True)
    inside = name == "records-0a1b2c3d"
    folder = (cache if inside else tmp_path) / name
    precious = planted(folder.parent, folder.name)
    left_by_dead(cache, entry(Made(folder=str(folder))))
    assert [leftover.folder for leftover in reconcile(cache)] == ([folder] if inside else [])
    assert (precious / "file").exists() != inside
    assert ("damaged lines" in caplog.text) != inside


@pytest.mark.parametrize("linked", ["guests", "guests/01-baseline-0a1b2c3d"])
def test_a_link_in_the_place_of_a_folder_is_not_followed(cache: Path, tmp_path: Path, linked: str) -> None:
    precious = tmp_path / "precious"
    planted(precious, "01-baseline-0a1b2c3d")
    (cache / linked).parent.mkdir(parents=True)
    (cache / linked).symlink_to(precious)
    left_by_dead(cache, entry(Made(folder=str(cache / "guests/01-baseline-0a1b2c3d"))))
    assert reconcile(cache) == []
    assert (precious / "01-baseline-0a1b2c3d" / "file").exists()


def test_a_link_that_comes_after_the_look_is_not_followed(cache: Path, tmp_path: Path) -> None:
    folder = planted(cache, "guests/01-baseline-0a1b2c3d")
    left_by_dead(cache, entry(Made(folder=str(folder))))
    (found,) = leftovers(cache)
    (cache / "guests").rename(tmp_path / "moved")
    precious = planted(tmp_path / "precious", folder.name)
    (cache / "guests").symlink_to(precious.parent)
    with pytest.raises(HostError, match="cannot be removed"):
        found.remove()
    (cache / "guests").unlink()
    (cache / "guests").mkdir()
    folder.symlink_to(precious)
    with pytest.raises(HostError, match="cannot be removed"):
        found.remove()
    assert (precious / "file").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")
def test_what_others_own_is_neither_read_nor_removed(cache: Path) -> None:
    folder = planted(cache, "guests/01-baseline-0a1b2c3d")
    os.chown(folder, NOBODY, NOBODY)
    path = left_by_dead(cache, entry(Made(folder=str(folder))))
    assert reconcile(cache) == []
    assert folder.exists()
    path = left_by_dead(cache, entry(Made(folder=str(folder))))
    os.chown(folder, 0, 0)
    os.chown(path, NOBODY, NOBODY)
    with pytest.raises(HostError, match="belongs to uid 65534"):
        reconcile(cache)
    os.chown(path, 0, 0)
    os.chown(path.parent, NOBODY, NOBODY)
    with pytest.raises(HostError, match="ledger belongs to uid 65534"):
        reconcile(cache)
    assert folder.exists()


def test_what_others_may_write_is_not_read(cache: Path) -> None:
    folder = planted(cache, "guests/01-baseline-0a1b2c3d")
    path = left_by_dead(cache, entry(Made(folder=str(folder))))
    path.chmod(0o620)
    with pytest.raises(HostError, match=r"may be written by others(.|\n)*chmod -R go-w "):
        reconcile(cache)
    path.chmod(0o600)
    cache.chmod(0o777)
    with pytest.raises(HostError, match=r"cache may be written by others"):
        reconcile(cache)
    assert folder.exists()


def test_a_fifo_does_not_make_us_wait(cache: Path) -> None:
    (cache / ledger.FOLDER).mkdir(parents=True)
    os.mkfifo(cache / ledger.FOLDER / "1-00000000.jsonl")
    with pytest.raises(HostError, match="is no regular file"):
        reconcile(cache)


def test_a_ledger_without_an_end_is_not_read(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "SIZE_LIMIT", 99)
    left_by_dead(cache, bytes(100))
    with pytest.raises(HostError, match="too large for a ledger"):
        reconcile(cache)


def test_what_clearing_up_would_not_believe_is_not_made(cache: Path, tmp_path: Path) -> None:
    mine = Ledger(cache)
    for parent, prefix in (
        (tmp_path, "paging-"),
        (cache, "shell-"),
        (cache / "guests", "any-"),
        (cache, "../records-"),
    ):
        with pytest.raises(ValueError, match="none of the ledger's names"):
            mine.make(parent, prefix)
    (cache / "dataset").mkdir()
    names = {
        cache: ("records-", "bench-", "dask-"),
        cache / "guests": ("01-baseline-", "shell-"),
        cache / "dataset": (".download-", f".employees-{'0a' * 20}-"),
        Path("/tmp"): ("paging-",),
    }
    made = [mine.make(parent, prefix) for parent, prefixes in names.items() for prefix in prefixes]
    made += [mine.make(made[1], "fork-"), mine.make(made[1], "01-baseline-")]
    assert all(folder.is_dir() for folder in made)
    mine.close()
    assert not any(folder.exists() for folder in made)


PATHS = st.one_of(
    st.text(min_size=1, max_size=30),
    st.sampled_from(["outside-0a1b2c3d", "cache/../outside-0a1b2c3d", "cache/guests/../../outside-0a1b2c3d"]),
    st.sampled_from(
        ["cache/guests/01-a-0a1b2c3d", "cache/link/01-a-0a1b2c3d", "cache", "cache/ledger", "cache/guests"]
    ),
    st.from_regex(r"(cache|outside)/[a-z.]{1,8}/[a-z0-9.]{1,5}-[0-9a-f]{8}", fullmatch=True),
)
MARK = Mark(boot="b", since=1, programs=["/usr/bin/qemu-img"])
SINCE = st.one_of(st.none(), st.integers(0, 1 << 40))


@pytest.mark.whole
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.binary(max_size=80), st.tuples(PATHS, SINCE)), max_size=6))
def test_whatever_a_ledger_says_nothing_outside_goes(
    tmp_path: Path, said: list[bytes | tuple[str, int | None]]
) -> None:
    cache = tmp_path / "cache"
    shutil.rmtree(cache, ignore_errors=True)
    for name in ("outside-0a1b2c3d", "outside/any/01-a-0a1b2c3d"):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
    ours = planted(cache, "guests/01-a-0a1b2c3d")
    stage = planted(cache, "disk-0123456789abcdef")
    (cache / "link").symlink_to(tmp_path / "outside" / "any")
    lines = [
        line if isinstance(line, bytes) else entry(Made(folder=f"{tmp_path}/{line[0]}", since=line[1])) for line in said
    ]
    left_by_dead(cache, *lines)
    removed = reconcile(cache)
    assert {leftover.folder for leftover in removed} <= {ours}
    assert ours.exists() != bool(removed)
    assert sorted(path.name for path in cache.iterdir()) == [stage.name, "guests", "ledger", "link"]
    assert (tmp_path / "outside-0a1b2c3d").is_dir()
    assert (tmp_path / "outside" / "any" / "01-a-0a1b2c3d").is_dir()


NAMES = st.text(st.characters(exclude_characters="\0/"), min_size=1, max_size=20)
FOLDERS = NAMES.map(lambda name: f"/tmp/{name}-0a1b2c3d")
MADE = st.builds(Made, folder=FOLDERS, since=SINCE)
LINES = st.lists(st.one_of(MADE, st.builds(Gone, gone=FOLDERS), st.just(Begun(mark=MARK))), max_size=8)


def expected(lines: Sequence[Line]) -> list[Noted]:
    left: dict[str, Noted] = {}
    mark: Mark | None = None
    for line in lines:
        if isinstance(line, Begun):
            mark = line.mark
        if isinstance(line, Made):
            known = (
                Mark(boot="b", since=line.since, programs=MARK.programs) if mark and line.since is not None else None
            )
            left[line.folder] = Noted(Path(line.folder), known)
        if isinstance(line, Gone):
            left.pop(line.gone, None)
    return list(left.values())


@settings(max_examples=2000, deadline=None)
@given(LINES)
def test_what_was_written_is_read(lines: list[Line]) -> None:
    assert read(b"".join(entry(line) for line in lines)) == (expected(lines), 0)


@settings(max_examples=2000, deadline=None)
@given(LINES, st.data())
def test_cut_anywhere_it_tells_what_was_whole(lines: list[Line], data: st.DataObject) -> None:
    written = [entry(line) for line in lines]
    cut = data.draw(st.integers(0, sum(map(len, written))))
    whole, at = 0, 0
    for line in written:
        at += len(line)
        whole += at <= cut
    assert read(b"".join(written)[:cut]) == (expected(lines[:whole]), 0)


@settings(max_examples=2000, deadline=None)
@given(LINES.filter(bool), st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4))
def test_damaged_bytes_name_nothing_new(lines: list[Line], damage: list[tuple[int, int]]) -> None:
    data = bytearray(b"".join(entry(line) for line in lines))
    for place, value in damage:
        data[place % len(data)] = value
    found, _ = read(bytes(data))
    assert {noted.folder for noted in found} <= {Path(line.folder) for line in lines if isinstance(line, Made)}


@settings(max_examples=2000, deadline=None)
@given(st.binary(max_size=400))
def test_nonsense_names_nothing(data: bytes) -> None:
    folders, damaged = read(data)
    assert folders == []
    assert damaged == data.count(b"\n")
