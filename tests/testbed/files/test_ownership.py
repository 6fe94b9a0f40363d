"""What is ours alone: folders, files, and where they lie."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.errors import HostError
from testbed.files import ownership
from testbed.files.ownership import (
    close_to_others,
    fault,
    open_file,
    own_folder,
    parent_fault,
    require_place,
    require_tree,
)

NOBODY = 65534
ME = 1000
two_users = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")


def status(mode: int, user: int = ME) -> os.stat_result:
    return os.stat_result((mode, 0, 0, 1, user, 0, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("mode", "user", "said"),
    [
        (stat.S_IFDIR | 0o700, ME, None),
        (stat.S_IFDIR | 0o755, 0, None),
        (stat.S_IFDIR | 0o755, 1001, "belongs to uid 1001"),
        (stat.S_IFDIR | 0o775, ME, "may be written by others"),
        (stat.S_IFDIR | 0o702, ME, "may be written by others"),
        (stat.S_IFDIR | 0o1777, 0, "may be written by others"),
        (stat.S_IFLNK | 0o777, ME, "is a link"),
        (stat.S_IFREG | 0o600, ME, "is no folder"),
    ],
)
def test_a_folder_is_ours_and_nobody_elses_to_write(mode: int, user: int, said: str | None) -> None:
    assert fault(status(mode, user), ME, stat.S_ISDIR) == said


@pytest.mark.parametrize("kind", [stat.S_IFDIR, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFBLK])
def test_special_files_are_no_files(kind: int) -> None:
    assert fault(status(kind | 0o600), ME, stat.S_ISREG) == "is no regular file"


@pytest.mark.parametrize(
    ("mode", "user", "said"),
    [
        (0o755, 0, None),
        (0o755, ME, None),
        (0o1777, 0, None),
        (0o777, 0, "may be written by others"),
        (0o775, ME, "may be written by others"),
        (0o1777, 1001, "belongs to uid 1001"),
        (0o755, 1001, "belongs to uid 1001"),
    ],
)
def test_who_may_rename_a_folder_may_replace_it(mode: int, user: int, said: str | None) -> None:
    assert parent_fault(status(stat.S_IFDIR | mode, user), frozenset({0, ME})) == said


@pytest.mark.parametrize(("mode", "refused"), [(0o1777, False), (0o777, True), (0o775, True), (0o755, False)])
def test_a_parent_that_others_may_write_is_refused_unless_it_is_sticky(
    tmp_path: Path, mode: int, refused: bool
) -> None:
    parent = tmp_path / "parent"
    parent.mkdir()
    parent.chmod(mode)
    for path in (parent / "cache", parent / "not" / "there"):
        if refused:
            with pytest.raises(HostError, match=rf"chmod go-w {parent}, or (.*)--cache DIR"):
                require_place(path)
        else:
            assert require_place(path) == path
            own_folder(path)
    parent.chmod(0o755)
    assert own_folder(parent / "cache").is_dir(), "the way out works"


@two_users
def test_a_link_of_another_user_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "ours")
    assert require_place(link / "cache") == tmp_path / "ours" / "cache"
    os.lchown(link, NOBODY, NOBODY)
    with pytest.raises(HostError, match="link is a link of uid 65534"):
        require_place(link / "cache")


def test_what_is_made_is_nobody_elses_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        made = own_folder(tmp_path / "a" / "b")
        os.close(open_file(made / "file", os.O_WRONLY | os.O_CREAT))
        (made / "open").mkdir()
        (made / "open" / "file").write_text("x")
    finally:
        os.umask(before)
    assert [path.stat().st_mode & 0o777 for path in (made, made.parent, made / "file")] == [0o700, 0o700, 0o600]
    with pytest.raises(HostError, match="may be written by others"):
        require_tree(made)
    close_to_others(made)
    require_tree(made)


def plant_link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def plant_dangling(path: Path) -> None:
    path.symlink_to(path.parent / "none")


def plant_foreign(path: Path) -> None:
    path.write_text("x")
    os.chown(path, NOBODY, NOBODY)


def plant_writable(path: Path) -> None:
    path.write_text("x")
    path.chmod(0o666)


PLANTED: list[tuple[Callable[[Path], None], str]] = [
    (plant_link, "is a link"),
    (plant_dangling, "is a link"),
    (os.mkfifo, "is no regular file"),
    (plant_writable, "may be written by others"),
    pytest.param(plant_foreign, "belongs to uid 65534", marks=two_users),  # type: ignore[list-item]
]


@pytest.mark.parametrize(("plant", "said"), PLANTED)
@pytest.mark.parametrize("where", [".", "below"])
def test_nothing_else_lies_in_a_tree(tmp_path: Path, where: str, plant: Callable[[Path], None], said: str) -> None:
    place = tmp_path / where
    place.mkdir(exist_ok=True)
    (place / "first").write_text("x")
    os.link(place / "first", place / "second")  # as stages share their kernels
    require_tree(tmp_path)
    plant(place / "planted")
    with pytest.raises(HostError, match=f"planted {said}"):
        require_tree(tmp_path)


@pytest.mark.parametrize(("plant", "said"), PLANTED)
@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_RDWR | os.O_CREAT])
def test_nothing_else_is_opened(tmp_path: Path, flags: int, plant: Callable[[Path], None], said: str) -> None:
    plant(tmp_path / "planted")
    with pytest.raises(HostError, match=f"planted {said}"):
        open_file(tmp_path / "planted", flags)
    assert not (tmp_path / "none").exists()


def test_the_way_out_can_be_pasted(tmp_path: Path) -> None:
    place = tmp_path / "a b"
    place.mkdir(mode=0o777)
    place.chmod(0o777)
    with pytest.raises(HostError, match=f"chmod -R go-w '{place}'; else give another one: python run.py --cache DIR"):
        require_place(place)


def test_without_a_namespace_there_is_nobody_unknown() -> None:
    every = Path("/proc/self/uid_map").read_text().split() == ["0", "0", "4294967295"]
    assert bool(ownership.unmapped()) != every
