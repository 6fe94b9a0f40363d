"""The download's time limit is one for the whole answer, not one for each piece of it."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from testbed.errors import HostError
from workloads.service_a.dataset import DatasetSettings, resolve

LIMIT_S = 0.3


@contextmanager
def answering_bytewise(every_s: float) -> Iterator[str]:
    """A server that begins a header and then sends a byte of it every ``every_s`` seconds; its URL."""
    done = threading.Event()

    def drip(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            connection.sendall(b"HTTP/1.0 200 OK\r\nX-Slow: ")
            while not done.wait(every_s):
                connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=drip, args=(listening,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/test_db"
        finally:
            done.set()
            thread.join()


def test_a_server_that_never_falls_silent_is_given_up_too(tmp_path: Path) -> None:
    with answering_bytewise(LIMIT_S / 6) as url:
        settings = DatasetSettings(
            source="download", path="", repository=url, commit="a" * 40, timeout_s=LIMIT_S, seed=1
        )
        begun = time.monotonic()
        with pytest.raises(HostError, match="no answer within"):
            resolve(settings, tmp_path)
        assert time.monotonic() - begun < 10 * LIMIT_S
