"""A cell's records on their way from another host: whole or not at all, and nowhere else."""

import io
import tarfile
from pathlib import Path

import pytest

from experiment.places import archive
from testbed.errors import CellError


@pytest.fixture
def records(tmp_path: Path) -> Path:
    folder = tmp_path / "there" / "01-baseline"
    (folder / "evidence").mkdir(parents=True)
    (folder / "cell.jsonl").write_text('{"type": "cell"}\n')
    (folder / "evidence" / "error.txt").write_bytes(b"\x00\xff" * 1000)
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_comes_back_is_what_was_there(records: Path, tmp_path: Path) -> None:
    target = tmp_path / "here" / "01-baseline"
    target.parent.mkdir()
    archive.unpack_folder(archive.pack_folder(records), target)
    assert files(target) == files(records)
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_what_a_killed_process_had_begun_to_unpack_is_in_nobodys_way(records: Path, tmp_path: Path) -> None:
    target = tmp_path / "here" / "01-baseline"
    begun = target.parent / ".01-baseline.tmp"
    begun.mkdir(parents=True)
    (begun / "cut").write_text("x")
    archive.unpack_folder(archive.pack_folder(records), target)
    assert files(target) == files(records)
    assert not begun.exists()


def test_links_stay_behind(records: Path, tmp_path: Path) -> None:
    (records / "link").symlink_to("/etc/passwd")
    archive.unpack_folder(archive.pack_folder(records), tmp_path / "here")
    assert not (tmp_path / "here" / "link").exists()
    assert (tmp_path / "here" / "cell.jsonl").exists()


@pytest.mark.parametrize("keep", [0, 10, 100, -40])
def test_a_cut_archive_leaves_nothing(records: Path, tmp_path: Path, keep: int) -> None:
    target = tmp_path / "here" / "01-baseline"
    target.parent.mkdir()
    with pytest.raises(CellError, match="came back damaged"):
        archive.unpack_folder(archive.pack_folder(records)[:keep], target)
    assert list(target.parent.iterdir()) == []


def holding(member: tarfile.TarInfo, content: bytes = b"x") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:xz") as made:
        member.size = len(content) if member.isfile() else 0
        made.addfile(member, io.BytesIO(content))
    return packed.getvalue()


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "a/../../outside"])
def test_nothing_is_written_outside(tmp_path: Path, name: str) -> None:
    target = tmp_path / "run" / "cells" / "01-baseline"
    target.parent.mkdir(parents=True)
    with pytest.raises(CellError, match="which is no file of a cell"):
        archive.unpack_folder(holding(tarfile.TarInfo(name)), target)
    assert list(target.parent.iterdir()) == []
    assert not list(tmp_path.glob("**/outside"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_nothing_but_files_and_folders_is_unpacked(tmp_path: Path, kind: bytes) -> None:
    member = tarfile.TarInfo("cell.jsonl")
    member.type = kind
    member.linkname = "/etc/passwd"
    with pytest.raises(CellError, match=r"'cell\.jsonl', which is no file of a cell"):
        archive.unpack_folder(holding(member), tmp_path / "here")
    assert not (tmp_path / "here").exists()


def test_a_bomb_is_refused(records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_BYTES", 1000)
    with pytest.raises(CellError, match="larger than 1000 bytes"):
        archive.unpack_folder(archive.pack_folder(records), tmp_path / "here")
    assert not (tmp_path / "here").exists()
