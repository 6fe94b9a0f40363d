"""What a console tells, read piece by piece; guests that flood their host; the limit on calls that do not return."""

import json
import math
import os
import subprocess
import threading
import time
import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import field as made
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import libvirt
import pytest

from testbed import guest as guests
from testbed import ledger
from testbed.connection import start_event_loop
from testbed.domain import Disks
from testbed.errors import (
    ConsoleFlood,
    DiskFlood,
    DiskFull,
    GuestLost,
    GuestOutOfMemory,
    GuestPanicked,
    LibvirtStuck,
    LogFlood,
)
from testbed.guest import Hardware
from testbed.images.image import Image
from testbed.settings import GuestSettings
from testbed.supervision import watch, watchdog
from testbed.supervision.watch import ConsoleReader, Watch, growths, room_mb, trouble_in, whole_mb
from testbed.supervision.watchdog import limited

PANIC = "[   12.345678] Kernel panic - not syncing: sysrq triggered crash"
KILLED = "[   99.0] Out of memory: Killed process 512 (mariadbd) total-vm:1432100kB, anon-rss:600000kB"
CGROUP = "[   99.0] Memory cgroup out of memory: Killed process 7 (alpha) total-vm:840000kB"


@pytest.mark.parametrize(
    ("line", "kind"), [(PANIC, GuestPanicked), (KILLED, GuestOutOfMemory), (CGROUP, GuestOutOfMemory)]
)
def test_lines_that_are_the_guests_end(line: str, kind: type) -> None:
    assert type(trouble_in(line)) is kind


@pytest.mark.parametrize(
    "line",
    [
        KILLED.replace("mariadbd", "peerd"),
        "",
        "Linux version 6.12",
        "oom_reaper: reaped process 512 (mariadbd)",
        "panic=-1",
    ],
)
def test_lines_that_are_not(line: str) -> None:
    assert trouble_in(line) is None


def test_a_line_in_pieces_is_one_line(tmp_path: Path) -> None:
    console = tmp_path / "console.log"
    reader = ConsoleReader(console)
    assert reader.trouble() is None, "there is none yet"
    text = f"booting\n{PANIC}\r\n".encode()
    found = []
    for size in range(len(text) + 1):
        console.write_bytes(text[:size])
        found.append(reader.trouble())
    assert [type(trouble) for trouble in found if trouble] == [GuestPanicked]
    assert found[-1], "at its end"


def test_escape_sequences_do_not_reach_the_message(tmp_path: Path) -> None:
    assert "\x1b" not in str(trouble_in("Kernel panic - not syncing: \x1b[2J\x1b]0;gotcha\x07"))


def test_the_first_of_several_troubles_is_told() -> None:
    assert type(trouble_in(f"{KILLED}\n{PANIC}\n")) is GuestOutOfMemory
    assert type(trouble_in(f"{KILLED.replace('mariadbd', 'peerd')}\n{PANIC}\n{KILLED}\n")) is GuestPanicked


def test_a_line_without_end_takes_no_memory(tmp_path: Path) -> None:
    console = tmp_path / "console.log"
    with console.open("wb") as file:
        file.truncate(10**10)  # all holes, so one line of zeroes
    reader = ConsoleReader(console)
    tracemalloc.start()
    assert reader.trouble() is None
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * watch.PIECE_BYTES


def test_a_console_at_its_limit_is_read_no_further(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "CONSOLE_BYTES", 5000)
    console = tmp_path / "console.log"
    reader = ConsoleReader(console)
    console.write_bytes(b"x" * 4999 + b"\n")
    assert reader.trouble() is None
    console.write_bytes(b"x" * 4999 + f"\n{PANIC}\n".encode())
    assert reader.trouble() is None


def test_a_console_that_begins_anew_is_read_anew(tmp_path: Path) -> None:
    console = tmp_path / "console.log"
    reader = ConsoleReader(console)
    console.write_text("booting\n" * 100)
    assert reader.trouble() is None
    console.write_text(f"{PANIC}\n")
    assert type(reader.trouble()) is GuestPanicked


@dataclass
class FakeDomain:
    """A guest that is destroyed at the try after ``failures``."""

    failures: int = 0
    tries: int = 0
    destroyed: threading.Event = made(default_factory=threading.Event)

    def destroy(self) -> None:
        self.tries += 1
        if self.tries <= self.failures:
            raise libvirt.libvirtError("cannot acquire state change lock")
        self.destroyed.set()


@dataclass
class Flooding:
    """A watched guest, and the files that it makes grow."""

    folder: Path
    domain: FakeDomain = made(default_factory=FakeDomain)

    def __post_init__(self) -> None:
        self.console, self.root, self.log = (self.folder / name for name in ("console.log", "root.qcow2", "qemu.log"))
        self.grow(self.log, 40_000_000)  # earlier guests'
        domain: Any = self.domain
        self.watch = Watch(domain, self.console, growths(self.console, self.root, 500, self.log))

    def grow(self, path: Path, size: int) -> None:
        """By a hole: what is written is not what counts."""
        with path.open("ab") as file:
            file.truncate(path.stat().st_size + size)


@pytest.fixture
def flooding(tmp_path: Path) -> Flooding:
    return Flooding(tmp_path)


FLOODS = pytest.mark.parametrize(
    ("kind", "path", "limit", "said"),
    [
        (ConsoleFlood, lambda guest: guest.console, watch.CONSOLE_BYTES, "18.8 MB onto its console, 16.8 are"),
        (DiskFlood, lambda guest: guest.root, 500_000_000, "502.0 MB to its root disk, 500.0 are"),
        (LogFlood, lambda guest: guest.log, watch.LOG_BYTES, "58.8 MB into QEMU's log, 56.8 are"),
    ],
)


@FLOODS
def test_a_flood_ends_the_guest(
    flooding: Flooding, kind: type, path: Callable[[Flooding], Path], limit: int, said: str
) -> None:
    flooding.grow(path(flooding), limit)
    assert flooding.watch.look() is None
    assert not flooding.domain.destroyed.is_set()
    flooding.grow(path(flooding), 2_000_000)
    trouble = flooding.watch.look()
    assert type(trouble) is kind
    assert flooding.domain.destroyed.is_set()
    assert flooding.watch.ended is trouble
    told, way_out = str(trouble).splitlines()
    assert told == f"the guest wrote {said} the limit: it was ended"
    assert way_out.startswith("  way out: have what runs in the guest write less")


@FLOODS
def test_a_flood_ends_the_guest_whatever_came_before(
    flooding: Flooding, kind: type, path: Callable[[Flooding], Path], limit: int, said: str
) -> None:
    """As a guest evaded the limit: a line of an OOM kill, then 18 MB."""
    flooding.console.write_text(f"{KILLED}\n")
    assert type(flooding.watch.look()) is GuestOutOfMemory
    flooding.grow(path(flooding), limit + 2_000_000)
    assert type(flooding.watch.look()) is GuestOutOfMemory, "the first trouble is the one that is told"
    assert flooding.domain.destroyed.is_set()
    assert type(flooding.watch.ended) is kind


def test_what_came_before_the_flood_in_one_look_is_told(flooding: Flooding) -> None:
    flooding.console.write_text(f"{KILLED}\n")
    flooding.grow(flooding.console, 18_000_000)
    assert type(flooding.watch.look()) is GuestOutOfMemory
    assert flooding.domain.destroyed.is_set()


def test_a_guest_that_could_not_be_ended_is_ended_at_a_later_look(flooding: Flooding) -> None:
    flooding.domain.failures = 2
    flooding.grow(flooding.root, 501_000_000)
    for tries in (1, 2, 3):
        assert type(flooding.watch.look()) is DiskFlood
        assert flooding.domain.tries == tries
    assert flooding.domain.destroyed.is_set()
    flooding.watch.gone.set()
    flooding.watch.look()
    assert flooding.domain.tries == 3, "one that is gone is left alone"


def test_nobody_needs_to_ask(flooding: Flooding, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "LOOK_S", 0.01)
    thread = threading.Thread(target=flooding.watch.run)
    thread.start()
    try:
        flooding.grow(flooding.console, 18_000_000)
        assert flooding.domain.destroyed.wait(10)
    finally:
        flooding.watch.end()
        thread.join()


DOMAIN = """
<domain type="test">
  <name>paging</name><description>{}</description><memory>65536</memory><os><type>hvm</type></os>
</domain>
"""


