"""Checksums of a folder: every damage is seen, and how the file system stores zeroes is not."""

import os
import random
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testbed.cache import checksums
from testbed.cache.checksums import BLOCK, damage, digest_file, identity, write

SIZE = 4 * BLOCK + 777
# Where a file has data, and which: at the edges of blocks and anywhere.
PIECES = st.lists(
    st.tuples(
        st.one_of(st.sampled_from([0, BLOCK - 1, BLOCK, 3 * BLOCK - 2, SIZE - 9]), st.integers(0, SIZE - 9)),
        st.binary(min_size=1, max_size=9),
    ),
    max_size=4,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With checksums over files of several kinds."""
    (tmp_path / "below").mkdir()
    (tmp_path / "disk.raw").write_bytes(chance(1).randbytes(2 * BLOCK + 5))
    (tmp_path / "below" / ".hidden").write_text("hidden")
    (tmp_path / "inputs.json").write_text('{"a": 1}')
    (tmp_path / "build.log").write_text("")
    write(tmp_path)
    assert damage(tmp_path) is None
    return tmp_path


def chance(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - the same damage each time, no secret


def write_pieces(path: Path, pieces: list[tuple[int, bytes]], *, holes: bool) -> None:
    with path.open("wb") as sink:
        if holes:
            sink.truncate(SIZE)
        else:
            sink.write(bytes(SIZE))
        for offset, content in pieces:
            sink.seek(offset)
            sink.write(content)


@settings(max_examples=25, deadline=None)
@given(PIECES)
def test_holes_and_zeroes_are_the_same(pieces: list[tuple[int, bytes]]) -> None:
    with TemporaryDirectory() as name:
        sparse, full = Path(name, "sparse"), Path(name, "full")
        write_pieces(sparse, pieces, holes=True)
        write_pieces(full, pieces, holes=False)
        assert sparse.read_bytes() == full.read_bytes()
        assert digest_file(sparse) == digest_file(full)


@settings(max_examples=25, deadline=None)
@given(PIECES, PIECES)
def test_other_content_has_another_digest(one: list[tuple[int, bytes]], other: list[tuple[int, bytes]]) -> None:
    with TemporaryDirectory() as name:
        a, b = Path(name, "a"), Path(name, "b")
        write_pieces(a, one, holes=True)
        write_pieces(b, other, holes=True)
        assert (digest_file(a) == digest_file(b)) == (a.read_bytes() == b.read_bytes())


def test_the_same_block_elsewhere_is_other_content(tmp_path: Path) -> None:
    for number in range(3):
        write_pieces(tmp_path / str(number), [(number * BLOCK, b"x")], holes=True)
    assert len({digest_file(tmp_path / str(number)) for number in range(3)}) == 3


def test_a_changed_byte_is_seen_wherever_it_is(folder: Path) -> None:
    some = chance(2)
    for name in ("disk.raw", "below/.hidden", "inputs.json"):
        content = (folder / name).read_bytes()
        for offset in {0, len(content) - 1, *(some.randrange(len(content)) for _ in range(8))}:
            change_byte(folder / name, offset, some)
            assert damage(folder) == f"{name} has other content than it had"
            (folder / name).write_bytes(content)
    assert damage(folder) is None


def test_a_changed_byte_of_the_checksums_themselves_is_seen(folder: Path) -> None:
    some = chance(3)
    path = folder / checksums.NAME
    content = path.read_bytes()
    for offset in range(len(content)):
        change_byte(path, offset, some)
        assert damage(folder) == "checksums.json is not as it was written"
        with pytest.raises(ValueError, match="not as it was written"):
            identity(folder)
        path.write_bytes(content)
    for length in (0, 1, len(content) - 1):
        path.write_bytes(content[:length])
        assert damage(folder) == "checksums.json is not as it was written"


def change_byte(path: Path, offset: int, some: random.Random) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        (before,) = file.read(1)
        file.seek(offset)
        file.write(bytes([before ^ some.randrange(1, 256)]))


@pytest.mark.parametrize(
    ("harm", "seen"),
    [
        (lambda folder: os.truncate(folder / "disk.raw", 5), "disk.raw has 5 bytes instead of 2097157"),
        (lambda folder: os.truncate(folder / "disk.raw", 3 * BLOCK), "disk.raw has 3145728 bytes instead of 2097157"),
        (lambda folder: (folder / "build.log").unlink(), "build.log is missing"),
        (lambda folder: (folder / "below" / "new").write_text(""), "below/new does not belong there"),
        (lambda folder: (folder / "below" / "checksums.json").write_text(""), "below/checksums.json does not belong"),
        (lambda folder: (folder / "below" / "gone").symlink_to("nowhere"), "below/gone does not belong there"),
        (lambda folder: os.mkfifo(folder / "pipe"), "pipe does not belong there"),
        (lambda folder: (folder / checksums.NAME).unlink(), "it has no checksums"),
        (lambda folder: (folder / checksums.NAME).write_text("[]"), "checksums.json is not as it was written"),
    ],
)
def test_the_first_damage_is_named(folder: Path, harm: Callable[[Path], object], seen: str) -> None:
    harm(folder)
    found = damage(folder)
    assert found is not None
    assert found.startswith(seen)


def test_a_file_that_the_disk_does_not_give_back_is_damage(folder: Path) -> None:
    (folder / checksums.NAME).unlink()
    (folder / checksums.NAME).mkdir()
    assert "Is a directory" in str(damage(folder))


def test_the_identity_is_the_contents(folder: Path) -> None:
    before = identity(folder)
    write(folder)
    assert identity(folder) == before
    (folder / "build.log").write_text("another build")
    write(folder)
    assert damage(folder) is None
    assert identity(folder) != before


def test_an_empty_folder_has_an_identity(tmp_path: Path) -> None:
    write(tmp_path)
    assert damage(tmp_path) is None
    assert len(identity(tmp_path)) == 32
