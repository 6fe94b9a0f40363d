"""The request that wakes service A, and the check of its answer."""

import http.client
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from testbed.errors import CellError

CHUNK = 65536
LARGEST = 64 * 1024 * 1024  # bytes; the guest is not trusted to end its answer


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
    """Counts lines and sums their CRC-32, in pieces of any size."""

    def __init__(self) -> None:
        self.rows = 0
        self.checksum = 0
        self._rest = b""

    def add(self, piece: bytes) -> None:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        self.rows += len(lines)
        self.checksum += sum(zlib.crc32(line + b"\n") for line in lines)

    @property
    def complete(self) -> bool:
        """Whether the last line had its end."""
        return not self._rest


def request(port: int, timeout: float, on_first_byte: Callable[[], None] = lambda: None) -> Response:
    """GET /query.cgi from 127.0.0.1:``port``; each wait for bytes lasts at most ``timeout`` seconds.

    Raises CellError if the service does not answer, answers with an error, or stops half-way.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    begin = time.monotonic()
    rows = RowSum()
    first = 0.0
    received = 0
    try:
        connection.request("GET", "/query.cgi")
        answer = connection.getresponse()
        if answer.status != http.client.OK:
            raise CellError(f"service A answered {answer.status} {answer.reason}")
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
        raise CellError(f"the request to service A failed: {error or type(error).__name__}") from error
    finally:
        connection.close()
    if not rows.complete:
        raise CellError("service A's answer stops in the middle of a row")
    return Response(rows.rows, rows.checksum, first, time.monotonic() - begin)