def test_every_guest_is_watched_for_as_long_as_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the one place that all guests run in, here on libvirt's driver for tests, and whoever keeps them."""
    monkeypatch.setattr(watch, "LOOK_S", 0.01)
    start_event_loop()
    connection = libvirt.open("test:///default")
    console, root = tmp_path / guests.CONSOLE, tmp_path / "root.qcow2"
    growing = growths(console, root, 500, guests.qemu_log(connection))

    def create(_forwards: Mapping[int, int]) -> libvirt.virDomain:
        return connection.createXML(DOMAIN.format(tmp_path))

    with guests.running(connection, Image(tmp_path), tmp_path, {}, "the start", create, growing) as guest:
        console.write_text(f"{KILLED}\n")
        with pytest.raises(GuestOutOfMemory):
            guest.wait(lambda: False, 10, "trouble")
        assert guests.is_active(guest.domain)
        with root.open("wb") as file:
            file.truncate(501_000_000)
        assert guest.watch.gone.wait(10)
        assert not guests.is_active(guest.domain)
        with pytest.raises(GuestOutOfMemory):
            guest.alive()
    assert type(guest.watch.ended) is DiskFlood
    assert not [thread for thread in threading.enumerate() if thread.name == "guest-watch"]


@pytest.mark.parametrize("start", ["boot", "restore"])
def test_no_guest_is_started_without_room_for_what_it_may_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: str
) -> None:
    """Shells, benchmarks and warm snapshots, too. A snapshot's guest also needs room for its memory."""
    monkeypatch.setattr("testbed.host.shutil.disk_usage", lambda _folder: SimpleNamespace(free=0))
    image, folder = Image(tmp_path / "image"), tmp_path / "guest"
    folder.mkdir()
    image.folder.mkdir()
    with image.swap_disk.open("wb") as file:
        file.truncate(1024 * 2**20)
    nothing: Any = None
    if start == "boot":
        settings = GuestSettings(
            memory_mib=1024, vcpus=2, root_gb=10, swap_mib=1024, suite="trixie", kernel_arguments="", attempts=1
        )
        guest = guests.boot(nothing, tmp_path, Hardware("tcg", settings), image, folder)
        needed = 600 + 500 + 16.8 + 1086.4 + 1086.4
    else:
        guest = guests.restore(nothing, tmp_path, image, tmp_path, Disks(tmp_path, tmp_path), folder)
        needed = 500 + 500 + 16.8 + 1086.4
    with pytest.raises(DiskFull, match=f"guest: 0 MB free, {math.ceil(needed)} needed"), guest:
        pass
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("mib", [16, 64, 1024, 65536])
def test_a_whole_swap_overlay_fits_into_its_room(mib: int) -> None:
    command = ["qemu-img", "measure", "--output", "json", "--size", f"{mib}M", "-O", "qcow2"]
    measured = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    whole = measured["fully-allocated"] / 1e6
    assert whole < whole_mb(mib) < 1.02 * whole + 1
    assert room_mb(500, mib) > 500 + 500 + 16.7 + whole, "its root disk, half a second at 1 GB/s, its console"


def test_a_call_that_returns_in_time_costs_nothing(tmp_path: Path) -> None:
    before = threading.active_count()
    with limited("a call", tmp_path):
        pass
    with pytest.raises(GuestLost), limited("a call", tmp_path):
        raise GuestLost("gone")
    assert threading.active_count() == before
    assert not (tmp_path / watchdog.STACKS).exists()


@pytest.mark.parametrize("fails", [False, True])
def test_a_call_that_does_not_is_told_with_all_stacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    monkeypatch.setattr(watchdog, "CALL_S", 0.1)
    with pytest.raises(LibvirtStuck, match="within 0 s from: a call"), limited("a call", tmp_path):
        time.sleep(0.4)
        if fails:
            raise GuestLost("QEMU was ended")
    assert "test_a_call_that_does_not_is_told" in (tmp_path / watchdog.STACKS).read_text()


def test_a_call_that_never_returns_ends_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "CALL_S", 0.1)
    monkeypatch.setattr(watchdog, "GRACE_S", 0.1)
    ends: list[int] = []
    monkeypatch.setattr(os, "_exit", ends.append)
    monkeypatch.setattr(ledger, "abandon", lambda: ends.append(0))
    with pytest.raises(LibvirtStuck), limited("a call", tmp_path):
        time.sleep(0.6)
    assert ends == [0, 4], "what was made is cleared up, then the exit code of a lost guest"
