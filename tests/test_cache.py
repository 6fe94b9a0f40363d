"""The cache: an entry appears whole or not at all."""

import json
from pathlib import Path

import pytest

from testbed.cache import Cache, digest_files, digest_of
from testbed.errors import HostError


def test_an_entry_is_built_once(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    built: list[Path] = []

    def build(folder: Path) -> None:
        built.append(folder)
        (folder / "content").write_text("x")

    first = cache.obtain("stage", {"a": 1}, build)
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


def test_what_a_killed_build_left_is_not_taken_for_an_entry(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    (tmp_path / f"unfinished-stage-{digest_of({})[:16]}").mkdir()
    (tmp_path / f"unfinished-stage-{digest_of({})[:16]}" / "old").write_text("old")

    def build(folder: Path) -> None:
        (folder / "new").write_text("new")

    entry = cache.obtain("stage", {}, build)
    assert sorted(p.name for p in entry.iterdir()) == ["inputs.json", "new"]


def test_an_unwritable_cache_is_the_hosts_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HostError, match="cannot be written"):
        Cache(tmp_path / "file").obtain("stage", {}, lambda _: None)


def test_digests_follow_content_names_and_modes(tmp_path: Path) -> None:
    script = tmp_path / "a"
    script.write_text("1")
    before = digest_files(script)
    script.chmod(0o755)
    executable = digest_files(script)
    script.write_text("2")
    assert len({before, executable, digest_files(script)}) == 3
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
