"""The request and the check of its answer, against a local server."""

import http.server
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from testbed.errors import CellError
from workloads.service_a.request import Expected, Response, RowSum, request


@contextmanager
def server(body: bytes, status: int = 200, length: int | None = None) -> Iterator[int]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body) if length is None else length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    listening = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    try:
        yield listening.server_address[1]
    finally:
        listening.shutdown()
        listening.server_close()


ROWS = b"Georgi\tFacello\tEngineer\nParto\tBamford\tEngineer\n"
SUM = sum(zlib.crc32(line) for line in ROWS.splitlines(keepends=True))


def test_rows_are_counted_and_summed_in_pieces_of_any_size() -> None:
    for size in (1, 2, 7, 1000):
        rows = RowSum()
        for at in range(0, len(ROWS), size):
            rows.add(ROWS[at : at + size])
        assert (rows.rows, rows.checksum, rows.complete) == (2, SUM, True)


def test_a_right_and_a_wrong_answer() -> None:
    seen: list[bool] = []
    with server(ROWS) as port:
        response = request(port, 10, lambda: seen.append(True))
    assert response.matches(Expected(2, SUM))
    assert not response.matches(Expected(3, SUM))
    assert not response.matches(Expected(2, SUM + 1))
    assert 0 < response.first_byte_s <= response.total_s
    assert seen == [True]


def test_order_is_free_but_content_is_not() -> None:
    swapped = b"".join(reversed(ROWS.splitlines(keepends=True)))
    changed = ROWS.replace(b"Georgi", b"George")
    with server(swapped) as port:
        assert request(port, 10).matches(Expected(2, SUM))
    with server(changed) as port:
        assert not request(port, 10).matches(Expected(2, SUM))


def test_failures_are_the_cells() -> None:
    with server(b"no", status=500) as port, pytest.raises(CellError, match="500"):
        request(port, 10)
    with server(ROWS[:-3]) as port, pytest.raises(CellError, match="middle of a row"):
        request(port, 10)
    with server(ROWS, length=1000) as port, pytest.raises(CellError, match="bytes early"):
        request(port, 1)
    with pytest.raises(CellError, match="refused"):
        request(1, 1)


def test_an_empty_answer_matches_nothing() -> None:
    with server(b"") as port:
        assert not request(port, 10).matches(Expected(2, SUM))
    assert not Response(0, 0, 0.0, 0.0).matches(Expected(1, 0))
