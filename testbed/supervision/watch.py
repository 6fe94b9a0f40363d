"""What is seen of a guest from outside while it runs: its console, libvirt's events, and what it makes grow here.

The limits of that growth are here, too, and the room on the host that they ask for.
"""

import contextlib
import logging
import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import libvirt

from testbed.errors import (
    ConsoleFlood,
    DiskFlood,
    DiskFull,
    GuestError,
    GuestOutOfMemory,
    GuestPanicked,
    HarnessError,
    LibvirtStuck,
    LogFlood,
)
from testbed.supervision.watchdog import limited

log = logging.getLogger(__name__)

CONSOLE_BYTES = 16 * 1024 * 1024  # a cell's console has a few KB
LOG_BYTES = 16 * 1024 * 1024  # QEMU says a few KB of a guest, but again whatever a guest's driver does wrong again
FORK_ROOT_MB = 500  # of a fork's overlay of the root disk: a few, usually
# From the first boot to the save 16 were measured. The first boot also clears the file system's inode tables, 164 MB on
# a root disk of 10 GB: QEMU 7.2 keeps these zeroes without giving them room.
WARMING_ROOT_MB = 600
LOOK_S = 0.5
FASTEST_MB_S = 1000  # that a guest writes
PIECE_BYTES = 1024 * 1024  # of the console, in memory at a time
LINE_BYTES = 4096
TROUBLE = re.compile(
    r"(?P<panic>Kernel panic - not syncing: .*)|"
    # mm/oom_kill.c: __oom_kill_process; of the whole guest, or of a cgroup. peerd is in swapoff(2) then, which offers
    # itself: it has a child to lose, and says so.
    r"(?P<killed>(?:Out of memory|Memory cgroup out of memory): Killed process \d+ \((?!peerd\)).*)"
)


def room_mb(root_mb: float, swap_mib: float) -> float:
    """Megabytes (10^6 bytes) to keep free for a guest's folder, if its root overlay may have ``root_mb``.

    That, the console at its limit (17 MB), and, as nobody looks for LOOK_S, what is written meanwhile
    (0.5 s * 1000 MB/s = 500 MB). The swap overlay has no limit but the size of its disk, so all of that is reserved.
    """
    return root_mb + CONSOLE_BYTES / 1e6 + LOOK_S * FASTEST_MB_S + whole_mb(swap_mib)


def whole_mb(mib: float) -> float:
    """Megabytes that all of a disk or of a memory of so many MiB takes in a file.

    1.0486 MB a MiB, and 10 bytes for each 64 KiB as qcow2, 8 for each 4 KiB saved: 1.051 at most. Headers: 0.4 MB.
    """
    return 1.06 * mib + 1


def trouble_in(text: str) -> GuestError | None:
    """The first thing that lines of the console tell of the guest's end."""
    found = TROUBLE.search(text)
    if not found:
        return None
    if found.lastgroup == "panic":
        return GuestPanicked(f"the guest panicked: {found[0][:200]}")
    return GuestOutOfMemory(f"the guest ran out of memory: {found[0][:200]}")


