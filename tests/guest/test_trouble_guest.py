"""A guest in trouble: each kind is its own error, found within its limit. Each test has a fork of its own."""

import gc
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
from short_run import FORKS, prepare_forks

from experiment import kept_guest
from experiment.building.prepare import Prepared
from experiment.failure import kernel_log
from measure.recording import SampleStream
from measure.stream import Mark
from testbed import guest as guests
from testbed.connection import connect
from testbed.errors import (
    ChannelSilent,
    ConsoleFlood,
    DiskFlood,
    GuestLost,
    GuestOutOfMemory,
    GuestPanicked,
    HarnessError,
    LibvirtStuck,
    RequestTimeout,
    ShellSilent,
)
from testbed.guest import MEASURE_PORT, Guest, restore
from testbed.ledger import programs
from testbed.ssh.shell import Shell
from testbed.supervision import watch, watchdog
from workloads.request import request

pytestmark = FORKS

CYCLES = 100 if os.environ.get("PAGING_SURVIVAL") else 4


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    return prepare_forks()


@contextmanager
def forked(prepared: Prepared, folder: Path) -> Iterator[Guest]:
    snapshot = prepared.snapshots["lxc"]
    with ExitStack() as stack:
        connection, sockets = stack.enter_context(connect("embed"))
        saved = (snapshot.memory, snapshot.disks)
        guest = stack.enter_context(restore(connection, sockets, snapshot.image, *saved, folder))
        guest.resume()
        yield guest


@pytest.fixture
def guest(prepared: Prepared, tmp_path: Path) -> Iterator[Guest]:
    with forked(prepared, tmp_path) as guest:
        yield guest


@pytest.fixture
def shell(guest: Guest) -> Iterator[Shell]:
    shell = guest.shell(90)
    yield shell
    shell.close()


def background(shell: Shell, command: str) -> None:
    """Of a command after which the shell may not come back."""
    shell.run("sh", "-c", f"(sleep 0.2; {command}) > /dev/null 2>&1 &")


def trouble(guest: Guest, limit: float = 30) -> HarnessError:
    """The first that ``alive`` raises."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        try:
            guest.alive()
        except HarnessError as error:
            return error
        time.sleep(0.05)
    raise AssertionError("the guest is well")


def qemu(folder: Path) -> psutil.Process:
    (pid,) = programs.processes_of(folder, programs.own_mark())
    return psutil.Process(pid)


def test_panic(guest: Guest, shell: Shell) -> None:
    background(shell, "echo c > /proc/sysrq-trigger")
    error = trouble(guest)
    assert type(error) is GuestPanicked
    assert "sysrq triggered crash" in str(error)


def test_a_process_killed_for_want_of_memory(guest: Guest, shell: Shell) -> None:
    background(shell, "echo f > /proc/sysrq-trigger")
    error = trouble(guest)
    assert type(error) is GuestOutOfMemory
    assert "Killed process" in str(error)


def test_power_off(guest: Guest, shell: Shell) -> None:
    background(shell, "poweroff --force --force")
    assert type(trouble(guest)) is GuestLost


def test_qemu_killed(guest: Guest, tmp_path: Path) -> None:
    qemu(tmp_path).kill()
    assert type(trouble(guest)) is GuestLost
    assert "gone" in kernel_log(guest)


def test_ssh_stopped(guest: Guest, shell: Shell) -> None:
    shell.run("sh", "-c", "systemctl stop ssh.socket ssh.service 2>/dev/null; systemctl is-active ssh.service; true")
    begin = time.monotonic()
    with pytest.raises(ShellSilent, match="console's last lines"):
        guest.shell(5)
    assert time.monotonic() - begin < 30
    assert shell.run("echo", "still here").strip() == "still here"


def test_a_command_that_does_not_end(shell: Shell) -> None:
    begin = time.monotonic()
    with pytest.raises(ShellSilent, match="still running after 2 s: sleep 1000"):
        shell.run("sleep", "1000", timeout=2)
    with pytest.raises(ShellSilent):
        shell.run("sh", "-c", "while echo on; do sleep 0.3; done", timeout=2)
    assert time.monotonic() - begin < 15


def test_a_command_that_says_too_much(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("testbed.ssh.shell.OUTPUT_BYTES", 100_000)
    with pytest.raises(HarnessError, match="more than 100000 bytes"):
        shell.run("cat", "/dev/zero")


def test_console_flood(prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "CONSOLE_BYTES", 100_000)
    with forked(prepared, tmp_path) as guest:
        shell = guest.shell(90)
        background(shell, "yes flood > /dev/ttyS0")
        error = trouble(guest, 60)
        shell.close()
        assert type(error) is ConsoleFlood
        assert guest.watch.gone.wait(30), "it is ended, or it would go on"
        assert guest.console.stat().st_size < 5_000_000


def test_a_kept_guest_that_floods_its_console_is_ended(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had a line of an OOM kill before, for which it is kept. Were it not ended, it would power itself off."""
    monkeypatch.setattr(watch, "CONSOLE_BYTES", 100_000)
    monkeypatch.setattr(sys, "stdin", None)
    said: list[str] = []
    with forked(prepared, tmp_path) as guest:
        shell = guest.shell(90)
        line = "echo 'Out of memory: Killed process 1 (init)' > /dev/ttyS0"
        background(shell, f"{line}; sleep 3; timeout 60 yes flood > /dev/ttyS0; poweroff --force --force")
        error = trouble(guest)
        shell.close()
        assert type(error) is GuestOutOfMemory
        kept_guest.keep(guest, str(error), said.append)
        assert "the guest is kept" in said
        assert re.fullmatch("the guest is not kept any longer: the guest wrote .* MB onto its console, .*", said[-1])
        assert trouble(guest) is error, "the first one is told"
        assert guest.console.stat().st_size < 5_000_000


