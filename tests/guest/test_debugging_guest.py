"""`run.py shell` and a kept guest, for real: each test has a fork of the warm lxc snapshot of the project's cache."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console
from words import in_folders

from configuration.condition import LXC
from configuration.load import load
from configuration.plan import make_plan
from experiment import kept_guest
from experiment.building.prepare import prepare
from experiment.commands.shell import Wanted, as_wanted
from experiment.progress import Progress
from experiment.run_folder import Store
from testbed.cache import Cache, default_cache
from testbed.process import PROJECT
from testbed.ssh import client
from testbed.ssh.keys import make_pair

pytestmark = pytest.mark.guest
long = pytest.mark.skipif(not os.environ.get("PAGING_SURVIVAL"), reason="takes long: make survival")

CACHE = default_cache()
CONFIGURATION = PROJECT / "experiments.toml"
CELL = "01-working-set-200"


def shell_words(*words: str) -> list[str]:
    return [sys.executable, "run.py", *in_folders(words, cache=CACHE)]


def left_behind() -> list[str]:
    """Folders of shells' guests in the cache, and their QEMU processes."""
    found = [path.name for path in (CACHE / "guests").glob("shell-*")]
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if "qemu-system" in line and str(CACHE.resolve() / "guests" / "shell-") in line:
            found.append(line)
    return found


def fed(script: str, *words: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        shell_words(*words), input=script, capture_output=True, text=True, cwd=PROJECT, timeout=900, check=False
    )
    print(done.stdout[-2000:], done.stderr[-2000:])
    assert left_behind() == []
    return done


@dataclass
class Typist:
    """Sits at a terminal where a program runs."""

    keyboard: int
    screen: str = ""

    def type(self, keys: str) -> None:
        os.write(self.keyboard, keys.encode())

    def see(self, text: str, limit: float = 300) -> str:
        """What came until ``text`` did; the rest is for the next time."""
        deadline = time.monotonic() + limit
        while text not in self.screen:
            left = deadline - time.monotonic()
            assert left > 0, f"no {text!r} within {limit:.0f} s: {self.screen!r}"
            if select.select([self.keyboard], [], [], left)[0]:
                self.screen += os.read(self.keyboard, 65536).decode(errors="replace")
        before, _, self.screen = self.screen.partition(text)
        return before

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self.keyboard, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))


@dataclass
class Session:
    """run.py at a terminal of its own."""

    typist: Typist
    process: subprocess.Popen[bytes]
    terminal: int
    before: list[object]

    def end(self) -> int:
        code = self.process.wait(60)
        assert termios.tcgetattr(self.terminal) == self.before, "the terminal is as it was"
        assert left_behind() == []
        return code


@pytest.fixture
def session() -> Iterator[Session]:
    ours, theirs = pty.openpty()
    typist = Typist(ours)
    typist.resize(101, 33)
    before: list[object] = list(termios.tcgetattr(theirs))
    process = subprocess.Popen(
        # The terminal is made the controlling one, so that it sends SIGWINCH.
        ["setsid", "--ctty", *shell_words("shell")],
        stdin=theirs, stdout=theirs, stderr=theirs, cwd=PROJECT, env={**os.environ, "TERM": "xterm-256color"},
    )  # fmt: skip
    try:
        yield Session(typist, process, theirs, before)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(60)
        os.close(ours)
        os.close(theirs)


