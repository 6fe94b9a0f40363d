"""What is there for debugging, without a guest: a cell's console, keeping a guest, and what a shell is opened in."""

import gzip
import json
import os
import pty
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

import run
from configuration.condition import LXC, Base
from configuration.load import load
from configuration.plan import make_plan
from experiment import kept_guest
from experiment.commands.console import show_console
from experiment.commands.shell import Wanted, choose
from experiment.run_folder import Store
from testbed.errors import DiskFlood, GuestError, UsageError
from testbed.guest import Guest
from testbed.process import PROJECT
from testbed.ssh.client import command_line

CONFIGURATION = PROJECT / "experiments.toml"
CELL = "01-working-set-200"
EVIL = b"\x1b]0;owned\x07boot\tok\r\n\x9b2Jnext \xff\r\n"  # a title, a cleared screen, and no UTF-8


@pytest.fixture
def store(tmp_path: Path) -> Store:
    configuration = load(CONFIGURATION, {"run": {"conditions": ["baseline", "working-set-200"], "replicates": 1}})
    return Store.create(tmp_path / "results", configuration, make_plan(configuration))


def attempt(folder: Path, console: bytes | None, reason: str = "") -> None:
    folder.mkdir(parents=True)
    end = {"type": "end", "complete": True, "valid": not reason, "reason": reason}
    (folder / "cell.jsonl").write_text(json.dumps(end) + "\n")
    if console is not None:
        (folder / "console.log").write_bytes(console)


def shown(store: Store, cell: str = CELL) -> list[str]:
    lines: list[str] = []
    show_console(store, cell, lines.append)
    return lines


class TestTheConsole:
    def test_it_is_text_that_no_terminal_obeys(self, store: Store) -> None:
        attempt(store.folder / "cells" / CELL, EVIL)
        (text,) = shown(store)
        assert text == "\N{REPLACEMENT CHARACTER}]0;owned\N{REPLACEMENT CHARACTER}boot  ok\n" + (
            "\N{REPLACEMENT CHARACTER}2Jnext \N{REPLACEMENT CHARACTER}"
        )

    def test_all_attempts_come_the_newest_last(self, store: Store) -> None:
        failed = store.folder / "failed"
        for number in (2, 10, 1):
            attempt(failed / f"{CELL}.{number}", f"attempt {number}\n".encode(), f"lost\x1b\nin {number}")
        attempt(failed / "01-baseline.1", b"another cell's\n", "lost")
        attempt(store.folder / "cells" / CELL, b"")
        assert shown(store) == [
            f"==> failed/{CELL}.1: lost\N{REPLACEMENT CHARACTER}",
            "attempt 1",
            f"==> failed/{CELL}.2: lost\N{REPLACEMENT CHARACTER}",
            "attempt 2",
            f"==> failed/{CELL}.10: lost\N{REPLACEMENT CHARACTER}",
            "attempt 10",
            f"==> cells/{CELL}: counts",
            "(the console is empty)",
        ]

    def test_a_rehearsals_comes_before_its_cells(self, store: Store) -> None:
        folder = store.folder / "cells" / CELL
        attempt(folder / "rehearsal", b"first\n")
        (folder / "cell.jsonl").write_text(json.dumps({"type": "end", "complete": True, "valid": True}) + "\n")
        (folder / "console.log").write_bytes(b"then\n")
        assert shown(store) == [
            f"==> cells/{CELL}/rehearsal: counts", "first", f"==> cells/{CELL}: counts", "then",
        ]  # fmt: skip

    def test_a_packed_run_has_it_compressed(self, store: Store) -> None:
        folder = store.folder / "cells" / CELL
        attempt(folder, None)
        assert shown(store) == ["(no console was kept)"]
        (folder / "console.log.gz").write_bytes(gzip.compress(b"packed\n"))
        assert shown(store) == ["packed"]
        (folder / "console.log.gz").write_bytes(gzip.compress(b"packed\n")[:-9])
        (text,) = shown(store)
        assert text.startswith("(the console cannot be read: ")

    def test_cells_that_are_not_there_are_named(self, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
        results = ["--results", str(store.folder.parent)]
        assert run.main([*results, "console", "latest", "../../etc"]) == 2
        error = capsys.readouterr().err
        assert f"run {store.run} has no cell '../../etc'" in error
        assert f"its cells: 01-baseline, {CELL}" in error
        assert run.main([*results, "console", "latest", CELL]) == 2
        assert "was not run" in capsys.readouterr().err
        assert run.main([*results, "console", "never", CELL]) == 2

    def test_run_py_prints_it(self, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
        attempt(store.folder / "cells" / CELL, b"Kernel panic\n")
        assert run.main(["--results", str(store.folder.parent), "console", "latest", CELL]) == 0
        assert capsys.readouterr().out == "Kernel panic\n"


@dataclass
class FakeDomain:
    """Of a guest that lives for so many looks."""

    looks: int

    def isActive(self) -> bool:  # noqa: N802 - libvirt's name
        self.looks -= 1
        return self.looks >= 0


@dataclass
class FakeImage:
    private_key: Path
    host_key: Path


class FakeWatch:
    """Whose next look finds what the guest is ended for, if anything."""

    def __init__(self, finds: GuestError | None) -> None:
        self.ended: GuestError | None = None
        self._finds = finds

    def look(self) -> None:
        self.ended = self._finds


@dataclass
class FakeGuest:
    domain: FakeDomain
    image: FakeImage
    console: Path
    watch: FakeWatch
    ssh_port: int = 4022


@dataclass
class Kept:
    """A fake guest's folder, and what was said when it was kept."""

    folder: Path
    said: list[str] = field(default_factory=list)
    ended: GuestError | None = None

    def keep(self, looks: int, out: Callable[[str], None] | None = None) -> str:
        kept_guest.keep(self.guest(looks), "SSH did not\x1b answer", out or self.said.append)
        return "\n".join(self.said)

    def guest(self, looks: int = 10**9) -> Guest:
        image = FakeImage(self.folder / "id", self.folder / "host.pub")
        image.host_key.write_text("ssh-ed25519 AAAA\n")
        return cast(Guest, FakeGuest(FakeDomain(looks), image, self.folder / "console.log", FakeWatch(self.ended)))


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kept:
    monkeypatch.setattr(kept_guest, "POLL_S", 0.01)
    folder = tmp_path / "a b"
    folder.mkdir()
    return Kept(folder)


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The other end of the terminal that is standard input."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield ours
    os.close(ours)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Python heeds SIGINT, also where the tests were started in the background of a shell, which has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class TestKeepingAGuest:
    def test_without_a_terminal_until_it_is_gone(self, kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
        with Path(os.devnull).open() as nothing:
            monkeypatch.setattr(sys, "stdin", nothing)
            text = kept.keep(3)
        assert text.startswith(
            "failed: SSH did not\N{REPLACEMENT CHARACTER} answer\nthe guest is kept\n  log in:  ssh "
        )
        assert f"console: {kept.folder}/console.log" in text
        assert text.endswith("not kept any longer")

    def test_one_that_is_gone_is_not(self, kept: Kept) -> None:
        assert kept.keep(0).endswith("cannot be kept")
        assert not (kept.folder / "known_hosts").exists()

    @pytest.mark.parametrize(("looks", "end"), [(0, "so it cannot be kept"), (3, "is not kept any longer")])
    def test_one_that_was_ended_says_for_what(
        self, kept: Kept, monkeypatch: pytest.MonkeyPatch, looks: int, end: str
    ) -> None:
        kept.ended = DiskFlood("the guest wrote 501.0 MB", "write less")
        monkeypatch.setattr(sys, "stdin", None)
        assert kept.keep(looks).endswith(f"{end}: the guest wrote 501.0 MB")

    def test_enter_ends_it_but_not_one_that_was_pressed_before(self, kept: Kept, keyboard: int) -> None:
        os.write(keyboard, b"\n")
        pressed: list[float] = []

        def press_later() -> None:
            pressed.append(time.monotonic())
            os.write(keyboard, b"\n")

        timer = threading.Timer(0.5, press_later)

        def out(line: str) -> None:
            kept.said.append(line)
            if "Enter ends it" in line:
                timer.start()

        text = kept.keep(10**9, out)
        timer.join()
        assert len(pressed) == 1
        assert text.endswith("not kept any longer")

    def test_ctrl_c_passes_through(self, kept: Kept, keyboard: int, interruptible: None) -> None:
        def out(line: str) -> None:
            if "Enter ends it" in line:
                threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()

        with pytest.raises(KeyboardInterrupt):
            kept.keep(10**9, out)

    def test_ssh_pins_the_host_key_and_reads_no_settings_of_ours(self, kept: Kept) -> None:
        words = shlex.split(command_line(kept.guest()))
        known_hosts = kept.folder / "known_hosts"
        assert known_hosts.read_text() == "paging-guest ssh-ed25519 AAAA\n"
        assert known_hosts.stat().st_mode & 0o777 == 0o600
        assert words[:3] == ["ssh", "-F", "none"]
        if shutil.which("ssh") is None:
            pytest.skip("ssh is not installed")
        shows = subprocess.run([words[0], "-G", *words[1:]], capture_output=True, text=True, check=True).stdout
        settings = dict(line.split(" ", 1) for line in shows.splitlines())
        # OpenSSH from 9 on repeats the quotes.
        assert settings["userknownhostsfile"].strip('"') == str(known_hosts)
        assert settings["hostkeyalias"] == "paging-guest"
        assert settings["stricthostkeychecking"] in ("true", "yes")
        assert (settings["user"], settings["hostname"], settings["port"]) == ("root", "127.0.0.1", "4022")


class TestWhatAShellIsIn:
    def test_a_snapshot_or_a_cell_of_a_run(self, store: Store) -> None:
        configuration = load(CONFIGURATION)
        results = store.folder.parent
        plain = configuration.for_base(Base(topology="plain"))
        assert choose(configuration, results, "latest", "plain") == Wanted(configuration, plain)
        wanted = choose(configuration, results, "latest", CELL)
        assert (wanted.configuration, wanted.settings.base) == (store.configuration(), LXC)
        assert wanted.settings.disk_iops == 200
        emulated = choose(load(CONFIGURATION, {"testbed": {"accelerator": "tcg"}}), results, store.run, CELL)
        assert emulated.configuration.testbed.accelerator == "tcg"
        assert emulated.configuration.run == store.configuration().run

    def test_anything_else_says_what_there_is(self, store: Store, tmp_path: Path) -> None:
        configuration = load(CONFIGURATION)
        with pytest.raises(UsageError, match=r"'lcx' is no snapshot \(plain, lxc, .*\), and .* has no cell") as error:
            choose(configuration, store.folder.parent, "latest", "lcx")
        assert f"its cells: 01-baseline, {CELL}" in str(error.value)
        with pytest.raises(UsageError, match="there is no run 'latest'"):
            choose(configuration, tmp_path / "none", "latest", CELL)
