"""The peers' guest programs, built and run on this machine.

peerd gets a made-up cgroup folder and devices that are no swap; own_madvise.so is loaded into a Python that accepts.
"""

import json
import os
import socket
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from testbed.process import PROJECT, run

FOLDER = PROJECT / "peers"
PROGRAM = FOLDER / "build" / "peerd"
LIBRARY = FOLDER / "build" / "own_madvise.so"
SPY = FOLDER / "build" / "spy_madvise.so"
WAIT_S = 10.0
WILLNEED = 3  # MADV_WILLNEED
NO_SWAP = "/dev/null"


@pytest.fixture(scope="module", autouse=True)
def _built() -> None:
    run(["make", "-C", FOLDER, "all", f"build/{SPY.name}"])


class Peer:
    """The program with its standard input and output as its port."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.ready = self.event()

    def tell(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def event(self) -> dict[str, Any]:
        assert self.process.stdout
        result: dict[str, Any] = json.loads(self.process.stdout.readline())
        return result

    def go(self) -> dict[str, Any]:
        """Have the action done once: its done event."""
        self.tell("go")
        begin, done = self.event(), self.event()
        assert (begin["event"], done["event"]) == ("begin", "done")
        assert begin["t"] <= done["t"] <= time.monotonic()
        return done


@contextmanager
def peer(*action: str | Path) -> Iterator[Peer]:
    """A peerd that has said that it is ready."""
    command = [PROGRAM, "--port", "-", *action]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            peer = Peer(process)
            assert (peer.ready["event"], peer.ready["action"]) == ("ready", action[0])
            yield peer
        finally:
            process.kill()


@pytest.fixture
def group(tmp_path: Path) -> Path:
    """A folder that looks like a cgroup with this process in it."""
    folder = tmp_path / "group"
    (folder / "inner").mkdir(parents=True)
    (folder / "cgroup.procs").touch()
    (folder / "inner" / "cgroup.procs").write_text(f"{os.getpid()}\n")
    return folder


@contextmanager
def daemon(path: Path, *answers: str) -> Iterator[list[str]]:
    """A prefetchd's control socket that gives one answer a connection; what it was asked."""
    asked: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(WAIT_S)

        def serve() -> None:
            for answer in answers:
                with listener.accept()[0] as connection:
                    asked.append(connection.recv(512).decode())
                    if answer:
                        connection.send(answer.encode())

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield asked
        finally:
            thread.join()


def failed(*arguments: str | Path) -> tuple[int, str]:
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.stdout == ""
    return done.returncode, done.stderr


def test_their_own_unit_tests_pass() -> None:
    said = run(["make", "-C", FOLDER, "check"])
    tests = sorted((FOLDER / "tests").glob("test_*.c"))
    assert tests
    for test in tests:
        assert f"{test.stem}\n" in said


def test_peerd_is_static() -> None:
    assert "INTERP" not in run(["readelf", "--program-headers", "--wide", PROGRAM])


def test_memory_is_read_as_often_as_it_is_told(group: Path) -> None:
    with peer("read-memory", group) as p:
        for _ in range(2):
            done = p.go()
            assert (done["action"], done["ok"], done["detail"]) == ("read-memory", True, "")
            assert done["pages"] >= 0


def test_a_cgroup_may_come_later(tmp_path: Path) -> None:
    folder = tmp_path / "later"
    with peer("read-memory", folder) as p:
        done = p.go()
        assert (done["ok"], done["detail"]) == (False, f"{folder}: No such file or directory")
        folder.mkdir()
        (folder / "cgroup.procs").touch()
        assert p.go()["ok"]


def test_its_memory_is_locked() -> None:
    with peer("swap-cycle", NO_SWAP) as p:
        status = Path(f"/proc/{p.process.pid}/status").read_text()
        locked = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmLck:"))
        assert p.ready["locked"] == (locked > 0)


def test_what_is_no_swap_is_named() -> None:
    with peer("swap-cycle", NO_SWAP, "/dev/nosuch") as p:
        done = p.go()
        assert (done["ok"], done["pages"]) == (False, 0)
        assert done["detail"] == f"{NO_SWAP}: not in use as swap; /dev/nosuch: not in use as swap"


def test_the_daemon_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    answers = ("ok 12 pages\n", 'error no group "w\\eb\x01"\n', "")
    with peer("wake", path, "web") as p:
        assert p.go()["detail"] == f"{path}: No such file or directory"
        with daemon(path, *answers) as asked:
            outcomes = [p.go() for _ in answers]
    assert asked == ["wake web"] * 3
    assert [outcome["ok"] for outcome in outcomes] == [True, False, False]
    assert [outcome["detail"] for outcome in outcomes] == [
        "",
        'error no group "w\\eb\x01"',
        f"{path}: Connection reset by peer",
    ]


