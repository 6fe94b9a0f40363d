"""The cache in the hands of somebody else: nothing of it is used, and the way out is told."""

import os
import sys
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from cache_use import forget, never, write_content
from stand_ins import running, stand_in

from configuration.load import load
from experiment.building import image
from testbed import accelerator, cache
from testbed.accelerator import Accelerator, remember, remembered
from testbed.cache import Cache, checksums, default_cache, digest_of
from testbed.errors import HostError
from testbed.ledger import programs
from testbed.process import PROJECT

NOBODY = 65534
two_users = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")
ENTRY = f"stage-{digest_of({})[:16]}"


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Each test is like a new process: it holds nothing."""
    yield
    forget()


@pytest.fixture
def public() -> Iterator[Path]:
    """A sticky folder that any user can write: /tmp in small."""
    with TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o1777)
        yield Path(name)


def as_nobody(work: Callable[[], object]) -> None:
    """Call ``work`` in a process of a user who owns nothing."""

    def become_nobody() -> None:
        forget()
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        work()

    process = get_context("fork").Process(target=become_nobody)
    process.start()
    process.join(10)
    assert process.exitcode == 0


def refused(words: str, directory: Path) -> None:
    with pytest.raises(HostError, match=words):
        Cache(directory).obtain("stage", {}, never)


@two_users
def test_a_cache_that_another_user_has_made_is_not_used(public: Path) -> None:
    """A folder of that name in /tmp is whose comes first."""
    directory = public / "paging"
    as_nobody(lambda: Cache(directory).obtain("stage", {}, write_content))
    for path in (directory, *directory.rglob("*")):
        path.chmod(0o755)
    refused(r"paging belongs to uid 65534(.|\n)*--cache DIR", directory)
    os.chown(directory, 0, 0)
    refused(rf"{ENTRY}.lock belongs to uid 65534", directory)
    (directory / f"{ENTRY}.lock").unlink()
    refused(rf"{ENTRY} belongs to uid 65534", directory)
    os.chown(directory / ENTRY, 0, 0)
    refused(rf"{ENTRY}/[a-z.]+ belongs to uid 65534", directory)
    with pytest.raises(HostError, match="belongs to uid 65534"):
        Cache(directory).find("stage", {})


@two_users
def test_what_root_has_made_is_no_others_to_write(public: Path) -> None:
    directory = public / "paging"
    Cache(directory).obtain("stage", {}, write_content)
    directory.chmod(0o755)

    def work() -> None:
        refused(r"cannot be (written|looked at)(.|\n)*--cache DIR", directory)

    as_nobody(work)


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o775])
def test_a_cache_that_others_may_write_is_not_used_until_they_may_not(tmp_path: Path, mode: int) -> None:
    Cache(tmp_path).obtain("stage", {}, write_content)
    forget()
    tmp_path.chmod(mode)
    refused(rf"may be written by others(.|\n)*chmod -R go-w {tmp_path}", tmp_path)
    tmp_path.chmod(mode & ~0o022)
    assert Cache(tmp_path).obtain("stage", {}, never)


def link(path: Path) -> None:
    kept = path.with_name(f"{path.name}-kept")
    path.rename(path.parent.parent / kept.name)
    path.symlink_to(path.parent.parent / kept.name)


def open_to_all(path: Path) -> None:
    path.chmod(0o666)


@pytest.mark.parametrize(("change", "said"), [(link, "is a link"), (open_to_all, "may be written by others")])
@pytest.mark.parametrize("name", ["content", checksums.NAME])
def test_an_entry_whose_files_are_not_ours_alone_is_not_used(
    tmp_path: Path, name: str, change: Callable[[Path], None], said: str
) -> None:
    """Its content is that of the checksums."""
    entry = Cache(tmp_path / "cache").obtain("stage", {}, write_content)
    forget()
    change(entry / name)
    refused(f"{name} {said}", tmp_path / "cache")
    assert (entry / name).exists(), "nor is it taken away"


def test_a_link_in_the_place_of_an_entry_is_neither_used_nor_removed(tmp_path: Path) -> None:
    entry = Cache(tmp_path / "cache").obtain("stage", {}, write_content)
    forget()
    link(entry)
    refused(f"{ENTRY} is a link", tmp_path / "cache")
    with pytest.raises(HostError, match="is a link"):
        Cache(tmp_path / "cache").shrink(0)
    assert (tmp_path / f"{ENTRY}-kept" / "content").exists()


def test_a_link_in_the_place_of_a_lock_is_not_followed(tmp_path: Path) -> None:
    directory = tmp_path / "cache"
    directory.mkdir()
    (directory / f"{ENTRY}.lock").symlink_to(tmp_path / "made")
    refused("lock is a link", directory)
    assert not (tmp_path / "made").exists()


def test_a_link_in_the_place_of_a_build_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("kept")
    directory = tmp_path / "cache"
    directory.mkdir()
    (directory / f"unfinished-{ENTRY}").symlink_to(precious)
    refused("is a link", directory)
    with pytest.raises(HostError, match="is a link"):
        Cache(directory).remove_leftovers()
    assert (precious / "file").exists()


def test_entries_that_share_files_are_used(tmp_path: Path) -> None:
    """Stages link the kernel of those that they are made of."""
    stages = Cache(tmp_path)
    first = stages.obtain("stage", {}, write_content)
    second = stages.obtain("disk", {}, lambda folder: os.link(first / "content", folder / "content"))
    forget()
    assert stages.obtain("stage", {}, never) == first
    assert stages.obtain("disk", {}, never) == second


def test_what_is_built_under_any_umask_is_used_again(tmp_path: Path) -> None:
    stages = Cache(tmp_path / "cache")
    before = os.umask(0o002)
    try:
        stages.obtain("stage", {}, write_content)
        with stages.own("dataset") as folder:
            (folder / "employees-0").mkdir()
            (folder / "employees-0" / "rows").write_text("x")
        remember(stages.directory, Accelerator("tcg", "tried"))
    finally:
        os.umask(before)
    forget()
    assert stages.obtain("stage", {}, never)
    with stages.own("dataset") as folder:
        assert (folder / "employees-0" / "rows").read_text() == "x"
    assert remembered(stages.directory) == Accelerator("tcg", "tried")


@pytest.mark.parametrize("ours", [True, False])
def test_what_a_killed_build_has_started_ends_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ours: bool
) -> None:
    qemu = stand_in(tmp_path, monkeypatch)
    stages = Cache(tmp_path / "cache")
    unfinished = stages.directory / f"unfinished-{ENTRY}"
    unfinished.mkdir(parents=True)
    programs.note(unfinished / cache.NOTE)
    with running(qemu if ours else sys.executable, f"file={unfinished}/root.qcow2") as process:
        assert stages.remove_leftovers() == [unfinished]
        assert (process.poll() is None) is not ours
    assert not unfinished.exists()


def test_the_rows_that_another_has_put_there_are_not_loaded(tmp_path: Path) -> None:
    folder = tmp_path / "dataset" / "employees-0a"
    folder.mkdir(parents=True)
    (folder / "load_titles.dump").write_text("x")
    (folder / "load_titles.dump").chmod(0o666)
    settings = load(PROJECT / "experiments.toml", {"dataset": {"source": "synthetic"}})
    with pytest.raises(HostError, match=r"load_titles\.dump may be written by others"):
        image.resolve(settings, Cache(tmp_path))


@two_users
def test_anothers_word_on_the_accelerator_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accelerator, "machine_key", lambda: {"host": "this"})
    remember(tmp_path, Accelerator("kvm", "said"))
    path = tmp_path / accelerator.REMEMBERED
    assert remembered(tmp_path) == Accelerator("kvm", "said")
    os.chown(path, NOBODY, NOBODY)
    assert remembered(tmp_path) is None
    assert remember(tmp_path, Accelerator("tcg", "tried")) == remembered(tmp_path)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert remembered(tmp_path) is None
    assert sorted(found.name for found in tmp_path.iterdir()) == [path.name, "elsewhere"]


def test_a_link_under_a_name_that_can_be_foreseen_is_not_written_through(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("kept")
    (tmp_path / f".accelerator-{os.getpid()}").symlink_to(precious)
    remember(tmp_path, Accelerator("tcg", "tried"))
    assert precious.read_text() == "kept"


def test_by_default_it_lies_in_our_own_checkout_or_with_our_caches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    monkeypatch.setattr(cache, "PROJECT", checkout)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    monkeypatch.delenv(cache.ENVIRONMENT, raising=False)
    users = tmp_path / "caches" / "container-paging"
    assert default_cache() == users, "the package was installed: there is no checkout"
    (checkout / "pyproject.toml").touch()
    assert default_cache() == checkout / ".cache"
    monkeypatch.setattr(os, "geteuid", lambda: checkout.stat().st_uid + 1)
    assert default_cache() == users
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache() == Path.home() / ".cache" / "container-paging"
    monkeypatch.setenv(cache.ENVIRONMENT, "/said")
    assert default_cache() == Path("/said")
