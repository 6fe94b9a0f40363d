"""Content-addressed store of things that take long to build: image stages and warm snapshots.

An entry is a folder ``<name>-<digest>``. It appears by one rename, when it is whole, and goes by one, so whatever
dies half-way leaves nothing that looks finished. Beside it lies ``<name>-<digest>.lock``: held alone to build or to
remove the entry, shared by all who use it. That file's time is the time of the last use.

A cache is one user's, whose processes share it. A checksum finds damage, not forgery, and a saved guest carries the
words that start its emulator: what others can write is not used (testbed.files.ownership).
"""

import hashlib
import json
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any

from testbed.cache import checksums, lock
from testbed.errors import HostError
from testbed.files import ownership
from testbed.ledger import programs
from testbed.process import PROJECT

log = logging.getLogger(__name__)

DIGEST_LENGTH = 16  # hex digits kept in folder names: 64 bits, plenty for one machine's cache
UNFINISHED = "unfinished-"
ENTRY = re.compile(rf"(?!{UNFINISHED}).+-[0-9a-f]{{{DIGEST_LENGTH}}}")
RETRY_S = 0.2  # seconds
NOTE = "started.json"  # of an unfinished entry: which processes may be at work in it
PACKAGE = "container-paging"
ENVIRONMENT = "PAGING_CACHE"  # where the cache is, unless the command line says it

State = tuple[int, int]  # inode and time of a folder: another one has others


def default_cache() -> Path:
    """Where the environment says; else in a checkout of our own; else where a user's caches are."""
    if said := os.environ.get(ENVIRONMENT):
        return Path(said)
    if (PROJECT / "pyproject.toml").exists() and PROJECT.stat().st_uid == os.geteuid():
        return PROJECT / ".cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / PACKAGE


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
class Entry:
    """An entry as it was when the cache was looked at."""

    folder: Path
    bytes: int  # on disk, without holes
    used: float  # last, as time.time() counts
    in_use: bool  # or being built anew


