"""The request that wakes service A, and the check of its answer."""

import contextlib
import http.client
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from testbed.errors import CellError, RequestTimeout, shortened

CHUNK = 65536
# Bytes; the guest is not trusted to end its answer, nor a row of it.
LARGEST = 64 * 1024 * 1024
LONGEST_ROW = 4096
QUOTED = 200  # characters of the guest's in an error


@dataclass(frozen=True)
class Expected:
    """What query.cgi must answer: its number of rows and the sum of the rows' CRC-32 (the order is free)."""

    rows: int
    checksum: int


@dataclass(frozen=True)
class Response:
    """One answer. Times in seconds since the request was sent."""

    rows: int
    checksum: int
    first_byte_s: float
    total_s: float

    def matches(self, expected: Expected) -> bool:
        return (self.rows, self.checksum) == (expected.rows, expected.checksum)


class RowSum:
    """Counts lines and sums their CRC-32, in pieces of any size. Raises CellError on a line that is too long."""

    def __init__(self) -> None:
        self.rows = 0
        self.checksum = 0
        self._rest = b""

    def add(self, piece: bytes) -> None:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        if max(map(len, (*lines, self._rest))) > LONGEST_ROW:
            raise CellError(f"service A's answer has a row of more than {LONGEST_ROW} bytes")
        self.rows += len(lines)
        self.checksum += sum(zlib.crc32(line + b"\n") for line in lines)

    @property
    def complete(self) -> bool:
        """Whether the last line had its end."""
        return not self._rest


def request(port: int, timeout: float, on_first_byte: Callable[[], None] = lambda: None) -> Response:
    """GET /query.cgi from 127.0.0.1:``port``; the whole answer must be there within ``timeout`` seconds.

    Raises RequestTimeout if it is not, and CellError if the service does not answer, answers with an error, or
    stops half-way.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    begin = time.monotonic()
    rows = RowSum()
    first = 0.0
    received = 0
    try:
        connection.connect()
        with ended_after(connection.sock, timeout):
            connection.request("GET", "/query.cgi")
            answer = connection.getresponse()
            if answer.status != http.client.OK:
                raise CellError(f"service A answered {answer.status} {shortened(answer.reason, QUOTED)}")
            while piece := answer.read1(CHUNK):
                if not first:
                    first = time.monotonic() - begin
                    on_first_byte()
                received += len(piece)
                if received > LARGEST:
                    raise CellError(f"service A's answer is longer than {LARGEST} bytes")
                rows.add(piece)
            if answer.length:
                raise CellError(f"service A's answer stops {answer.length} bytes early")
    except (OSError, http.client.HTTPException) as error:
        said = shortened(" ".join(str(error).split()) or type(error).__name__, QUOTED)
        raise CellError(f"the request to service A failed: {said}") from error
    finally:
        connection.close()
    if not rows.complete:
        raise CellError("service A's answer stops in the middle of a row")
    return Response(rows.rows, rows.checksum, first, time.monotonic() - begin)


@contextmanager
def ended_after(connected: socket.socket, seconds: float) -> Iterator[None]:
    """Shuts the socket after ``seconds``, whoever is waiting for it then, and raises RequestTimeout.

    The socket's own timeout starts anew with every byte, and http.client reads some things for as long as they come.
    """
    expired = threading.Event()

    def end() -> None:
        expired.set()
        with contextlib.suppress(OSError):
            connected.shutdown(socket.SHUT_RDWR)

    timeout = RequestTimeout(f"service A's answer was not there within {seconds:g} s")
    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, http.client.HTTPException, CellError) as error:
        if expired.is_set() or isinstance(error, TimeoutError):
            raise timeout from error
        raise
    finally:
        timer.cancel()
    if expired.is_set():
        raise timeout
