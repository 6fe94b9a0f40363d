"""What is seen of a guest from outside while it runs: its console, and libvirt's events."""

import contextlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import libvirt

from testbed.errors import ConsoleFlood, DiskFull, GuestError, GuestOutOfMemory, GuestPanicked, HarnessError

CONSOLE_BYTES = 16 * 1024 * 1024  # a cell's console has a few KB
LOOK_S = 0.5
LINE_BYTES = 4096
PANIC = re.compile(r"Kernel panic - not syncing: .*")
# mm/oom_kill.c: __oom_kill_process; of the whole guest, or of a cgroup. peerd is in swapoff(2) then, which offers
# itself: it has a child to lose, and says so.
KILLED = re.compile(r"(?:Out of memory|Memory cgroup out of memory): Killed process \d+ \((?!peerd\)).*")


def trouble_in(line: str) -> GuestError | None:
    """What a line of the console tells of the guest's end."""
    if found := PANIC.search(line):
        return GuestPanicked(f"the guest panicked: {found[0][:200]}")
    if found := KILLED.search(line):
        return GuestOutOfMemory(f"the guest ran out of memory: {found[0][:200]}")
    return None


class ConsoleReader:
    """Reads a console's file on, as it grows."""

    def __init__(self, path: Path, limit: int = CONSOLE_BYTES) -> None:
        self._path = path
        self._limit = limit
        self._offset = 0
        self._rest = b""

    def trouble(self) -> GuestError | None:
        """The first trouble among the lines that came since the last call; the file need not be there yet."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read(self._limit - self._offset + 1)
        except OSError:
            return None
        self._offset += len(data)
        if self._offset > self._limit:
            return ConsoleFlood(f"the guest wrote more than {self._limit} bytes onto its console")
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[-LINE_BYTES:]
        found = (trouble_in(line.decode(errors="replace")) for line in lines)
        return next((trouble for trouble in found if trouble), None)


class Watch:
    """Looks at a guest twice a second. ``gone`` is set at its end, ``trouble`` is the first thing that went wrong."""

    def __init__(self, domain: libvirt.virDomain, console: Path) -> None:
        self.gone = threading.Event()
        self.trouble: HarnessError | None = None
        self._domain = domain
        self._console = ConsoleReader(console)
        self._looking = threading.Lock()
        self._done = threading.Event()

    def look(self) -> HarnessError | None:
        """The trouble there is by now."""
        with self._looking:
            self.note(self._console.trouble())
        return self.trouble

    def note(self, trouble: HarnessError | None) -> None:
        if trouble is None or self.trouble:
            return
        self.trouble = trouble
        if isinstance(trouble, ConsoleFlood):
            with contextlib.suppress(libvirt.libvirtError):
                self._domain.destroy()  # or it would go on filling the disk while somebody waits for something else

    def run(self) -> None:
        while not self._done.wait(LOOK_S):
            self.look()

    def end(self) -> None:
        self._done.set()


@contextmanager
def watching(connection: libvirt.virConnect, domain: libvirt.virDomain, console: Path) -> Iterator[Watch]:
    """A watch for as long as the block lasts. Raises libvirtError if the guest is gone already."""
    watch = Watch(domain, console)

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