@dataclass(frozen=True)
class Cache:
    """The cache folder, shared with other processes. Entries are never changed once they are there.

    What was obtained stays as long as the object that it was obtained from lives: it has a shared lock on each entry.

    Raises HostError if somebody else can write the folder, or put another one in its place.
    """

    directory: Path  # without links
    _held: dict[Path, FileIO] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "directory", ownership.require_place(self.directory))

    def find(self, name: str, inputs: Mapping[str, Any]) -> Path | None:
        """The entry's folder if it is there. Raises HostError if it is not ours alone."""
        entry = self._entry(name, inputs)
        try:
            ownership.require_tree(entry)
        except FileNotFoundError:
            return None
        return entry

    @contextmanager
    def own(self, name: str) -> Iterator[Path]:
        """A folder of the cache that others fill, and read again by names: all in it is ours alone, and stays so.

        Raises HostError if it is not.
        """
        folder = ownership.own_folder(self.directory / name)
        ownership.require_tree(folder)
        try:
            yield folder
        finally:
            ownership.close_to_others(folder)

    def obtain(self, name: str, inputs: Mapping[str, Any], build: Callable[[Path], None]) -> Path:
        """The entry's folder, built by ``build(folder)`` unless it is there and whole; kept until ``release``.

        A second process that wants the same entry waits for the first instead of building it twice.
        Raises whatever ``build`` raises, and HostError if it cannot be written, or is not ours alone.
        """
        entry = self._entry(name, inputs)
        if entry in self._held and not entry.is_dir():  # removed by hand
            self._held.pop(entry).close()
        if entry not in self._held:
            self._held[entry] = self._hold(entry, inputs, build)
        now = time.time_ns()
        for handle in self._held.values():  # all are in use now, and get the same time for ``entries`` to order
            os.utime(handle.fileno(), ns=(now, now))
        return entry

    def release(self) -> None:
        """Let go of what was obtained: others may remove it from now on."""
        while self._held:
            self._held.popitem()[1].close()

    def entries(self) -> list[Entry]:
        """All entries, in the order in which ``shrink`` removes them: the least recently used first.

        Of entries last used by the same process the one built last comes first: it is made from the earlier ones,
        and would be worth nothing without them.
        """
        found = []
        for folder in self.directory.glob("*"):
            if ENTRY.fullmatch(folder.name) and folder.is_dir():
                with suppress(FileNotFoundError):  # removed while we look
                    found.append((folder.stat().st_mtime, self._describe(folder)))
        return [entry for _, entry in sorted(found, key=lambda pair: (pair[1].used, -pair[0]))]

    def remove(self, entry: Entry) -> bool:
        """Remove an entry, unless it is in use. Whether it is gone. Raises HostError if it is not ours alone."""
        return self._tidy(entry.folder.name, self._discard)

    def shrink(self, limit: int) -> list[Entry]:
        """Remove entries that are not in use until all together have at most ``limit`` bytes. What was removed."""
        entries = self.entries()
        total = sum(entry.bytes for entry in entries)
        removed = []
        for entry in entries:
            if total > limit and self.remove(entry):
                removed.append(entry)
                total -= entry.bytes
        return removed

    def leftovers(self) -> list[Path]:
        """What is left of builds and removals that were killed."""
        return [
            folder
            for folder in sorted(self.directory.glob(f"{UNFINISHED}*"))
            if lock.is_free(self._lock_file(folder.name.removeprefix(UNFINISHED)))
        ]

    def remove_leftovers(self) -> list[Path]:
        """Remove them. What was removed."""
        return [
            folder
            for folder in self.leftovers()
            if self._tidy(folder.name.removeprefix(UNFINISHED), self._remove_unfinished)
        ]

    def _hold(self, entry: Path, inputs: Mapping[str, Any], build: Callable[[Path], None]) -> FileIO:
        """A shared lock on the entry, which is there and whole."""
        built: State | None = None
        while True:
            with ExitStack() as stack:
                handle = stack.enter_context(self._share(entry.name))
                seen = state(entry)
                problem = None if seen and seen == built else self._problem(entry)
                if problem is None:
                    stack.pop_all()  # the lock stays
                    return handle
            alone = self._alone(entry, seen)
            if alone:
                with alone:
                    self._build(entry, problem, inputs, build)
                    built = state(entry)  # flock(2) lets go for a moment: somebody may remove it before we share it

    def _share(self, name: str) -> FileIO:
        """The lock of those who use an entry. Raises HostError if this user cannot have it."""
        ownership.own_folder(self.directory)
        try:
            return lock.share(self._lock_file(name), f"waiting for another process that builds {name}")
        except OSError as error:
            raise HostError(
                f"the cache folder {self.directory} cannot be written: {error.strerror}", ownership.ANOTHER
            ) from error

    def _alone(self, entry: Path, seen: State | None) -> FileIO | None:
        """The lock to build the entry; None once it is not as we have ``seen`` it, because another has built it.

        Not by a lock that waits: the other goes on to share the entry for hours, and we can, too.
        """
        damaged = f"{entry.name} in the cache is damaged: waiting for the end of a process that uses it"
        waiting = damaged if seen else f"waiting for another process that builds {entry.name}"
        tries = 0
        while True:
            handle = lock.attempt(self._lock_file(entry.name))
            if state(entry) != seen:
                if handle:
                    handle.close()
                return None
            if handle:
                return handle
            tries += 1
            if tries == 2:  # the first may have met one who only looked
                log.warning("%s", waiting)
            time.sleep(RETRY_S)

    def _build(self, entry: Path, problem: str, inputs: Mapping[str, Any], build: Callable[[Path], None]) -> None:
        unfinished = self._unfinished(entry.name)
        if entry.is_dir():
            log.warning("%s in the cache is damaged and is built again: %s", entry.name, problem)
            self._discard(entry.name)
        self._remove_unfinished(entry.name)
        unfinished.mkdir(mode=0o700)
        try:
            programs.note(unfinished / NOTE)
            build(unfinished)
            (unfinished / NOTE).unlink()
            (unfinished / "inputs.json").write_text(json.dumps(inputs, indent=2, sort_keys=True))
            log.info("adding checksums to %s", entry.name)
            checksums.write(unfinished)
            ownership.close_to_others(unfinished)
        except BaseException:
            self._keep_log(unfinished, entry.name)
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        os.sync()
        unfinished.rename(entry)

    def _problem(self, entry: Path) -> str | None:
        """Why the entry cannot be used; None if it can. Raises HostError if it is not ours alone."""
        try:
            ownership.require_tree(entry)
        except FileNotFoundError:
            return "it is not there"
        log.info("checking %s", entry.name)
        return checksums.damage(entry)

    def _keep_log(self, unfinished: Path, name: str) -> None:
        """A failed build leaves its log, and only its log: ``<name>.failed.log``."""
        if (unfinished / "build.log").exists():
            kept = (unfinished / "build.log").rename(self.directory / f"{name}.failed.log")
            log.error("the log of the failed build is %s", kept)

    def _describe(self, folder: Path) -> Entry:
        allocated = sum(path.lstat().st_blocks * 512 for path in (folder, *folder.rglob("*")))
        lock_file = self._lock_file(folder.name)
        used = (lock_file if lock_file.exists() else folder).stat().st_mtime
        return Entry(folder, allocated, used, in_use=not lock.is_free(lock_file))

    def _tidy(self, name: str, remove: Callable[[str], None]) -> bool:
        """Call ``remove`` unless somebody uses the entry ``name``; its lock goes with the last of it."""
        handle = lock.attempt(self._lock_file(name))
        if handle is None:
            return False
        with handle:
            try:
                remove(name)
                if not (self.directory / name).exists():
                    self._lock_file(name).unlink()
            except OSError as error:
                log.warning("%s cannot be removed from the cache: %s", name, error)
                return False
        return True

    def _discard(self, name: str) -> None:
        """Remove an entry, at once for everybody who looks. Its lock must be held."""
        self._remove_unfinished(name)
        with suppress(FileNotFoundError):
            ownership.require(self.directory / name)
            (self.directory / name).rename(self._unfinished(name))
        self._remove_unfinished(name)

    def _remove_unfinished(self, name: str) -> None:
        """What a killed build has left, and the programs that may still be at work in it. The lock must be held."""
        folder = self._unfinished(name)
        with suppress(FileNotFoundError):
            ownership.require(folder)
            if marked := programs.noted(folder / NOTE):
                programs.end_processes_of(folder, marked)
            shutil.rmtree(folder)

    def _entry(self, name: str, inputs: Mapping[str, Any]) -> Path:
        return self.directory / f"{name}-{digest_of(inputs)[:DIGEST_LENGTH]}"

    def _unfinished(self, name: str) -> Path:
        return self.directory / f"{UNFINISHED}{name}"

    def _lock_file(self, name: str) -> Path:
        return self.directory / f"{name}.lock"


def state(folder: Path) -> State | None:
    """Tells an entry from one that has taken its place; None if it is not there."""
    try:
        status = folder.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns
