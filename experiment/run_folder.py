"""A run's folder below results/: what is written once, what is appended, and what counts as done."""

import contextlib
import fcntl
import hashlib
import itertools
import json
import logging
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from analysis.records.load import read_manifest
from configuration.load import Configuration, check, parsed, read_configuration
from configuration.plan import Cell, Plan
from configuration.plan_file import read_plan
from measure.journal import read_end, read_head
from testbed.errors import HostError, Unsupported, UsageError, nearest, printable
from testbed.files.plain import require_plain, write_text

log = logging.getLogger(__name__)

LATEST, REFERENCE = "latest", "reference"  # a link to a run, and the committed one
UNSUPPORTED = Unsupported.__name__  # the kind of cells that are skipped


@dataclass(frozen=True)
class Store:
    """One run. ``folder`` is results/<run>/."""

    folder: Path

    @property
    def run(self) -> str:
        return self.folder.name

    @classmethod
    def create(cls, results: Path, configuration: Configuration, plan: Plan) -> "Store":
        """A new run, named after now. Raises HostError if results/ cannot be written."""
        try:
            folder = new_folder(results, time.strftime("%Y%m%d-%H%M%S"))
            (folder / "cells").mkdir()
        except OSError as error:
            raise HostError(
                f"results cannot be written to {results}: {error.strerror}",
                "give another folder: --results DIR",
            ) from error
        store = cls(folder)
        text = tomli_w.dumps(configuration.model_dump(mode="json", exclude_none=True))
        (folder / "configuration.toml").write_text(text)
        settings = digest(text.encode())
        write_json(folder / "plan.json", {"run": store.run, "configuration": settings, **plan.to_json()})
        store.point_latest()
        return store

    @classmethod
    def open(cls, results: Path, name: str) -> "Store":
        """An existing run, by its name, its path, or "latest", which is REFERENCE where there is none of one's own.

        Raises UsageError if there is none, or it holds what could lead out of it.
        """
        for folder in (results / name, Path(name)):
            if name and (folder / "plan.json").is_file():
                return cls.at(folder)
        if name == LATEST and (results / REFERENCE / "plan.json").is_file():
            gone = (results / LATEST).is_symlink()
            said = "the latest run is gone" if gone else "there is no run of your own yet"
            log.warning("%s: taken is %s", said, results / REFERENCE)
            return cls.at(results / REFERENCE)
        there = sorted({p.parent.name for p in results.glob("*/plan.json")} - {LATEST})
        what = f"{results / name} is no run: it has no plan.json" if (results / name).exists() and name else ""
        raise UsageError(
            what or f"there is no run {name!r} in {results}{nearest(name, there)}",
            "python run.py list" if there else "python run.py makes one",
        )

    @classmethod
    def at(cls, folder: Path) -> "Store":
        """Raises UsageError if it holds what could lead out of it."""
        require_plain(folder.resolve())
        return cls(folder.resolve())

    @contextmanager
    def locked(self) -> Iterator[None]:
        """For as long as cells are added to it. Raises UsageError if another process does so."""
        with (self.folder / "plan.json").open() as plan:
            try:
                fcntl.flock(plan, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise UsageError(
                    f"run {self.run} is being made by another process", "wait for its end, or interrupt it"
                ) from error
            yield

    def configuration(self) -> Configuration:
        """The run's own. Raises UsageError if it is not what the run began with (earlier versions did not tell)."""
        path = self.folder / "configuration.toml"
        content = read_configuration(path)
        configuration = check(parsed(content, path), str(path))
        if read_plan(self.folder / "plan.json").configuration not in (None, digest(content)):
            raise UsageError(f"{path} was changed since the run began", "take the change back, or start a new run")
        return configuration

    def plan(self) -> Plan:
        """Raises UsageError."""
        return Plan.of_file(read_plan(self.folder / "plan.json"))

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        write_json(self.folder / "manifest.json", manifest)

    def manifest(self) -> dict[str, Any]:
        """{} before it is written. Raises UsageError if it is damaged."""
        return read_manifest(self.folder) if (self.folder / "manifest.json").exists() else {}

    def cell(self, name: str) -> Cell:
        """The cell of that name in the plan. Raises UsageError naming those that there are."""
        cells = {cell.name: cell for cell in self.plan().cells}
        if name in cells:
            return cells[name]
        near = nearest(name, cells, listed=False)
        there = printable(", ".join(sorted(cells)))
        raise UsageError(f"run {self.run} has no cell {name!r}{near}", f"its cells: {there}")

    def cell_folder(self, cell: Cell) -> Path:
        return self.folder / "cells" / cell.name

    def is_done(self, cell: Cell) -> bool:
        """Whether the cell's record ends with: complete and valid, or that the guest's kernel cannot do it."""
        end = read_end(self.cell_folder(cell))
        return end is not None and (end.counts or end.kind == UNSUPPORTED)

    def counts(self, cell: Cell) -> bool:
        end = read_end(self.cell_folder(cell))
        return end is not None and end.counts

    def host_of(self, cell: Cell) -> str:
        """The host that ran the cell; "" unless it is done."""
        head = read_head(self.cell_folder(cell))
        return head.ran_on if head and self.is_done(cell) else ""

    def set_aside(self, cell: Cell) -> None:
        """Move what an earlier attempt at a cell left to failed/, where it is kept and never counted."""
        folder = self.cell_folder(cell)
        if not folder.exists():
            return
        failed = self.folder / "failed"
        failed.mkdir(exist_ok=True)
        before = (path.suffix[1:] for path in failed.glob(f"{cell.name}.*"))
        attempt = 1 + max((int(number) for number in before if number.isdecimal()), default=0)
        folder.rename(failed / f"{cell.name}.{attempt}")

    def point_latest(self) -> None:
        """A convenience, which some file systems do not permit: then a run is asked for by its name."""
        link = self.folder.parent / LATEST
        temporary = link.with_name(f".latest-{secrets.token_hex(8)}")
        try:
            temporary.symlink_to(self.folder.name)
            temporary.replace(link)
        except OSError as error:
            log.warning("%s cannot be a link to this run (%s): name it, %s", link, error.strerror, self.run)


def new_folder(results: Path, name: str) -> Path:
    """``name``, or with a number behind it where two runs begin in the same second. Raises OSError."""
    results.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        folder = results / (name if number == 1 else f"{name}-{number}")
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
            return folder
    raise AssertionError("numbers do not end")


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write whole or not at all."""
    write_text(json.dumps(value, indent=2, default=str) + "\n", path)
