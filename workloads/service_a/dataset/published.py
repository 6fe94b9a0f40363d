"""The public employees database, from a checkout or an archive of it."""

import hashlib
import logging
import re
import shutil
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Literal

from testbed.errors import UsageError
from workloads.service_a.dataset.archive import extract
from workloads.service_a.dataset.facts import EXPECTED_ROWS, PUBLISHED_BLOBS
from workloads.service_a.dataset.rows import RowsError, tab_separated
from workloads.service_a.dataset.scripts import SCHEMA, TAB_SEPARATED

log = logging.getLogger(__name__)

HINT = (
    'point path under [dataset] at a checkout or archive of github.com/datacharmer/test_db, or set source = "synthetic"'
)
ROWS_FILE = re.compile(rf"load_({'|'.join(EXPECTED_ROWS)})\d*\.dump")
BLOCK = 1 << 16  # bytes read at once


@dataclass(frozen=True)
class Published:
    """The public rows: the load_*.dump files in ``folder``, for our copy of their schema."""

    source: Literal["path", "download"]
    identity: str
    folder: Path
    genuine: bool
    """Every file is what the public repository has (by Git's object names)."""

    @property
    def label(self) -> str:
        return "employees 1.0.6 (public)"

    def write(self, directory: Path) -> list[str]:
        """Copy the dumps, if the whole repository is behind them; else write a tab-separated file a table."""
        files = rows_files(self.folder)
        if not self.genuine:
            return [_write_rows(table, group, directory) for table, group in groupby(files, table_of)]
        copies = [Path(shutil.copyfile(path, directory / path.name)) for path in files]
        if not _are_published(copies):
            raise UsageError(f"the files in {self.folder} have changed since they were looked at", "start again")
        return [path.name for path in files]


def open_published(path: Path, cache: Path) -> Published:
    """The public rows in ``path``: a folder, or a .zip or .tar(.gz/.bz2/.xz) unpacked below ``cache``.

    Raises UsageError if it is not there or is not the employees test database.
    """
    path = path.expanduser()
    if path.is_dir():
        return read_folder(path, "path", str(path))
    if not path.is_file():
        raise UsageError(f"{path} does not exist", HINT)
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    folder = cache / f"employees-{digest[:16]}"
    if not folder.is_dir():
        extract(path, is_wanted, folder)
    return read_folder(folder, "path", str(path))


def read_folder(folder: Path, source: Literal["path", "download"], name: str) -> Published:
    """The public rows in ``folder``, which messages call ``name``.

    Raises UsageError if a file is missing, or holds anything but rows.
    """
    _require(folder, name)
    files = rows_files(folder)
    genuine = _are_published(files)
    if not genuine:
        log.info("dataset: %s is not the public repository's, byte for byte: every row is read (some 10 s)", name)
    identity = hashlib.sha256(SCHEMA.encode())
    for path in files:
        if not genuine:
            deque(_rows(path), maxlen=0)
        with path.open("rb") as stream:
            identity.update(f"\n{path.name} {hashlib.file_digest(stream, 'sha256').hexdigest()}".encode())
    return Published(source, identity.hexdigest(), folder, genuine)


def is_wanted(name: str) -> bool:
    """Whether a file of this name belongs to the employees database's rows (or marks it as such)."""
    return name == "employees.sql" or ROWS_FILE.fullmatch(name) is not None


def rows_files(folder: Path) -> list[Path]:
    """The files with rows, in the order to load them: by table, then by number (load_salaries1.dump, ...)."""
    tables = list(EXPECTED_ROWS)
    matches = ((ROWS_FILE.fullmatch(path.name), path) for path in folder.iterdir())
    keyed = [(tables.index(match[1]), len(path.name), path) for match, path in matches if match and is_plain(path)]
    return [path for *_, path in sorted(keyed)]


def is_plain(path: Path) -> bool:
    """A regular file, and no link: a sent folder could have us show what lies elsewhere."""
    return path.is_file() and not path.is_symlink()


def table_of(path: Path) -> str:
    """The table whose rows a file has that is named like one with rows."""
    match = ROWS_FILE.fullmatch(path.name)
    if match is None:
        raise ValueError(f"{path} has no table's name")
    return match[1]


def git_blob(path: Path) -> str:
    """Git's object name of the file's content: SHA-1 of ``blob SIZE NUL`` and the content."""
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _are_published(files: Iterable[Path]) -> bool:
    return {path.name: git_blob(path) for path in files} == dict(PUBLISHED_BLOBS)


def _require(folder: Path, name: str) -> None:
    missing = [] if (folder / "employees.sql").is_file() else ["employees.sql"]
    present = {table_of(path) for path in rows_files(folder)}
    missing += [f"load_{table}.dump" for table in EXPECTED_ROWS if table not in present]
    if missing:
        what = f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"
        raise UsageError(f"{name} is not the employees test database: {what}", HINT)


def _write_rows(table: str, files: Iterable[Path], directory: Path) -> str:
    """Write all rows of a table, in a form of our own: a client would obey a file of unknown origin, on this host."""
    target = directory / f"{table}{TAB_SEPARATED}"
    with target.open("wb") as sink:
        for path in files:
            sink.writelines(_rows(path))
    return target.name


def _rows(path: Path) -> Iterator[bytes]:
    """The rows of a file, tab-separated. Raises UsageError with the place of what is none."""
    with path.open("rb") as stream:
        try:
            yield from tab_separated(iter(partial(stream.read, BLOCK), b""), table_of(path))
        except RowsError as fault:
            what = f"is not a row of the employees test database: {fault.excerpt}"
            raise UsageError(f"{path}, line {fault.line}, {what}", HINT) from fault