def test_root_disk_flood(prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guests, "FORK_ROOT_MB", 20)
    with forked(prepared, tmp_path) as guest:
        shell = guest.shell(90)
        guest.alive()
        background(shell, "dd if=/dev/zero of=/filler bs=1M count=2000 oflag=direct")
        error = trouble(guest, 60)
        shell.close()
        assert type(error) is DiskFlood
        assert "to its root disk, 20.0 are the limit" in str(error)
        assert guest.watch.gone.wait(30), "it is ended, or it would go on"
        assert (tmp_path / "root.qcow2").stat().st_size < 20e6 + watch.LOOK_S * watch.FASTEST_MB_S * 1e6


def test_sampler_silent(guest: Guest, tmp_path: Path) -> None:
    """Asked for a mark: a hello waits in the port since the sampler started, and may come before the guest halts."""
    stream = SampleStream(guest.ports[MEASURE_PORT], tmp_path / "samples.jsonl")
    process = qemu(tmp_path)
    process.suspend()
    try:
        stream.send("mark unheard")
        with pytest.raises(ChannelSilent, match="the answer did not come within 2 s"):
            stream.wait(lambda record: isinstance(record, Mark), 2, "the answer", guest.alive)
    finally:
        process.resume()
        stream.close()


def test_request_without_end(guest: Guest, shell: Shell) -> None:
    shell.run("pkill", "-STOP", "mariadbd")
    begin = time.monotonic()
    with pytest.raises(RequestTimeout):
        request(guest.http_port, 3)
    assert time.monotonic() - begin < 10
    shell.run("pkill", "-CONT", "mariadbd")


def test_libvirt_call_that_does_not_return(guest: Guest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "CALL_S", 2.0)
    process = qemu(tmp_path)
    process.suspend()  # its monitor does not answer any more
    begin = time.monotonic()
    with pytest.raises(LibvirtStuck, match="within 2 s from: the disks' limits"):
        guest.disk_iops()
    assert time.monotonic() - begin < 20
    assert "blockIoTune" in (tmp_path / watchdog.STACKS).read_text()
    process.wait(10)  # its parent has yet to reap it


def test_restored_and_destroyed_again_and_again_nothing_leaks(prepared: Prepared, tmp_path: Path) -> None:
    """The first cycles fill caches: libvirt's, Python's. After that every one must cost nothing that stays."""
    me = psutil.Process()

    def cycle(number: int) -> None:
        folder = tmp_path / str(number)
        folder.mkdir()
        with forked(prepared, folder) as guest:
            guest.alive()
            sockets = next(iter(guest.ports.values())).parent
            assert sockets.is_dir()
        assert programs.processes_of(folder, programs.own_mark()) == ()
        assert not sockets.exists()
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()

    def state() -> tuple[int, int]:
        gc.collect()
        return me.num_fds(), threading.active_count()

    for number in range(3):
        cycle(number)
    before, rss = state(), me.memory_info().rss
    for number in range(CYCLES):
        cycle(number)
    assert state() == before
    grown = (me.memory_info().rss - rss) / 2**20
    print(f"{CYCLES} cycles: {grown:+.1f} MiB, descriptors and threads {before}")
    assert grown < 1 + 0.02 * CYCLES