def test_other_lines_are_answered() -> None:
    with peer("swap-cycle", NO_SWAP) as p:
        for line in ("", "stop", "go now", 'say "\\\x02\xff', "x" * 300):
            p.tell(line)
        events = [p.event() for _ in range(5)]
        assert {event["event"] for event in events} == {"error"}
        details = [event["detail"] for event in events]
        assert details[:3] == [f'expected "go", not "{line}"' for line in ("", "stop", "go now")]
        assert details[3].startswith('expected "go", not "say "\\\x02')
        assert details[4] == 'expected "go", not a line of more than 255 bytes'
        assert not p.go()["ok"]


def test_lines_told_at_once_are_all_obeyed() -> None:
    done = subprocess.run(
        [PROGRAM, "--port", "-", "swap-cycle", NO_SWAP],
        input="go\ngo\n",
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=True,
    )
    events = [json.loads(line)["event"] for line in done.stdout.splitlines()]
    assert events == ["ready", "begin", "done", "begin", "done"]


def test_it_speaks_over_a_terminal_as_over_a_port() -> None:
    host, device = os.openpty()
    try:
        command: list[str | Path] = [PROGRAM, "--port", os.ttyname(device), "swap-cycle", NO_SWAP]
        with subprocess.Popen(command) as process:
            with os.fdopen(os.dup(host), "rb", buffering=0) as lines:
                assert json.loads(lines.readline())["event"] == "ready"
                assert not termios.tcgetattr(device)[3] & termios.ECHO
                os.write(host, b"go\n")
                assert [json.loads(lines.readline())["event"] for _ in range(2)] == ["begin", "done"]
            process.terminate()
            assert process.wait(WAIT_S) == 0
    finally:
        os.close(host)
        os.close(device)


def test_it_ends_only_after_the_action(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener, peer("wake", path, "web") as p:
        listener.bind(str(path))
        listener.listen()
        p.tell("go")
        assert p.event()["event"] == "begin"
        with listener.accept()[0] as connection:
            p.process.terminate()
            connection.recv(512)
            connection.send(b"ok\n")
            assert p.event()["ok"]
        assert p.process.wait(WAIT_S) == 0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "--port is required"),
        (["--port", "-"], "expected an action, swap-cycle, read-memory or wake"),
        (["--port", "-", "sleep"], "expected an action, swap-cycle, read-memory or wake"),
        (["--port", "-", "swap-cycle"], "swap-cycle takes DEVICE..."),
        (["--port", "-", "read-memory", "group"], "read-memory takes CGROUP_FOLDER"),
        (["--port", "-", "wake", "/run/socket"], "wake takes SOCKET"),
    ],
)
def test_a_bad_argument_is_named_with_what_it_accepts(arguments: list[str], named: str) -> None:
    code, said = failed(*arguments)
    assert code == 2
    assert said.startswith(f"peerd: {named}")
    assert said.count("\n") == 1


def test_a_port_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path, why in ((tmp_path / "none", "No such file or directory"), (fifo, "is a FIFO")):
        code, said = failed("--port", path, "swap-cycle", NO_SWAP)
        assert code == 3
        assert f"{path}" in said
        assert why in said


def test_help_teaches() -> None:
    said = run([PROGRAM, "--help"])
    words = ("--port", "swap-cycle", "read-memory", "wake", "ready", "begin", "done", "error", "Exit codes", "Example")
    assert all(word in said for word in words)


def test_the_library_asks_little_of_the_program_that_loads_it() -> None:
    symbols = run(["nm", "--dynamic", "--defined-only", LIBRARY]).split()
    assert sorted(symbols[2::3]) == ["accept", "accept4"]
    needed = [line for line in run(["readelf", "--dynamic", LIBRARY]).splitlines() if "NEEDED" in line]
    assert len(needed) == 1
    assert "libc.so.6" in needed[0]


SERVER = """\
import ctypes, mmap, socket
memory = mmap.mmap(-1, 1 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
print(ctypes.addressof(ctypes.c_char.from_buffer(memory)))
listener = socket.create_server(("127.0.0.1", 0))
for _ in range(2):
    client = socket.create_connection(listener.getsockname())
    listener.accept()[0].send(b"served")
    assert client.recv(6) == b"served"
"""


@pytest.mark.parametrize("switched_on", [True, False])
def test_a_server_advises_its_memory_when_a_request_comes(tmp_path: Path, switched_on: bool) -> None:
    switch = tmp_path / "switch"
    if switched_on:
        switch.touch()
    done = subprocess.run(
        [sys.executable, "-c", SERVER],
        env={"LD_PRELOAD": f"{LIBRARY} {SPY}", "OWN_MADVISE_SWITCH": str(switch)},
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=True,
    )
    memory = int(done.stdout)
    advices = [tuple(map(int, line.split()[1:])) for line in done.stderr.splitlines() if line.startswith("madvise ")]
    asked = [start for start, size, advice in advices if advice == WILLNEED and start <= memory < start + size]
    assert len(asked) == switched_on  # once, as the second request comes within 5 s
