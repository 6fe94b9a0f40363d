"""The cache in the hands of several processes of a user."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from cache_use import forget, never, only, write_content

from testbed.cache import Cache, lock
from testbed.process import PROJECT

# Another process that obtains an entry, and says so, step by step; a line on its input lets it go on.
OTHER = """
import sys
from pathlib import Path
from testbed.cache import Cache

def step(text):
    print(text, flush=True)
    assert sys.stdin.readline()

def build(folder):
    with (cache.directory / "built").open("a") as sink:
        sink.write("x")
    step("builds")
    (folder / "content").write_text("x")

cache = Cache(Path(sys.argv[1]))
cache.obtain("stage", {}, build)
step("uses")
"""


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Each test is like a new process: it holds nothing."""
    yield
    forget()


@contextmanager
def other(directory: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", OTHER, directory],
        cwd=PROJECT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(process: subprocess.Popen[str], step: str) -> None:
    assert process.stdout
    assert process.stdout.readline() == f"{step}\n"


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    process.stdin.write("go\n")
    process.stdin.flush()


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_two_processes_build_an_entry_once(tmp_path: Path) -> None:
    with other(tmp_path) as first:
        wait_for(first, "builds")
        with other(tmp_path) as second:
            assert second.stderr
            assert "waiting for another process that builds stage-" in second.stderr.readline()
            go(first)
            wait_for(first, "uses")
            wait_for(second, "uses")
    assert (tmp_path / "built").read_text() == "x"


def test_of_two_who_want_to_build_one_does(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Both have seen that it is not there before either has the lock to build it."""
    cache, built = Cache(tmp_path), []

    def build(folder: Path) -> None:
        built.append(folder)

    entry = cache._entry("stage", {})
    with ThreadPoolExecutor() as pool:
        with lock.share(tmp_path / f"{entry.name}.lock", "never"):
            both = [pool.submit(cache._hold, entry, {}, build) for _ in range(2)]
            wait_until(lambda: caplog.text.count("waiting for another process that builds") == 2)
        handles = [future.result(10) for future in both]
    assert not lock.is_free(tmp_path / f"{entry.name}.lock")
    for handle in handles:
        handle.close()
    assert len(built) == 1


def test_who_waits_builds_what_the_first_does_not(tmp_path: Path) -> None:
    with other(tmp_path) as first:
        wait_for(first, "builds")
        with ThreadPoolExecutor() as pool:
            entry = pool.submit(Cache(tmp_path).obtain, "stage", {}, write_content)
            first.kill()
            assert (entry.result(10) / "content").read_text() == "x"


def test_a_damaged_entry_is_not_taken_from_who_uses_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = Cache(tmp_path)
    with ThreadPoolExecutor() as pool, other(tmp_path) as user:
        wait_for(user, "builds")
        go(user)
        wait_for(user, "uses")
        damaged = only(cache).folder / "content"
        damaged.write_text("y")
        entry = pool.submit(cache.obtain, "stage", {}, write_content)
        wait_until(lambda: "damaged: waiting for the end of a process that uses it" in caplog.text)
        assert damaged.read_text() == "y"
        go(user)
        assert (entry.result(10) / "content").read_text() == "x"


def test_what_is_in_use_is_not_removed(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    with other(tmp_path) as user:
        wait_for(user, "builds")
        assert cache.entries() == []
        go(user)
        wait_for(user, "uses")
        entry = only(cache)
        assert entry.in_use
        assert cache.shrink(0) == []
        assert not cache.remove(entry)
        assert cache.obtain("stage", {}, never) == entry.folder, "side by side"
        go(user)
        user.wait()
    assert not cache.remove(entry), "in use by this process"
    forget()
    assert not only(cache).in_use
    assert cache.remove(entry)
    assert [p.name for p in tmp_path.iterdir()] == ["built"]


def test_leftovers_are_what_nobody_builds(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    (tmp_path / f"unfinished-old-{'0' * 16}").mkdir()
    with other(tmp_path) as builder:
        wait_for(builder, "builds")
        assert cache.leftovers() == [tmp_path / f"unfinished-old-{'0' * 16}"]
        builder.send_signal(signal.SIGKILL)
        builder.wait()
    left = cache.leftovers()
    assert [p.name.split("-")[1] for p in left] == ["old", "stage"]
    assert cache.remove_leftovers() == left
    assert cache.leftovers() == []
    assert [p.name for p in tmp_path.iterdir()] == ["built"]


def test_removing_and_obtaining_at_once(tmp_path: Path) -> None:
    """Removal takes the lock file away under those who wait for it."""
    cache = Cache(tmp_path)
    entry = cache._entry("stage", {})
    removed, deadline = 0, time.monotonic() + 10

    def remove() -> None:
        nonlocal removed
        while removed < 10:
            assert time.monotonic() < deadline
            removed += sum(cache.remove(found) for found in cache.entries())

    def use() -> None:
        while removed < 10:
            assert time.monotonic() < deadline
            with cache._hold(entry, {}, write_content):
                assert (entry / "content").read_text() == "x"
            time.sleep(0.005)

    with ThreadPoolExecutor() as pool:
        for future in [pool.submit(remove), pool.submit(use), pool.submit(use)]:
            future.result()
    assert lock.is_free(tmp_path / f"{entry.name}.lock")
