"""Locks on files that may be removed."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from testbed.cache import lock


def test_the_lock_of_a_removed_file_is_no_lock(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.lock"
    first = lock.attempt(path)
    assert first is not None
    with ThreadPoolExecutor() as pool:
        second = pool.submit(lock.share, path, "waiting for the first")
        while "waiting for the first" not in caplog.text:
            time.sleep(0.01)
        path.unlink()
        with lock.share(path, "never") as third, first:
            assert not os.path.samestat(os.fstat(first.fileno()), os.fstat(third.fileno()))
        with second.result(10) as handle:
            assert os.path.samestat(os.fstat(handle.fileno()), path.stat())
            assert lock.attempt(path) is None
    assert lock.is_free(path)
    assert "never" not in caplog.text


def test_the_shared_keep_out_who_wants_it_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    assert lock.is_free(path)
    assert not path.exists()
    with lock.share(path, ""), lock.share(path, ""):
        assert not lock.is_free(path)
    alone = lock.attempt(path)
    assert alone is not None
    with alone:
        assert lock.attempt(path) is None
    assert lock.is_free(path)


def test_a_lock_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError):
        lock.share(tmp_path / "file" / "a.lock", "")
    assert lock.attempt(tmp_path / "file" / "a.lock") is None
