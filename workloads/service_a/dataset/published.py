"""The public employees database, from a checkout or an archive of it."""

import hashlib
import re
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from testbed.errors import UsageError
from workloads.service_a.dataset.archive import extract
from workloads.service_a.dataset.facts import EXPECTED_ROWS, PUBLISHED_BLOBS
from workloads.service_a.dataset.scripts import SCHEMA, write_scripts

HINT = (
    'point path under [dataset] at a checkout or archive of github.com/datacharmer/test_db, or set source = "synthetic"'
)
ROWS_FILE = re.compile(rf"load_({'|'.join(EXPECTED_ROWS)})\d*\.dump")
LONGEST_LINE = 1 << 16  # bytes; a row has fewer than 100
ROWS_LINE = re.compile(rb"\s*(?:INSERT\s+INTO\s|\(|--|$)")


@dataclass(frozen=True)
class Published:
    """The public rows: the load_*.dump files below ``folder``, loaded into our copy of their schema."""

    source: Literal["path", "download"]
    identity: str
    folder: Path
    genuine: bool
    """Every file is what the public repository has (by Git's object names)."""

    @property
    def label(self) -> str:
        return "employees 1.0.6 (public)"

    def write(self, directory: Path) -> list[str]:
        """Copy the dumps and write scripts that ``source`` them from the client's working directory."""
        names = [path.name for path in rows_files(self.folder)]
        for name in names:
            shutil.copyfile(self.folder / name, directory / name)
        return write_scripts(directory, (f"source {name}" for name in names))


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
    genuine = {path.name: git_blob(path) for path in files} == dict(PUBLISHED_BLOBS)
    identity = hashlib.sha256(SCHEMA.encode())
    for path in files:
        if not genuine:
            _require_rows_only(path)
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
    keyed = [(tables.index(match[1]), len(path.name), path.name) for match, path in matches if match]
    return [folder / name for *_, name in sorted(keyed)]


def git_blob(path: Path) -> str:
    """Git's object name of the file's content: SHA-1 of ``blob SIZE NUL`` and the content."""
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _require(folder: Path, name: str) -> None:
    missing = [] if (folder / "employees.sql").is_file() else ["employees.sql"]
    present = {match[1] for path in folder.iterdir() if (match := ROWS_FILE.fullmatch(path.name))}
    missing += [f"load_{table}.dump" for table in EXPECTED_ROWS if table not in present]
    if missing:
        what = f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"
        raise UsageError(f"{name} is not the employees test database: {what}", HINT)


def _require_rows_only(path: Path) -> None:
    """A file of unknown origin may hold rows alone: the client would obey ``\\!``, on this host."""
    with path.open("rb") as stream:
        for number, line in enumerate(iter(partial(stream.readline, LONGEST_LINE), b""), 1):
            if len(line) == LONGEST_LINE or b"\\" in line or not ROWS_LINE.match(line):
                raise UsageError(f"{path}, line {number}, is not a row of the employees test database", HINT)