class ConsoleReader:
    """Reads a console's file on, as it grows: CONSOLE_BYTES of it at most, in pieces."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._rest = b""

    def trouble(self) -> GuestError | None:
        """The first trouble among the lines that came since the last call; the file need not be there yet."""
        try:
            with self._path.open("rb") as file:
                if os.fstat(file.fileno()).st_size < self._offset:  # begun anew
                    self._offset, self._rest = 0, b""
                file.seek(self._offset)
                while data := file.read(min(PIECE_BYTES, CONSOLE_BYTES - self._offset)):
                    self._offset += len(data)
                    lines, end, rest = (self._rest + data).rpartition(b"\n")
                    self._rest = rest[-LINE_BYTES:]
                    if end and (trouble := trouble_in(lines.decode(errors="replace"))):
                        return trouble
        except OSError:
            return None
        return None


@dataclass(frozen=True)
class Growth:
    """A file of the host that a guest makes grow, to ``limit`` bytes at most; ``where`` says which."""

    path: Path
    where: str
    limit: int
    error: type[GuestError]

    def flood(self) -> GuestError | None:
        """The error, once there is more. The size counts: QEMU appends, and some file systems count blocks later."""
        size = size_of(self.path)
        if size <= self.limit:
            return None
        return self.error(
            f"the guest wrote {size / 1e6:.1f} MB {self.where}, {self.limit / 1e6:.1f} are the limit: it was ended",
            "have what runs in the guest write less (the limits are in testbed/supervision/watch.py)",
        )


def growths(console: Path, root: Path, root_mb: float, qemu_log: Path | None) -> list[Growth]:
    """Of a guest that is about to run. To ``qemu_log``, if it is a file of ours, earlier guests may have written.

    The swap overlay is not among them: the size of its disk is its limit.
    """
    found = [
        Growth(console, "onto its console", CONSOLE_BYTES, ConsoleFlood),
        Growth(root, "to its root disk", int(root_mb * 1e6), DiskFlood),
    ]
    if qemu_log:
        found.append(Growth(qemu_log, "into QEMU's log", size_of(qemu_log) + LOG_BYTES, LogFlood))
    return found


def size_of(path: Path) -> int:
    """In bytes; 0 of what is not there."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


class Watch:
    """Looks at a guest twice a second. ``gone`` is set at its end, ``trouble`` is the first thing that went wrong.

    A guest that floods the host is destroyed, whatever went wrong before: ``ended`` says for what.
    """

    def __init__(self, domain: libvirt.virDomain, console: Path, growths: Sequence[Growth]) -> None:
        self.gone = threading.Event()
        self.trouble: HarnessError | None = None
        self.ended: GuestError | None = None
        self._domain = domain
        self._console = ConsoleReader(console)
        self._folder = console.parent
        self._growths = growths
        self._looking = threading.Lock()
        self._done = threading.Event()

    def look(self) -> HarnessError | None:
        """The trouble there is by now."""
        with self._looking:
            flood = next((flood for growth in self._growths if (flood := growth.flood())), None)
            if flood and not self.gone.is_set():
                self._destroy()  # first: it goes on meanwhile
            if not self.trouble:
                self.note(self._console.trouble())
            if flood and not self.ended:
                self.ended = flood
                if self.trouble:
                    log.warning("%s", flood.args[0])
                self.note(flood)
        return self.trouble

    def note(self, trouble: HarnessError | None) -> None:
        self.trouble = self.trouble or trouble

    def _destroy(self) -> None:
        """If that fails, the next look does it again."""
        with contextlib.suppress(libvirt.libvirtError, LibvirtStuck), limited("the guest's end", self._folder):
            self._domain.destroy()

    def run(self) -> None:
        while not self._done.wait(LOOK_S):
            self.look()

    def end(self) -> None:
        self._done.set()


@contextmanager
def watching(
    connection: libvirt.virConnect, domain: libvirt.virDomain, console: Path, growths: Sequence[Growth]
) -> Iterator[Watch]:
    """A watch for as long as the block lasts. Raises libvirtError if the guest is gone already."""
    watch = Watch(domain, console, growths)

    def ended(_connection: object, _domain: object, event: int, _detail: int, _opaque: object) -> None:
        if event in (libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_CRASHED):
            watch.gone.set()

    def failed(_c: object, _d: object, path: str, _alias: str, _action: int, reason: str, _opaque: object) -> None:
        if reason == "enospc":
            watch.note(DiskFull(f"the host's disk is full: {path} cannot grow", "free some and go on with --resume"))
        else:
            watch.note(GuestError(f"the guest's disk {path} cannot be read or written: {reason or 'no reason given'}"))

    callbacks = [
        connection.domainEventRegisterAny(domain, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, ended, None),
        connection.domainEventRegisterAny(domain, libvirt.VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON, failed, None),
    ]
    thread = threading.Thread(target=watch.run, name="guest-watch", daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        watch.end()
        thread.join()
        for callback in callbacks:
            with contextlib.suppress(libvirt.libvirtError):
                connection.domainEventDeregisterAny(callback)
