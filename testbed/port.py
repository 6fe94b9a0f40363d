"""The host's end of a virtio-serial port: bytes from the guest go to a receiver, commands go to the guest."""

import contextlib
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from testbed.errors import GuestError

CHUNK = 65536


class Port:
    """A connected port. ``receive`` is called with every chunk of bytes, on the port's own thread.

    An error that ``receive`` raises ends the reading and stays in ``failure``.
    """

    def __init__(self, path: Path, receive: Callable[[bytes], None]) -> None:
        self.failure: Exception | None = None
        self._receive = receive
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise GuestError(f"the guest's port {path.name} cannot be opened: {error.strerror}") from error
        self._thread = threading.Thread(target=self._read, name=f"port-{path.name}", daemon=True)
        self._thread.start()

    def send(self, line: str) -> None:
        """Send one command. Raises GuestError if the guest's end is gone."""
        try:
            self._socket.sendall(line.encode() + b"\n")
        except OSError as error:
            raise GuestError(f"the guest's port is gone: {error.strerror}") from error

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(timeout=5)
        self._socket.close()

    def _read(self) -> None:
        while chunk := self._chunk():
            try:
                self._receive(chunk)
            except Exception as error:
                self.failure = error
                return

    def _chunk(self) -> bytes:
        try:
            return self._socket.recv(CHUNK)
        except OSError as error:
            self.failure = GuestError(f"the guest's port is gone: {error.strerror}")
            return b""