class TestAShellInAGuest:
    def test_a_script_from_a_pipe(self) -> None:
        done = fed("uname -r; echo oops >&2; exit 7\n", "shell", "lxc")
        assert done.returncode == 7
        assert done.stdout.startswith("6.")
        assert len(done.stdout.splitlines()) == 1, "only the guest speaks on standard output"
        assert "root shell in a fork of snapshot-lxc-" in done.stderr
        assert "oops\n" in done.stderr

    @long
    def test_more_than_an_ssh_window_in_both_directions(self) -> None:
        line = "x" * 1000
        done = fed(f"echo {line}\n" * 6000, "shell")
        assert done.returncode == 0
        assert done.stdout == f"{line}\n" * 6000

    @long
    def test_a_guest_that_is_lost_is_told(self) -> None:
        done = fed("echo c > /proc/sysrq-trigger\n", "shell")
        assert done.returncode == 4
        assert "panic" in done.stderr

    def test_a_cells_condition(self, tmp_path: Path) -> None:
        configuration = load(CONFIGURATION, {"run": {"conditions": ["baseline", "working-set-200"], "replicates": 1}})
        store = Store.create(tmp_path, configuration, make_plan(configuration))
        script = "/usr/local/sbin/prefetchctl status; date +%s\n"
        done = fed(script, "--results", str(tmp_path), "shell", CELL, "--run", "latest")
        assert done.returncode == 0
        *status, clock = done.stdout.splitlines()
        assert "working-set" in "\n".join(status)
        assert abs(int(clock) - time.time()) < 60
        assert f"cell {CELL} of run {store.run}: policy working-set, 200 operations/s a disk" in done.stderr
        assert "(unknown)" in done.stderr, "the run has no manifest"

    def test_a_person_at_a_terminal(self, session: Session) -> None:
        typist = session.typist
        typist.see("leave with exit or Ctrl-D")
        typist.see("# ")
        typist.type("echo $TERM; stty size; tty\n")
        said = typist.see("/dev/pts/")
        assert "xterm-256color\r\n33 101\r\n" in said
        typist.resize(77, 22)
        time.sleep(0.5)
        typist.type("stty size\n")
        typist.see("22 77\r\n")
        typist.type("sh -c 'printf \"u%s\\\\n\" p; exec sleep 1000'\n")
        typist.see(
            "up\r\n"
        )  # its own words: before them Ctrl-C might reach the shell alone, and the sleep begin after it
        typist.type("\x03")
        typist.see("# ")
        time.sleep(1)  # Ctrl-C flushes what was typed, and readline may still be at it when its prompt is there
        typist.type("yes\n")
        typist.see("y\r\ny\r\n")
        typist.type("\x03")
        typist.see("# ")
        time.sleep(1)
        typist.type("(exit 5)\n")
        typist.see("(exit 5)\r\n")
        typist.see("# ")
        typist.type("\x04")
        assert session.end() == 5

    @long
    def test_the_way_out_of_one_that_does_not_answer(self, session: Session) -> None:
        session.typist.see("# ")
        session.typist.type("cat\n")
        session.typist.see("cat\r\n")
        session.typist.type("\n~.")
        assert session.end() == client.LEFT

    @long
    def test_sigterm_leaves_nothing_either(self, session: Session) -> None:
        session.typist.see("# ")
        session.process.send_signal(signal.SIGTERM)
        assert session.end() == client.LEFT
        session.typist.see("no guest runs any more")


def test_a_kept_guest_is_logged_in_to_as_told_and_none_in_its_place(tmp_path: Path) -> None:
    configuration, cache = load(CONFIGURATION), Cache(CACHE.resolve())
    with Progress(Console(stderr=True), configuration.roles, 0, 0) as progress:
        prepared = prepare(cache, configuration, [LXC], progress)
    make_pair(tmp_path / "other", tmp_path / "other.pub")
    answers: list[subprocess.CompletedProcess[str]] = []
    with as_wanted(cache, prepared, Wanted(configuration, configuration.for_base(LXC))) as guest:
        known_hosts = guest.console.with_name("known_hosts")

        def log_in(command: str) -> None:
            ours = known_hosts.read_text()
            other = ours.split()[0] + " " + (tmp_path / "other.pub").read_text()
            for pinned, words in ((ours, "uname -r"), (other, "uname -r"), (ours, "poweroff")):
                known_hosts.write_text(pinned)
                given = f"{command} {words}"
                answers.append(subprocess.run(given, shell=True, capture_output=True, text=True, check=False))  # noqa: S602

        def follow(line: str) -> None:
            if "log in:" in line:
                threading.Thread(target=log_in, args=(line.split("log in:", 1)[1],)).start()

        with pytest.MonkeyPatch.context() as patch, Path(os.devnull).open() as nothing:
            patch.setattr(sys, "stdin", nothing)
            kept_guest.keep(guest, "for this test", follow)  # until it is powered off
    right, wrong, _ = answers
    assert right.stdout.startswith("6."), right.stderr
    assert (wrong.stdout, "Host key verification failed" in wrong.stderr) == ("", True)
    assert left_behind() == []
