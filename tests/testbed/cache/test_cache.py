"""The cache: an entry appears whole or not at all, is checked before it is used, and goes when there is no room."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cache_use import forget, never, only, write_content

from testbed.cache import Cache, checksums, digest_files, digest_of
from testbed.errors import HostError


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Each test is like a new process: it holds nothing."""
    yield
    forget()


def test_an_entry_is_built_once(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    built: list[Path] = []

    def build(folder: Path) -> None:
        built.append(folder)
        (folder / "content").write_text("x")

    first = cache.obtain("stage", {"a": 1}, build)
    assert cache.obtain("stage", {"a": 1}, build) == first
    forget()
    assert cache.obtain("stage", {"a": 1}, build) == first
    assert len(built) == 1
    assert (first / "content").read_text() == "x"
    assert json.loads((first / "inputs.json").read_text()) == {"a": 1}
    assert cache.obtain("stage", {"a": 2}, build) != first


def test_a_build_that_dies_leaves_its_log_and_nothing_that_looks_finished(tmp_path: Path) -> None:
    cache = Cache(tmp_path)

    def die(folder: Path) -> None:
        (folder / "half").write_text("half")
        (folder / "build.log").write_text("what happened")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.obtain("stage", {}, die)
    assert cache.find("stage", {}) is None
    assert [p.read_text() for p in tmp_path.glob("*.failed.log")] == ["what happened"]
    assert not list(tmp_path.glob("unfinished*"))
    assert cache.obtain("stage", {}, write_content).is_dir()


def test_what_a_killed_build_left_is_not_taken_for_an_entry(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    (tmp_path / f"unfinished-stage-{digest_of({})[:16]}").mkdir()
    (tmp_path / f"unfinished-stage-{digest_of({})[:16]}" / "old").write_text("old")
    assert cache.entries() == []
    entry = cache.obtain("stage", {}, write_content)
    assert sorted(p.name for p in entry.iterdir()) == ["checksums.json", "content", "inputs.json"]


def test_an_unwritable_cache_is_the_hosts_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HostError, match="file is no folder"):
        Cache(tmp_path / "file")
    with pytest.raises(HostError, match="cannot be written"):
        Cache(tmp_path / "file" / "below").obtain("stage", {}, lambda _: None)


def test_digests_follow_content_names_and_modes(tmp_path: Path) -> None:
    script = tmp_path / "a"
    script.write_text("1")
    before = digest_files(script)
    script.chmod(0o755)
    executable = digest_files(script)
    script.write_text("2")
    assert len({before, executable, digest_files(script)}) == 3
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})


@pytest.mark.parametrize("name", ["content", "inputs.json", "checksums.json"])
def test_a_damaged_entry_is_built_again_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    cache = Cache(tmp_path)
    entry = cache.obtain("stage", {"a": 1}, write_content)
    before = {p.name: p.read_bytes() for p in entry.iterdir()}
    forget()
    (entry / name).write_bytes(before[name][:-1] + b"?")
    assert cache.obtain("stage", {"a": 1}, write_content) == entry
    assert {p.name: p.read_bytes() for p in entry.iterdir()} == before
    (warning,) = caplog.messages
    assert entry.name in warning
    assert name in warning
    assert not list(tmp_path.glob("unfinished*"))


def test_an_entry_without_checksums_is_built_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = Cache(tmp_path)
    (cache.obtain("stage", {}, write_content) / checksums.NAME).unlink()
    forget()
    assert (cache.obtain("stage", {}, write_content) / checksums.NAME).exists()
    assert "has no checksums" in caplog.text


def test_an_entry_is_checked_once_a_process(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = Cache(tmp_path)
    entry = cache.obtain("stage", {}, write_content)
    forget()
    caplog.set_level("INFO")
    for _ in range(3):
        assert cache.obtain("stage", {}, never) == entry
    assert caplog.messages == [f"checking {entry.name}"]


def test_an_entry_removed_by_hand_is_built_again(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    entry = cache.obtain("stage", {}, write_content)
    (entry / "content").rename(tmp_path / "elsewhere")
    for path in entry.iterdir():
        path.unlink()
    entry.rmdir()
    assert (cache.obtain("stage", {}, write_content) / "content").exists()


def test_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path)

    def build(folder: Path) -> None:
        (folder / "content").write_bytes(b"x" * 100_000)

    for number in range(4):
        cache.obtain("stage", {"number": number}, build)
        forget()
    folders = [cache.directory / f"stage-{digest_of({'number': number})[:16]}" for number in range(4)]
    for age, number in enumerate((2, 0, 3, 1)):
        os.utime(f"{folders[number]}.lock", (1e9 - age, 1e9 - age))
    entries = cache.entries()
    assert [entry.folder for entry in entries] == [folders[number] for number in (1, 3, 0, 2)]
    assert [entry.used for entry in entries] == [1e9 - 3, 1e9 - 2, 1e9 - 1, 1e9]
    assert all(100_000 <= entry.bytes < 130_000 for entry in entries)
    cache.obtain("stage", {"number": 1}, never)
    assert abs(cache.entries()[-1].used - time.time()) < 10
    forget()
    total = sum(entry.bytes for entry in entries)
    assert cache.shrink(total) == []
    assert [entry.folder for entry in cache.shrink(total - 1)] == [folders[3]]
    assert [entry.folder for entry in cache.shrink(entries[0].bytes)] == [folders[0], folders[2]]
    assert only(cache).folder == folders[1]


def test_what_others_are_made_of_goes_after_them(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    made = []
    for number, name in enumerate(("root", "disk", "snapshot")):
        folder = cache.obtain(name, {}, write_content)
        os.utime(folder, (number, number))
        made.append(folder)
    forget()
    assert [entry.folder for entry in cache.entries()] == made[::-1]
    assert [entry.folder for entry in cache.shrink(only_bytes(cache, "root"))] == made[:0:-1]


def only_bytes(cache: Cache, name: str) -> int:
    return next(entry.bytes for entry in cache.entries() if entry.folder.name.startswith(name))


def test_holes_do_not_count(tmp_path: Path) -> None:
    cache = Cache(tmp_path)

    def build(folder: Path) -> None:
        (folder / "disk.raw").write_bytes(b"")
        os.truncate(folder / "disk.raw", 1 << 30)

    cache.obtain("stage", {}, build)
    assert only(cache).bytes < 100_000


def test_what_is_no_entry_is_left_alone(tmp_path: Path) -> None:
    for name in ("dataset", "guests", "stage-0123", "tmpx", f"unfinished-a-{'0' * 16}"):
        (tmp_path / name).mkdir()
    (tmp_path / f"file-{'0' * 16}").write_text("")
    assert Cache(tmp_path).entries() == []
    assert Cache(tmp_path).shrink(0) == []
    assert len(list(tmp_path.iterdir())) == 6


def test_a_cache_that_is_not_there_is_empty(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "none")
    assert (cache.entries(), cache.shrink(0), cache.remove_leftovers()) == ([], [], [])
    assert not cache.directory.exists()


def test_leftovers_beside_an_entry_leave_it_its_lock(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    entry = cache.obtain("stage", {}, write_content)
    left = tmp_path / f"unfinished-{entry.name}"
    left.mkdir()
    assert cache.remove_leftovers() == [], "the entry is in use"
    forget()
    assert cache.remove_leftovers() == [left]
    assert sorted(tmp_path.iterdir()) == [entry, tmp_path / f"{entry.name}.lock"]
