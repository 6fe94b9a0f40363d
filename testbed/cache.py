"""Content-addressed store of things that take long to build: image stages and warm snapshots.

An entry is a folder ``<name>-<digest>``. It appears by one rename, when it is whole, so a build that dies
half-way leaves nothing that looks finished.
"""

import fcntl
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.errors import HostError

log = logging.getLogger(__name__)

DIGEST_LENGTH = 16  # hex digits kept in folder names: 64 bits, plenty for one machine's cache


def digest_of(inputs: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of a mapping of JSON values; independent of the order of its keys."""
    text = json.dumps(inputs, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def digest_files(*paths: Path) -> str:
    """SHA-256 (hex) over the names, modes and bytes of files; a folder stands for all files below it."""
    total = hashlib.sha256()
    for path in paths:
        members = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for member in members:
            if "__pycache__" in member.parts:
                continue
            name = member.relative_to(path.parent)
            executable = os.access(member, os.X_OK)
            content = hashlib.sha256(member.read_bytes()).hexdigest()
            total.update(f"{name}\0{executable}\0{content}\n".encode())
    return total.hexdigest()


@dataclass(frozen=True)
class Cache:
    """The cache folder. Entries are never changed once they are there."""

    directory: Path

    def find(self, name: str, inputs: Mapping[str, Any]) -> Path | None:
        """The entry's folder if it is there."""
        entry = self._entry(name, inputs)
        return entry if entry.is_dir() else None

    def obtain(self, name: str, inputs: Mapping[str, Any], build: Callable[[Path], None]) -> Path:
        """The entry's folder, built by ``build(folder)`` unless it is there.

        A second process that wants the same entry waits for the first instead of building it twice.
        Raises whatever ``build`` raises, and HostError if the folder cannot be written.
        """
        entry = self._entry(name, inputs)
        with self._lock(entry.name):
            if entry.is_dir():
                return entry
            unfinished = self.directory / f"unfinished-{entry.name}"
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(mode=0o700)
            try:
                build(unfinished)
            except BaseException:
                self._keep_log(unfinished, entry.name)
                shutil.rmtree(unfinished, ignore_errors=True)
                raise
            (unfinished / "inputs.json").write_text(json.dumps(inputs, indent=2, sort_keys=True))
            os.sync()
            unfinished.rename(entry)
            return entry

    def _entry(self, name: str, inputs: Mapping[str, Any]) -> Path:
        return self.directory / f"{name}-{digest_of(inputs)[:DIGEST_LENGTH]}"

    def _keep_log(self, unfinished: Path, name: str) -> None:
        """A failed build leaves its log, and only its log: ``<name>.failed.log``."""
        if (unfinished / "build.log").exists():
            kept = (unfinished / "build.log").rename(self.directory / f"{name}.failed.log")
            log.error("the log of the failed build is %s", kept)

    @contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            handle = (self.directory / f"{name}.lock").open("w")
        except OSError as error:
            raise HostError(
                f"the cache folder {self.directory} cannot be written: {error.strerror}",
                "give another one: python run.py --cache DIR",
            ) from error
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                log.warning("waiting for another process that builds %s", name)
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield
