"""What a console tells, read piece by piece, and the limit on calls that do not return."""

import os
import threading
import time
from pathlib import Path

import pytest

from testbed import ledger, watchdog
from testbed.errors import ConsoleFlood, GuestLost, GuestOutOfMemory, GuestPanicked, LibvirtStuck
from testbed.watch import ConsoleReader, trouble_in
from testbed.watchdog import limited

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


def test_a_flood_is_trouble_and_is_not_read(tmp_path: Path) -> None:
    console = tmp_path / "console.log"
    console.write_bytes(b"x" * 5000)
    assert ConsoleReader(console, limit=5000).trouble() is None
    console.write_bytes(b"x" * 5001)
    assert type(ConsoleReader(console, limit=5000).trouble()) is ConsoleFlood


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
