"""A process that stands for QEMU: another program under its name, first on PATH."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

WAITS = "import time; print('waits', flush=True); time.sleep(1000)"
HEEDS_NOTHING = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WAITS}"


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A qemu-system-x86_64 that is a Python."""
    program = folder / "bin" / "qemu-system-x86_64"
    program.parent.mkdir()
    shutil.copy(Path(sys.executable).resolve(), program)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return program


@contextmanager
def running(program: Path | str, *words: str, script: str = WAITS) -> "Iterator[subprocess.Popen[str]]":
    """It, with these words behind its script, which has said its line."""
    command = ["qemu", "-c", script, *words]
    process = subprocess.Popen(
        command, executable=program, stdout=subprocess.PIPE, text=True, start_new_session=True
    )  # fmt: skip
    try:
        assert process.stdout
        process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.communicate()
