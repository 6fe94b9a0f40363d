"""Ctrl-C: once in order, twice at once, each without a leftover; in a process of its own."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from testbed.process import PROJECT

# argv: cache, what the end in order does, what comes first. Has a folder and a child, as a run has.
PROGRAM = """
import subprocess, sys, time
from pathlib import Path
from experiment.interrupts import Interrupts
from testbed import ledger
from testbed.errors import INTERRUPTED
import experiment.interrupts
exec(sys.argv[3])
ledger.begin(Path(sys.argv[1]))
try:
    with Interrupts():
        with ledger.folder(Path(sys.argv[1]) / "guests", "shell-") as folder:
            words = [sys.executable, "-c", "import time; time.sleep(1000)", str(folder)]
            child = subprocess.Popen(words, start_new_session=True)
            try:
                print(child.pid, flush=True)
                time.sleep(1000)
            finally:
                exec(sys.argv[2])
                child.kill()
                child.wait()
                print("in order", flush=True)
except KeyboardInterrupt:
    sys.exit(INTERRUPTED)
"""


def start(tmp_path: Path, ending: str, first: str = "pass") -> tuple["subprocess.Popen[str]", psutil.Process]:
    words = [sys.executable, "-c", PROGRAM, str(tmp_path / "cache"), ending, first]
    program = subprocess.Popen(words, cwd=PROJECT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert program.stdout
    return program, psutil.Process(int(program.stdout.readline()))


def left(tmp_path: Path) -> list[str]:
    return [path.name for path in (tmp_path / "cache").glob("*/*")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_ends_in_order(tmp_path: Path, number: int) -> None:
    program, child = start(tmp_path, "pass")
    program.send_signal(number)
    said, errors = program.communicate(timeout=20)
    assert (program.returncode, said, errors) == (130, "in order\n", "")
    assert not child.is_running()
    assert left(tmp_path) == []


# A mutex that is locked twice: unlike sleep(3), that wait is not ended by a signal.
IN_LIBRARY = """
import ctypes
mutex = ctypes.create_string_buffer(64)
for _ in range(2):
    ctypes.CDLL(None).pthread_mutex_lock(mutex)
"""


@pytest.mark.parametrize("ending", ["time.sleep(1000)", IN_LIBRARY], ids=["python", "in a C library"])
def test_the_second_ends_at_once(tmp_path: Path, ending: str) -> None:
    program, child = start(tmp_path, ending)
    program.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert program.poll() is None
    begin = time.monotonic()
    program.send_signal(signal.SIGINT)
    said, errors = program.communicate(timeout=20)
    assert (program.returncode, said) == (130, "")
    assert "interrupted twice: ending at once" in errors
    assert time.monotonic() - begin < 10
    assert not child.is_running()
    assert left(tmp_path) == []


def test_an_end_in_order_that_does_not_come(tmp_path: Path) -> None:
    program, child = start(tmp_path, "time.sleep(1000)", "experiment.interrupts.TIDY_S = 1.0")
    program.send_signal(signal.SIGINT)
    _, errors = program.communicate(timeout=20)
    assert program.returncode == 130
    assert "has not come for 1 s" in errors
    assert not child.is_running()
    assert left(tmp_path) == []
