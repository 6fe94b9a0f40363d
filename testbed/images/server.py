"""A server run natively in a root tree while an image is made; in namespaces of its own (testbed.images.namespace)."""

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from testbed.errors import HostError
from testbed.images.confined import confined
from testbed.process import tail

START_SECONDS = 60


@contextmanager
def served(
    name: str, root: Path, user: str, command: Sequence[str], socket: str, log: Path, stop_s: float
) -> Iterator[None]:
    """``command`` as ``user`` in ``root``, from when it listens on ``socket`` there; ended in order, so that its files
    are clean, within ``stop_s`` seconds. ``log``: what it says. Raises HostError with the end of that if it does not
    start, or end, as it should.
    """
    with log.open("wb") as sink:
        server = subprocess.Popen(
            confined(root, user, *command), stdout=sink, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
        )
    try:
        wait_for(name, server, root / socket.lstrip("/"), log)
        yield
        for process in psutil.Process(server.pid).children():  # unshare itself takes no notice
            process.terminate()
        if server.wait(stop_s) != 0:
            raise HostError(f"{name} did not end in order:\n{tail(log)}")
    finally:
        server.kill()
        server.wait()


def wait_for(name: str, server: subprocess.Popen[bytes], socket: Path, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not socket.exists():
        if server.poll() is not None or time.monotonic() > deadline:
            raise HostError(f"{name} did not start:\n{tail(log)}")
        time.sleep(0.05)
