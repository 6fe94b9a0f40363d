"""The real sampler, built and run on this machine against its own /proc.

Most tests give it a made-up cgroup directory, as it only reads files there. Exit events need a real
cgroup v2 directory and the right to hear taskstats (root): those tests say so when they are skipped.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import pytest

from measure.stream import Exit, Hello, Mark, Record, Start, Stop, StreamDecoder, StreamError, Tick
from testbed.process import PROJECT, run

FOLDER = PROJECT / "measure"
PROGRAM = FOLDER / "build" / "sampler"
WAIT_S = 10.0


@pytest.fixture(scope="module", autouse=True)
def _built() -> None:
    run(["make", "-C", FOLDER, "all"])


class Sampler:
    """The program with its standard input and output as its port."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.records: list[Record] = []
        self._decoder = StreamDecoder()

    def tell(self, command: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(command.encode() + b"\n")
        self.process.stdin.flush()

    def until(self, wanted: Callable[[Record], bool]) -> list[Record]:
        """Read until a record that is wanted comes; all that came by then, since the start."""
        assert self.process.stdout
        deadline = time.monotonic() + WAIT_S
        while not any(wanted(record) for record in self.records):
            assert time.monotonic() < deadline, f"not in {self.records}"
            data = os.read(self.process.stdout.fileno(), 65536)
            assert data, f"the sampler ended: {self.process.wait()}"
            self.records += self._decoder.feed(data)
        return self.records

    def ticks(self, count: int) -> list[Tick]:
        return only(self.until(lambda r: isinstance(r, Tick) and r.n >= count - 1), Tick)

    def stop(self) -> Stop:
        self.tell("stop")
        return only(self.until(lambda r: isinstance(r, Stop)), Stop)[0]


T = TypeVar("T", bound=Record)


def only(records: list[Record], kind: type[T]) -> list[T]:
    return [record for record in records if isinstance(record, kind)]


@contextmanager
def sampler(*groups: str, interval: str = "0.02", disks: tuple[str, ...] = ()) -> Iterator[Sampler]:
    command = [str(PROGRAM), "--port", "-", "--interval", interval]
    command += [word for group in groups for word in ("--group", group)]
    command += [word for disk in disks for word in ("--disk", disk)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            yield Sampler(process)
        finally:
            process.kill()


@pytest.fixture
def group(tmp_path: Path) -> Path:
    """A directory that looks like a cgroup with this process in it."""
    folder = tmp_path / "group"
    folder.mkdir()
    (folder / "cgroup.procs").write_text(f"{os.getpid()}\n")
    return folder


@pytest.fixture
def cgroup() -> Iterator[Path]:
    """A real cgroup v2 directory below this process's."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    mount = next((words[1] for words in mounts if words[2] == "cgroup2"), None)
    if os.geteuid() or not mount:
        pytest.skip("needs root and a cgroup v2 mount")
    folder = Path(mount) / f"sampler-test-{os.getpid()}"
    try:
        (folder / "inner").mkdir(parents=True)
    except OSError as error:
        pytest.skip(f"cannot make a cgroup: {error}")
    yield folder
    (folder / "inner").rmdir()
    folder.rmdir()


def in_cgroup(folder: Path, *command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sh", "-c", 'echo $$ > "$0"; exec "$@"', folder / "cgroup.procs", *command])


def test_its_own_unit_tests_pass() -> None:
    run(["make", "-C", FOLDER, "check"])


def test_hello_describes_the_machine(group: Path) -> None:
    with sampler(f"a={group}") as s:
        s.tell("ping")
        hello = only(s.until(lambda r: len(s.records) >= 2), Hello)[1]
        assert hello.pid == s.process.pid
        assert hello.kernel == os.uname().release
        assert (hello.page_size, hello.hz) == (os.sysconf("SC_PAGESIZE"), os.sysconf("SC_CLK_TCK"))


def test_ticks_are_due_at_exact_instants(group: Path) -> None:
    with sampler(f"a={group}") as s:
        s.tell("start")
        s.ticks(5)
        s.tell("mark half")
        ticks = s.ticks(10)
        stop = s.stop()
        start = only(s.records, Start)[0]
        assert start.interval == 0.02
        assert abs(start.wall - time.time()) < WAIT_S
        ticks = only(s.records, Tick)
        for before, after in pairwise(ticks):
            assert after.n > before.n
            assert after.n - before.n == 1 + after.missed - before.missed
        for tick in ticks:
            assert tick.due == pytest.approx(start.t + tick.n * 0.02, abs=2e-9)
            assert tick.t - tick.due == pytest.approx(tick.late_us / 1e6, abs=2e-6)
        mark = only(s.records, Mark)[0]
        assert mark.name == "half"
        assert ticks[4].t < mark.t < stop.t
        assert (stop.ticks, stop.missed, stop.dropped) == (len(ticks), ticks[-1].missed, 0)
        assert stop.own.majflt == 0


def test_an_interval_may_be_given_with_start(group: Path) -> None:
    with sampler(f"a={group}", interval="60") as s:
        s.tell("start 0.01")
        ticks = s.ticks(4)
        assert only(s.records, Start)[0].interval == 0.01
        assert ticks[3].due - ticks[0].due == pytest.approx(0.01 * (ticks[3].n - ticks[0].n), abs=2e-9)


def test_missed_ticks_are_counted(group: Path) -> None:
    with sampler(f"a={group}") as s:
        s.tell("start")
        s.ticks(2)
        s.process.send_signal(signal.SIGSTOP)
        time.sleep(0.15)
        s.process.send_signal(signal.SIGCONT)
        s.until(lambda r: isinstance(r, Tick) and r.missed >= 4)
        stop = s.stop()
        ticks = only(s.records, Tick)
        assert stop.missed >= 4
        assert stop.ticks + stop.missed == ticks[-1].n + 1
        assert all(tick.late_us < 1e6 for tick in ticks)


def test_processes_are_read_from_proc(group: Path) -> None:
    inner = group / "system.slice" / "b.service"
    inner.mkdir(parents=True)
    (group / "system.slice" / "cgroup.procs").touch()
    odd = "import time; open('/proc/self/comm', 'w').write(') R (x y'); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", odd]) as child, sampler(f"a={group}") as s:
        while Path(f"/proc/{child.pid}/comm").read_text() != ") R (x y\n":
            time.sleep(0.01)
        (inner / "cgroup.procs").write_text(f"{child.pid}\n0\n")
        s.tell("start")
        tick = s.ticks(1)[0]
        processes = {process.pid: process for process in tick.procs}
        assert set(processes) == {os.getpid(), child.pid}
        assert processes[child.pid].comm == ") R (x y"
        assert processes[child.pid].cgroup == "/system.slice/b.service"
        own = processes[os.getpid()]
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        assert (own.cgroup, own.group, own.start) == ("", "a", int(fields[19]))
        assert 0 < own.minflt <= int(fields[7])
        assert own.rss > 0
        child.kill()
        child.wait()
        s.until(lambda r: isinstance(r, Tick) and [p.pid for p in r.procs] == [os.getpid()])


def test_system_wide_counters_are_there(group: Path) -> None:
    disks = [line.split()[2] for line in Path("/proc/diskstats").read_text().splitlines()][:1]
    with sampler(f"a={group}", disks=(*disks, "nosuchdisk")) as s:
        s.tell("start")
        tick = s.ticks(1)[0]
        assert {"pswpin", "pswpout", "pgmajfault", "pgscan_kswapd"} <= set(tick.vmstat)
        assert {"MemFree", "MemAvailable", "SwapFree", "SwapCached"} <= set(tick.meminfo)
        assert list(tick.disks) == disks


def test_a_group_may_come_and_go(tmp_path: Path) -> None:
    folder = tmp_path / "alpha.slice"
    with sampler(f"alpha={folder}") as s:
        s.tell("start")
        first = s.ticks(1)[0]
        assert first.procs == ()
        assert first.groups["alpha"].memory_current is None
        for value in (4096, 8192):
            folder.mkdir()
            (folder / "memory.current").write_text(f"{value}\n")
            (folder / "memory.stat").write_text("anon 1\nunwanted 2\npgmajfault 3\n")
            (folder / "memory.events").write_text("oom 4\noom_kill 5\noom_group_kill 6\n")
            (folder / "memory.pressure").write_text("some avg10=0.00 total=7\nfull avg10=0.00 total=8\n")
            (folder / "cgroup.procs").write_text(f"{os.getpid()}\n")
            s.until(lambda r, v=value: isinstance(r, Tick) and r.groups["alpha"].memory_current == v)  # type: ignore[misc]
            for path in folder.iterdir():
                path.unlink()
            folder.rmdir()
            s.records.clear()
            s.until(lambda r: isinstance(r, Tick) and r.groups["alpha"].memory_current is None)


def test_final_counts_of_a_short_lived_process_are_kept(cgroup: Path) -> None:
    threads = "import threading as t; x = [t.Thread(target=lambda: bytearray(9 << 20)) for _ in range(4)];"
    threads += "[i.start() for i in x]; [i.join() for i in x]"
    with sampler(f"a={cgroup}", interval="0.1") as s:
        hello = only(s.until(lambda r: isinstance(r, Hello)), Hello)[0]
        if not hello.taskstats:
            pytest.skip("taskstats is not permitted here")
        s.tell("start")
        s.ticks(1)
        child = in_cgroup(cgroup / "inner", sys.executable, "-c", threads)
        _, _, usage = os.wait4(child.pid, 0)
        stranger = subprocess.Popen(["true"])
        stranger.wait()
        exits = only(s.until(lambda r: isinstance(r, Exit) and r.pid == child.pid), Exit)
        assert [(e.pid, e.group, e.ppid) for e in exits] == [(child.pid, "a", os.getpid())]
        assert exits[0].comm == Path(sys.executable).name[:15]
        # The kernel's count for the whole process, the ended threads' faults with it.
        assert (exits[0].minflt, exits[0].majflt) == (usage.ru_minflt, usage.ru_majflt)
        stop = s.stop()
        assert (stop.lost_exits, stop.overruns) == (0, 0)
        assert len(only(s.records, Exit)) == 1
        child.returncode = 0


def test_exits_whose_group_cannot_be_told_are_counted(cgroup: Path) -> None:
    with sampler(f"a={cgroup}") as s:
        hello = only(s.until(lambda r: isinstance(r, Hello)), Hello)[0]
        if not hello.taskstats:
            pytest.skip("taskstats is not permitted here")
        s.tell("start")
        s.ticks(1)
        s.process.send_signal(signal.SIGSTOP)
        # By the time that the sampler hears of them, the child and its parent are gone.
        in_cgroup(cgroup, "sh", "-c", "true & wait").wait()
        s.process.send_signal(signal.SIGCONT)
        assert s.stop().lost_exits >= 1


def test_exits_outside_a_recording_are_not_reported(cgroup: Path) -> None:
    with sampler(f"a={cgroup}") as s:
        s.until(lambda r: isinstance(r, Hello))
        in_cgroup(cgroup, "true").wait()
        s.tell("start")
        s.ticks(8)
        s.stop()
        assert only(s.records, Exit) == []


def test_bad_commands_are_answered(group: Path) -> None:
    with sampler(f"a={group}") as s:
        for command in ("stop", "begin", "start 0", "x" * 300, "mark a b"):
            s.tell(command)
        s.tell("start")
        s.tell("start")
        s.until(lambda r: isinstance(r, StreamError) and "already" in r.message)
        errors = [error.message for error in only(s.records, StreamError)]
        assert [message.split(":")[0] for message in errors[:2]] == ["stop", 'unknown command "begin"']
        assert len(errors) == 6
        s.stop()


def test_sigterm_ends_a_recording_properly(group: Path) -> None:
    with sampler(f"a={group}") as s:
        s.tell("start")
        s.ticks(2)
        s.process.terminate()
        assert s.until(lambda r: isinstance(r, Stop))
        assert s.process.wait(WAIT_S) == 0


def test_it_ends_with_its_standard_input(group: Path) -> None:
    with sampler(f"a={group}") as s:
        assert s.process.stdin
        s.process.stdin.close()
        assert s.process.wait(WAIT_S) == 0


def test_it_lives_on_while_the_host_is_away(group: Path, tmp_path: Path) -> None:
    path = tmp_path / "port"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(WAIT_S)
        command = [str(PROGRAM), "--port", str(path), "--group", f"a={group}", "--interval", "0.02"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            try:
                first, _ = listener.accept()
                first.close()
                second, _ = listener.accept()
                cpu = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
                assert sum(map(int, cpu)) <= 5  # clock ticks: it did not spin
                with second:
                    second.settimeout(WAIT_S)
                    second.sendall(b"start\n")
                    decoder, records = StreamDecoder(), list[Record]()
                    while len(only(records, Tick)) < 3:
                        records += decoder.feed(second.recv(65536))
                assert process.poll() is None
            finally:
                process.terminate()
            assert process.wait(WAIT_S) == 0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "--port is required"),
        (["--port", "-"], "--group is required"),
        (["--port", "-", "--group", "a"], "--group must be NAME=/CGROUP/DIRECTORY"),
        (["--port", "-", "--group", "a=/x", "--interval", "0.001"], "--interval must be seconds from"),
        (["--port", "-", "--group", "a=/x", "--interval", "nan"], "--interval must be seconds from"),
        (["--port", "-", "--group", "a=/x", "--disk", ""], "--disk must be"),
        (["--verbose"], "unknown argument"),
    ],
)
def test_a_bad_argument_is_named_with_what_it_accepts(arguments: list[str], named: str) -> None:
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"sampler: {named}")
    assert done.stderr.count("\n") == 1


def test_a_port_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path, why in ((tmp_path / "none", "No such file or directory"), (fifo, "is a FIFO")):
        command = [str(PROGRAM), "--port", str(path), "--group", "a=/x"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
        assert done.returncode == 3
        assert str(path) in done.stderr
        assert why in done.stderr
