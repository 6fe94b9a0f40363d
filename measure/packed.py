"""A recorded file, or the compressed one that stands for it in a packed run (experiment/pack.py)."""

import gzip
from pathlib import Path
from typing import IO, cast

PACKED = ".gz"


def stored(path: Path) -> Path:
    """``path``, or NAME.gz where only that is there."""
    packed = path.with_name(path.name + PACKED)
    return packed if packed.is_file() and not path.is_file() else path


def open_stored(path: Path) -> IO[bytes]:
    """To read. Raises OSError; so does reading what is damaged, or EOFError, zlib.error."""
    found = stored(path)
    return cast(IO[bytes], gzip.open(found)) if found.suffix == PACKED else found.open("rb")


def read_stored(path: Path) -> bytes:
    """The whole content. Raises as ``open_stored`` and reading do."""
    with open_stored(path) as file:
        return file.read()
