"""A recorded file, or the compressed one that stands for it in a packed run (experiment/commands/pack.py)."""

import zlib
from contextlib import closing
from gzip import GzipFile
from pathlib import Path
from typing import IO, cast

from testbed.files.plain import open_plain

PACKED = ".gz"
PIECE = 1 << 16  # bytes


class Damaged(Exception):  # noqa: N818 - what is wrong, said as people say it
    """The file ends too early, is not what was packed, or is too long. ``content``: what there is of it."""

    def __init__(self, problem: str, content: bytes) -> None:
        super().__init__(problem)
        self.content = content


def stored(path: Path) -> Path:
    """``path``, or NAME.gz where only that is there."""
    packed = path.with_name(path.name + PACKED)
    return packed if packed.is_file() and not path.is_file() else path


def read_stored(path: Path, most: int) -> bytes:
    """The whole content, unpacked: ``most`` bytes at most, however small the packed file is.

    Raises OSError if it cannot be opened, Damaged.
    """
    found = stored(path)
    content = bytearray()
    with open_plain(found) as file, closing(opened(file, found)) as stream:
        try:
            while len(content) <= most and (piece := stream.read(PIECE)):
                content += piece
        except (OSError, EOFError, zlib.error) as error:
            raise Damaged(str(error), bytes(content)) from error
    if len(content) > most:
        raise Damaged(f"longer than {most} bytes", bytes(content[:most]))
    return bytes(content)


def opened(file: IO[bytes], path: Path) -> IO[bytes]:
    return cast(IO[bytes], GzipFile(fileobj=file)) if path.suffix == PACKED else file
