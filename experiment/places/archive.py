"""A cell's records as one compressed archive, and back."""

import io
import lzma
import shutil
import tarfile
from pathlib import Path, PurePosixPath

from testbed.errors import CellError

MOST_BYTES = 2**27  # unpacked: a cell has some 2 MB, a stream that runs wild is cut far below this


def pack_folder(folder: Path) -> bytes:
    """Everything in ``folder``, as a .tar.xz whose names begin with none."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:xz", preset=1) as archive:
        archive.add(folder, arcname=".", filter=anonymous)
    return packed.getvalue()


def anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Files and folders only, nobody's."""
    if not (member.isfile() or member.isdir()):
        return None
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def unpack_folder(packed: bytes, folder: Path) -> None:
    """The folder that was packed, whole or not at all. Raises CellError if it is damaged or reaches outside."""
    aside = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(aside, ignore_errors=True)  # of a process that was killed
    aside.mkdir(parents=True)
    try:
        content = unpacked(packed)
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            members = archive.getmembers()
            if strange := [member.name for member in members if not belongs(member)]:
                raise CellError(f"{folder.name}: its records hold {strange[0]!r}, which is no file of a cell")
            archive.extractall(aside, members)  # noqa: S202 - looked at above; tarfile's filters are of 3.11.4
        aside.rename(folder)
    except (tarfile.TarError, lzma.LZMAError, EOFError) as error:
        raise CellError(f"{folder.name}: its records came back damaged: {error}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def unpacked(packed: bytes) -> bytes:
    """To the end of it, where what is cut off shows. Raises LZMAError, EOFError, and CellError if it is too large."""
    with lzma.open(io.BytesIO(packed)) as stream:
        content = stream.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise CellError(f"a cell's records are larger than {MOST_BYTES} bytes")
    return content


def belongs(member: tarfile.TarInfo) -> bool:
    """A file or a folder, below the archive's own."""
    name = PurePosixPath(member.name)
    return (member.isfile() or member.isdir()) and not name.is_absolute() and ".." not in name.parts
